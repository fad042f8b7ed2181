"""The box of a printed word: a patch is a cell of a grid, but what its reader looks for is the word."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colvision.core.embedding import Floats
from colvision.core.page import Box

_AROUND = (5, 3)  # widths and heights of a patch that are looked at to each side: long words, the lines above and below
_NEAR = 0.7  # widths and heights of a patch to each side: where paper and ink are told from each other
_CONTRAST = 40  # grey levels between ink and paper, at least
_RULE = 3  # heights of a patch: ink without a break for longer is the rule of a table, or no print
_SLOPES = np.linspace(-0.04, 0.04, 17)  # of lines: up to 2.3 degrees either way
_SMOOTHED = 0.12  # heights of a patch: the bars of an "e" are one line
_LINE = 0.3  # of the ink in the fullest row about the patch: what rows of a line have, but those of tops and tails
_LOWEST_LINE = 0.1  # heights of a patch: specks are lower
_TOPS = 0.5  # heights of a line, so measured, in which capitals reach above it
_TAIL = 0.8  # heights of a line, so measured, that tops and tails add at most
_GAPS = (0.15, 0.6, 1.0)  # heights of a line: usual between letters, between words, and the widest that tells of either
_SPECK = 3  # pixels of ink: fewer are no letter

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]


def word_box(page: Image.Image, patch: Box, centre: tuple[float, float]) -> Box:
    """The box of the word nearest to `centre` (x, y) that `patch` touches, all of them in fractions of `page`.

    A word is a run of ink on a line, of any length, dark on light or light on dark, turned by up to 2 degrees; rules
    are not ink. The box is `patch` itself where no one word can be told: blank paper, a photograph, ink without an end,
    or a patch so coarse that the middles of two lines lie in it. Takes about 3 ms.
    """
    own = patch.scaled(page.size)
    wide, high = own.right - own.left, own.bottom - own.top
    x, y = centre[0] * page.width, centre[1] * page.height
    left, right = max(0, int(x - _AROUND[0] * wide)), min(page.width, int(x + _AROUND[0] * wide) + 1)
    top, bottom = max(0, int(y - _AROUND[1] * high)), min(page.height, int(y + _AROUND[1] * high) + 1)
    grey = np.asarray(page.crop((left, top, right, bottom)).convert("L"), dtype=np.float32)
    near = grey[
        max(0, int(y - _NEAR * high) - top) : int(y + _NEAR * high) - top + 1,
        max(0, int(x - _NEAR * wide) - left) : int(x + _NEAR * wide) - left + 1,
    ]
    ys, xs = np.nonzero(_without_rules(_ink(grey, near), round(_RULE * high)))
    if len(ys) == 0:
        return patch
    ys, xs = ys + top, xs + left  # (pixels of ink,) on the page
    rows = _straighten(ys, xs - x)
    line = _line(rows, np.exp(-(((xs - x) / wide) ** 2) / 2), own, y)
    if line is None:
        return patch
    is_here = (line[0] - _TOPS * (line[1] - line[0]) <= rows) & (rows < line[1])
    word = _word(xs[is_here], line[1] - line[0], own, x)
    if word is None or word[0] == left or word[1] == right:
        return patch
    is_here = (word[0] <= xs) & (xs < word[1])
    first, last = _with_tails(rows[is_here], line)
    ys = ys[is_here & (first <= rows) & (rows < last)]
    if len(ys) == 0:  # nothing but what hangs above the line
        return patch
    return Box(
        word[0] / page.width, int(ys.min()) / page.height, word[1] / page.width, (int(ys.max()) + 1) / page.height
    )


def _ink(grey: Floats, near: Floats) -> Mask:
    """What differs from the paper by half as much as ink does; `near` is the part around the patch, mostly paper."""
    darkest, paper, lightest = np.percentile(near, (1, 50, 99))
    sign, contrast = (-1, paper - darkest) if paper - darkest > lightest - paper else (1, lightest - paper)
    ink: Mask = sign * (grey - paper) > max(contrast, _CONTRAST) / 2
    return ink


def _without_rules(ink: Mask, longest: int) -> Mask:
    """Ink (rows, cols) but for runs along a row or a column that are longer than so many pixels."""
    return ink & ~_long_runs(ink, longest) & ~_long_runs(ink.T, longest).T


def _long_runs(ink: Mask, longest: int) -> Mask:
    """Of ink (rows, cols) the runs along a row that are longer than so many pixels."""
    found = np.zeros((len(ink), ink.shape[1] + 1), dtype=np.bool_)
    found[:, :-1] = ink  # the last column ends a run at each row's end
    runs = _runs(found.ravel())
    found[:] = False
    for start, end in runs[runs[:, 1] - runs[:, 0] > longest].tolist():
        found.ravel()[start:end] = True
    return found[:, :-1]


def _straighten(ys: Ints, along: Floats) -> Ints:
    """The row (n,) of every pixel, were its line level: of some slopes the one with the sharpest edges of lines."""

    def sharpness(rows: Ints) -> float:
        return float((np.diff(np.bincount(rows - rows.min())).astype(float) ** 2).sum())

    return max((ys - np.rint(slope * along).astype(np.int64) for slope in _SLOPES), key=sharpness)


def _line(rows: Ints, weights: Floats, own: Box, y: float) -> tuple[int, int] | None:
    """(first, last + 1) row of the line nearest to `y` that the patch touches; None where there is none, or two."""
    high = own.bottom - own.top
    base = int(rows.min())
    kernel = max(1, round(_SMOOTHED * high))
    profile = np.convolve(np.bincount(rows - base, weights), np.full(kernel, 1 / kernel), "same")
    about = profile[max(0, int(y - high) - base) : max(0, int(y + high) - base) + 1]
    lines = _runs(profile > _LINE * about.max(initial=0)) + base
    lines = lines[lines[:, 1] - lines[:, 0] >= _LOWEST_LINE * high]
    middles = lines.mean(axis=1)
    if ((own.top <= middles) & (middles < own.bottom)).sum() > 1:
        return None
    return _nearest(lines, (own.top, own.bottom), y)


def _word(xs: Ints, line_height: int, own: Box, x: float) -> tuple[int, int] | None:
    """(first, last + 1) column of the word nearest to `x` that the patch touches, among a line's pixels of ink."""
    columns = np.bincount(xs)
    pieces = _runs(columns > 0)
    pieces = pieces[[columns[start:end].sum() >= _SPECK for start, end in pieces]]
    if len(pieces) == 0:
        return None
    gaps = pieces[1:, 0] - pieces[:-1, 1]
    is_end = gaps > line_height * _word_gap(gaps / line_height)
    words = np.stack([pieces[np.append(True, is_end), 0], pieces[np.append(is_end, True), 1]], axis=1)
    return _nearest(words, (own.left, own.right), x)


def _word_gap(gaps: NDArray[np.float64]) -> float:
    """Where gaps between letters end and those between words begin: two means, of gaps in heights of their line."""
    between_letters, between_words, widest = _GAPS
    gaps = np.concatenate(([between_letters, between_words], np.minimum(gaps, widest)))
    limit = (between_letters + between_words) / 2
    for _ in range(5):
        limit = float(gaps[gaps <= limit].mean() + gaps[gaps > limit].mean()) / 2
    return limit


def _with_tails(rows: Ints, line: tuple[int, int]) -> tuple[int, int]:
    """The rows of a word's line, with those above and below in which its ink goes on."""
    reach = round(_TAIL * (line[1] - line[0]))
    first = line[0] - reach
    is_ink = (
        np.bincount(rows[(first <= rows) & (rows < line[1] + reach)] - first, minlength=line[1] + reach - first) > 0
    )
    is_ink[reach:-reach] = True
    start, end = next(run for run in _runs(is_ink).tolist() if run[1] > reach)
    return first + start, first + end


def _nearest(spans: Ints, touched: tuple[float, float], at: float) -> tuple[int, int] | None:
    """The span (start, end) that is nearest to `at`, of those that reach between the two in `touched`."""
    spans = spans[(spans[:, 0] < touched[1]) & (spans[:, 1] > touched[0])]
    if len(spans) == 0:
        return None
    outside = np.maximum(spans[:, 0] - at, at - spans[:, 1])
    start, end = spans[np.argmin(outside)].tolist()
    return start, end


def _runs(mask: Mask) -> Ints:
    """(runs, 2) where each run of True in (n,) starts and ends."""
    return np.flatnonzero(np.diff(np.pad(mask, 1).astype(np.int8))).reshape(-1, 2)
