"""A page's text as an encoder of text reads it: its words in one string, each with its place on the page. No torch."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from colvision.core.page import Box, Page

Span = tuple[int, int]  # from, to: characters


@dataclass(frozen=True, slots=True)
class PageText:
    """The words of a page joined by blanks: `spans` are their places in `text`, `boxes` those on the page.

    `boxes` is empty where nobody knows where the words stand.
    """

    text: str
    spans: tuple[Span, ...]
    boxes: tuple[Box, ...] = ()

    @classmethod
    def of(cls, page: Page) -> PageText:
        """Of the page's words, where there are any, else of its text."""
        placed = [(each.box, " ".join(each.text.split())) for each in page.words]
        placed = [(box, word) for box, word in placed if word]
        words = [word for _, word in placed] or page.text.split()
        ends = np.cumsum([len(word) + 1 for word in words], dtype=int).tolist()
        spans = tuple((end - 1 - len(word), end - 1) for word, end in zip(words, ends, strict=True))
        return cls(" ".join(words), spans, tuple(box for box, _ in placed))

    def share(self, span: Span) -> Box | None:
        """The part of a word's box that the characters of a token take up, were they all of one width.

        The first word's that has any of them; None where none has, or nobody knows its place.
        """
        if not self.boxes or span[0] >= span[1]:
            return None
        word = bisect_right(self.spans, span[0], key=lambda each: each[1])
        if word == len(self.spans):
            return None
        start, end = self.spans[word]
        first, last = max(span[0], start), min(span[1], end)
        if first >= last:
            return None
        box, width = self.boxes[word], (self.boxes[word].right - self.boxes[word].left) / (end - start)
        return Box(box.left + (first - start) * width, box.top, box.left + (last - start) * width, box.bottom)


def word_spans(text: str) -> list[Span]:
    """Where the words of a text stand in it."""
    return [match.span() for match in re.finditer(r"\S+", text)]


def cut_into_passages(words: Sequence[Span], count: Callable[[Span], int], capacity: int) -> Iterator[Span]:
    """The characters of passages that follow each other: whole words, none left out and none twice.

    `count` tells the tokens of the text at a span. A passage has at most `capacity` of them, and about as many as the
    others, since a rest of three words would match questions that its page does not answer. A word that is longer
    (a script without blanks is one word) is cut among its letters.
    """
    if not words:
        return
    whole = words[0][0], words[-1][1]
    tokens = count(whole)
    if tokens <= capacity or whole[1] - whole[0] < 2:
        yield whole
        return
    if len(words) == 1:
        middle = sum(whole) // 2
        words = [(whole[0], middle), (middle, whole[1])]
    parts = min(len(words), math.ceil(tokens / capacity))
    for first, last in _bounds(len(words), parts):
        yield from cut_into_passages(words[first:last], count, capacity)


def _bounds(count: int, parts: int) -> Iterator[tuple[int, int]]:
    edges = [count * part // parts for part in range(parts + 1)]
    yield from zip(edges, edges[1:], strict=False)
