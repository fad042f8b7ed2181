"""Whether the best patch for a word lies on that word."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from colvision.core.page import Box, PageId
from colvision.errors import InputError
from colvision.evaluation.bootstrap import Interval, share_interval
from colvision.evaluation.queries import json_lines, page_of
from colvision.explain import Explanation


class TargetWord(NamedTuple):
    """A word that is printed on a page, with every place of it as fractions of the page image."""

    page: PageId
    text: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Pointing:
    """Of `words`, the share whose best patch lies on them; the interval is over pages, drawn with all their words."""

    words: int
    share: float
    interval: Interval


def read_words(path: Path) -> tuple[TargetWord, ...]:
    """Lines {"doc", "page" from 0, "word", "boxes": [[left, top, right, bottom], ...]} in fractions of the page.

    Raises `InputError`, naming the line.
    """
    words = []
    for number, row in json_lines(path):
        try:
            words.append(_word(row))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"line {number} of {path.name} is not a word ({type(error).__name__}: {error}); "
                'expected {"doc", "page", "word", "boxes": [[left, top, right, bottom]]}'
            ) from error
    return tuple(words)


def is_hit(explanation: Explanation, boxes: Iterable[Box]) -> bool:
    """Whether the centre of the best patch lies in one of the boxes, grown by half a patch on each side.

    The best patch has the largest similarity, summed over the tokens that the word was cut into; other words for it
    do not count.
    """
    embedding = explanation.query.embedding
    own = explanation.similarity_map[embedding.is_query & embedding.is_own].sum(axis=0)  # (rows, cols), NaN: no patch
    if np.isnan(own).all():
        return False
    row, col = np.unravel_index(int(np.nanargmax(own)), own.shape)
    half_width, half_height = 0.5 / explanation.grid.cols, 0.5 / explanation.grid.rows
    x, y = (int(col) + 0.5) / explanation.grid.cols, (int(row) + 0.5) / explanation.grid.rows
    return any(
        box.left - half_width <= x <= box.right + half_width and box.top - half_height <= y <= box.bottom + half_height
        for box in boxes
    )


def summarise(hits: Iterable[tuple[PageId, bool]]) -> Pointing:
    """One (page, hit) a word."""
    pages: dict[PageId, list[bool]] = {}
    for page, hit in hits:
        pages.setdefault(page, []).append(hit)
    found, counts = [sum(each) for each in pages.values()], [len(each) for each in pages.values()]
    return Pointing(sum(counts), sum(found) / sum(counts), share_interval(found, counts))


def _word(row: object) -> TargetWord:
    if not isinstance(row, Mapping):
        raise TypeError(f"{row!r} is not an object")
    boxes = tuple(Box(*map(float, box)) for box in row["boxes"])
    return TargetWord(page_of({"doc": row["doc"], "page": row["page"]}), str(row["word"]), boxes)
