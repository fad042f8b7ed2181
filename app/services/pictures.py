"""Pictures of pages, and of places on them, small enough for a model to look at."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from colvision.core.embedding import Floats
from colvision.core.page import Box
from colvision.explain import Explanation

from ..opened import OpenLibrary
from ..views import MatchView

LONGEST = 1568  # pixels of the longer side: models are given no more of a picture than about that
_QUALITY = 85  # JPEG
_LEAST = 0.005  # of a page's width and height: what is smaller is no place to look at
_WINDOW = (0.3, 0.08)  # half of its width and height, in fractions: words that stand so near are seen together
_SEEN = 0.5  # of a word's strongest cell: what is as strong as that is taken for the word, too
_MARGIN = (0.04, 0.025)  # around them
_SMALLEST = (0.6, 0.1)  # so that a word is shown with its line, and the lines beside it


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG of `size` (width, height) in pixels that shows the `box` of a page, in fractions."""

    data: bytes
    size: tuple[int, int]
    box: Box


def parse_box(values: Sequence[float]) -> Box:
    """Left, top, right, bottom as fractions of a page. Raises `ValueError` for what is no place on it."""
    box = Box(*values) if len(values) == 4 else None
    if box is None or not (0 <= box.left < box.right <= 1 and 0 <= box.top < box.bottom <= 1):
        raise ValueError(
            f"a region is left, top, right, bottom in fractions of the page, 0 to 1, not {[*values]}: [0, 0, 1, 0.5] "
            "is the upper half"
        )
    if min(box.right - box.left, box.bottom - box.top) < _LEAST:
        raise ValueError(f"the region {[*values]} is too small to show anything: widen it")
    return box


def page_picture(library: OpenLibrary, document: str, page: int, box: Box | None = None) -> Picture:
    """A page, or a place on it, at most `LONGEST` pixels long; never larger than it is kept.

    Raises `DocumentNotFound`, `PageNotFound`, `LibraryDamaged`.
    """
    return cut(library.page_image(document, page), box or Box(0, 0, 1, 1))


def cut(image: Image.Image, box: Box) -> Picture:
    """The `box` of a page image."""
    left, top, right, bottom = box.scaled(image.size)
    part = image.crop((int(left), int(top), max(int(left) + 1, round(right)), max(int(top) + 1, round(bottom))))
    part.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    part.save(data, "JPEG", quality=_QUALITY)
    return Picture(data.getvalue(), part.size, box)


def best_places(why: Explanation, words: Sequence[MatchView], most: int) -> list[Box]:
    """Places on a page, best first: where most of these words stand close together, then where the others are."""
    known = [(match, Box(*match.box)) for match in words if match.box is not None]
    if not known:
        return []
    places = [_densest(why, [match for match, _ in known])]
    for _, box in sorted(known, key=lambda each: -each[0].contribution):
        if len(places) < most and not any(holds(place, box) for place in places):
            places.append(_frame([box]))
    return places


def _densest(why: Explanation, words: Sequence[MatchView]) -> Box:
    rows, cols = why.grid.rows, why.grid.cols
    down, across = round(_WINDOW[1] * rows), round(_WINDOW[0] * cols)
    planes = [(match.contribution, why.strength(match.word)) for match in words]  # each (rows, cols)
    near = sum(max(worth, 1e-6) * _highest(_highest(plane, down, 0), across, 1) for worth, plane in planes)
    row, col = divmod(int(np.argmax(near)), cols)
    top, left = max(0, row - down), max(0, col - across)
    boxes = []
    for _, plane in planes:
        window = plane[top : row + down + 1, left : col + across + 1]
        if window.max() >= _SEEN * plane.max():
            best_row, best_col = divmod(int(np.argmax(window)), window.shape[1])
            boxes.append(why.grid.box(top + best_row, left + best_col))
    return _frame(boxes)


def _highest(plane: Floats, reach: int, axis: int) -> Floats:
    """(rows, cols) the highest value of each cell's neighbours along an axis, so far away."""
    margin = [(reach, reach) if each == axis else (0, 0) for each in (0, 1)]
    windows = sliding_window_view(np.pad(plane, margin), 2 * reach + 1, axis=axis)
    highest: Floats = windows.max(axis=-1)
    return highest


def holds(place: Box, box: Box) -> bool:
    """Whether the middle of a box lies in a place."""
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    return place.left <= x <= place.right and place.top <= y <= place.bottom


def _frame(boxes: Sequence[Box]) -> Box:
    left, right = _widen(min(box.left for box in boxes), max(box.right for box in boxes), _MARGIN[0], _SMALLEST[0])
    top, bottom = _widen(min(box.top for box in boxes), max(box.bottom for box in boxes), _MARGIN[1], _SMALLEST[1])
    return Box(left, top, right, bottom)


def _widen(low: float, high: float, margin: float, least: float) -> tuple[float, float]:
    """The same stretch with a margin, at least so long, pushed back onto the page."""
    more = max(margin, (least - (high - low)) / 2)
    low, high = low - more, high + more
    shift = max(0.0, -low) - max(0.0, high - 1.0)
    return round(max(0.0, low + shift), 4), round(min(1.0, high + shift), 4)
