"""A labelled page: a clean image and the place of every letter and word on it. What both sources of pages give."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colvision.encoders.mini.words import RUN, compounds_of, fold

_TELLING_SHARE = 0.4  # of a broken word's letters: a part of so many stands for the word
_LONGEST_COMPOUND = 24  # letters; a longer one does not fit what a patch sees


class LabelledWord(NamedTuple):
    """A folded word and its box in pixels."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


class LabelledPage(NamedTuple):
    """`image` (height, width) uint8, 255 = paper; letters: `codes` (n,), `boxes` (n, 4) left, top, right, bottom."""

    image: NDArray[np.uint8]
    codes: NDArray[np.int32]
    boxes: NDArray[np.float32]
    words: Sequence[LabelledWord]


_UPPER_PART, _LOWER_PART = 0.75, 0.25  # of the font size, over and under the base line


def line_extent(base: float, size: float) -> tuple[float, float]:
    """(top, bottom) of any letter of a line: the same for "x", "h" and "p", so that a line lies in one patch row."""
    return base - _UPPER_PART * size, base + _LOWER_PART * size


def printed_words(token: str, boxes: NDArray[np.float32]) -> list[LabelledWord]:
    """One blank-free token and its letters' boxes -> its runs of letters and digits, and the compound they form.

    A part number is that without its separators, too, as a query asks for it.
    """
    words = []
    for match in RUN.finditer(token):
        words.append(_word(fold(match.group()), boxes[match.start() : match.end()]))
    compounds = compounds_of(token)
    if len(compounds) == 1 and len(compounds[0]) <= _LONGEST_COMPOUND:
        words.append(_word(compounds[0], boxes))
        joined = "".join(RUN.findall(compounds[0]))
        if not joined.isalpha():
            words.append(_word(joined, boxes))
    return [word for word in words if word.text]


def broken_word(first: str, second: str, boxes: NDArray[np.float32]) -> list[LabelledWord]:
    """A word that is broken at a line's end; `boxes` (n, 4) are both parts' letters.

    It lies on each part that says enough of it.
    """
    word = fold(first + second)
    if not word.isalpha():
        return []
    parts = ((first, boxes[: len(first)]), (second, boxes[len(first) :]))
    return [_word(word, part) for text, part in parts if len(text) >= max(3, _TELLING_SHARE * len(word))]


def _word(text: str, boxes: NDArray[np.float32]) -> LabelledWord:
    left, top = boxes[:, :2].min(axis=0)
    right, bottom = boxes[:, 2:].max(axis=0)
    return LabelledWord(text, float(left), float(top), float(right), float(bottom))
