"""Where the tokens of a text stand on a page, in cells of a grid: maps, boxes and stores know no other places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from colvision.core.embedding import Ints, PatchGrid
from colvision.core.page import Box

_MOST = 96  # rows, and columns: 37 kB a page; a cell is 9 x 6 points of A4 or Letter, and print of 8 points 10 x 6
_SMALL_SHARE = 0.1  # of the tokens, whose boxes may be narrower, or lower, than a cell


def place_tokens(boxes: Sequence[Box | None]) -> PatchGrid:
    """The grid in which cells belong to the tokens (n,) of these boxes, in fractions of the page.

    It is as fine as the print is small: nearly every token gets cells of its own. A cell belongs to the first token
    whose box holds its middle; a token without such a cell gets the one that its own middle lies in, while that is
    free, and else has no place.
    """
    placed = [token for token, box in enumerate(boxes) if box is not None]
    if not placed:
        return PatchGrid(np.full((1, 1), -1, np.int32))
    edges = np.array([boxes[token] for token in placed], np.float64).clip(0, 1)  # (placed, 4)
    rows, cols = (_count(edges[:, axis + 2] - edges[:, axis]) for axis in (1, 0))
    size = np.array((cols, rows, cols, rows))
    scaled = edges * size
    cells = np.full((rows, cols), -1, np.int32)
    homeless = []
    inside = np.ceil(scaled - 0.5).astype(int)  # the first cell whose middle is not before an edge
    for token, (left, top, right, bottom) in zip(placed, inside.tolist(), strict=True):
        part = cells[top:bottom, left:right]
        free = part < 0
        if free.any():
            part[free] = token
        else:
            homeless.append(token)
    middles = dict(zip(placed, _middles(scaled, rows, cols).tolist(), strict=True))
    for token in homeless:
        row, col = middles[token]
        if cells[row, col] < 0:
            cells[row, col] = token
    return PatchGrid(cells)


def _count(sides: np.ndarray[tuple[int], np.dtype[np.float64]]) -> int:
    """How many cells of about the size of small tokens stand side by side on a page."""
    small = float(np.quantile(sides, _SMALL_SHARE))
    return _MOST if small * _MOST < 1 else max(1, int(np.ceil(1 / small)))


def _middles(scaled: np.ndarray[tuple[int, int], np.dtype[np.float64]], rows: int, cols: int) -> Ints:
    """(placed, 2) the row and column of the cell in which each box has its middle."""
    x, y = scaled[:, [0, 2]].mean(axis=1), scaled[:, [1, 3]].mean(axis=1)
    found: Ints = np.stack([y.astype(int).clip(0, rows - 1), x.astype(int).clip(0, cols - 1)], axis=1).astype(np.int32)
    return found
