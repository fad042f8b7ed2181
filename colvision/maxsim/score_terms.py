"""What a page's score holds beside MaxSim, where the calibration gives a probability: how often words stand on the
page, and whether words that are neighbours in the query are neighbours there.

MaxSim looks for every word by itself. A reader of printed words can tell more from the same codes: a
patch holds a word with probability calibration(similarity), so word counts and word places are there to be had.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats, Ints, PatchGrid
from colvision.core.query import PrintedTokens, ScoredQuery, Scores
from colvision.maxsim.selection import Starts

Indices = NDArray[np.int64]

# The weights of the three terms; chosen on the development set of docs/evaluation.md, where neighbouring values
# (0.3-0.5, 0.5-1.5, 0.5-1.5) are within 0.01 of nDCG@10 of these.
_FREQUENCY_WEIGHT, _ORDER_WEIGHT, _NEAR_WEIGHT = 0.4, 1.0, 1.0
# BM25's saturation and length normalisation (Robertson and Zaragoza 2009, section 3.4); a word of two patches counts
# twice, hence the larger k1.
_K1, _B = 2.0, 0.75
_LEAST_PROBABILITY = 0.05  # probability from which a patch counts as a place of the word
_MOST_PLACES = 16  # of one word on a page, the most probable first: pairs grow with the square
_REACH_IN_ORDER = 2  # patches to the right in which the next word of the query begins
_REACH_ROWS, _REACH_COLS = 1, 4  # a paragraph's neighbourhood
_PAIRS = 512  # of words whose places are compared at once: half a megabyte of products


class _Places(NamedTuple):
    """The most probable places of tokens, at most `_MOST_PLACES` each; probability 0 where there are fewer."""

    probability: Floats  # (pages, p, places)
    row: Ints
    col: Ints

    def of(self, page: Indices, token: Indices) -> "_Places":
        """(pairs, places) each."""
        return _Places(self.probability[page, token], self.row[page, token], self.col[page, token])


def compute_score_terms(
    query: ScoredQuery, probabilities: Floats, grids: Sequence[PatchGrid], starts: Starts
) -> Mapping[str, Scores]:
    """The extra terms of pages, (pages,) by name. None where the calibration gives no probability, and for an example.

    `probabilities` (t, n) are the calibrated similarities of the query tokens to the vectors of pages that lie end to
    end, `starts` (pages + 1,) says where each begins, and its grid places them. All terms are >= 0. Raises `ValueError`
    for a table of another query.

    - frequency: for each token weight * f / (f + k1 * (1 - b + b * length)), f its expected number of patches and
      length the page's number of vectors over the collection's mean.
    - order: for each two tokens that follow each other in the query the smaller weight times the probability that they
      follow each other on a line.
    - near: the same for any two tokens within a few lines and words, over t - 1.

    Of a word that may be printed in several ways the tokens are those of the most probable one.
    """
    if not query.calibration.is_probability or query.embedding.is_example or len(query.weights) == 0:
        return {}
    if len(probabilities) != len(query.weights):
        raise ValueError(f"{len(probabilities)} rows of probabilities for the {len(query.weights)} tokens of the query")
    printed = query.as_printed(np.maximum.reduceat(probabilities, starts[:-1], axis=1).T)
    counts, places = _find_places(probabilities[printed.tokens], printed.scale, grids, starts)
    length = np.diff(starts)[:, None] / query.mean_vectors
    frequency = (printed.weights * counts / (counts + _K1 * (1 - _B + _B * length))).sum(axis=1)
    if len(query.weights) == 1:
        return {"frequency": _FREQUENCY_WEIGHT * frequency}
    in_order, near = _compare_places(places, printed)
    others = np.maximum(printed.is_printed.sum(axis=1) - 1, 1)
    return {
        "frequency": _FREQUENCY_WEIGHT * frequency,
        "order": _ORDER_WEIGHT * in_order,
        "near": _NEAR_WEIGHT * near / others,
    }


def bound_score_terms(query: ScoredQuery, best: Floats) -> Scores:
    """(pages,) what the terms of pages are at most together, by the best probabilities (pages, t) that they have."""
    if not query.calibration.is_probability or query.embedding.is_example or len(query.weights) == 0:
        return np.zeros(len(best), np.float64)
    printed = query.as_printed(best)
    chance = best[:, printed.tokens] * printed.scale  # (pages, p)
    chance = np.where(chance > _LEAST_PROBABILITY, chance, 0.0)
    bound: Scores = _FREQUENCY_WEIGHT * (printed.weights * (chance > 0)).sum(axis=1, dtype=np.float64)
    number = printed.is_printed.cumsum(axis=1)
    others = np.maximum(printed.is_printed.sum(axis=1) - 1, 1)
    for later in range(1, chance.shape[1]):
        both = np.minimum(printed.weights[:, :later], printed.weights[:, later, None])
        both = both * (chance[:, :later] * chance[:, later, None])  # (pages, later)
        follows = number[:, later, None] == number[:, :later] + 1
        bound += _ORDER_WEIGHT * (both * follows).sum(axis=1) + _NEAR_WEIGHT * both.sum(axis=1) / others
    return bound


def _find_places(
    probabilities: Floats, scale: Floats, grids: Sequence[PatchGrid], starts: Starts
) -> tuple[Scores, _Places]:
    """(p, n) and (pages, p) -> the expected number of patches of each token, (pages, p), and where they are."""
    shape: tuple[int, ...] = scale.shape
    token, vector = np.nonzero(probabilities > _LEAST_PROBABILITY)
    page = np.searchsorted(starts, vector, side="right") - 1
    chance = probabilities[token, vector] * scale[page, token]
    is_place = chance > _LEAST_PROBABILITY
    chance, vector, owner = chance[is_place], vector[is_place], (page * shape[1] + token)[is_place]
    counts = _sums(chance, owner, scale.size).reshape(shape)
    best_first = np.lexsort((-chance, owner))  # equal ones in the order of the vectors
    chance, vector, owner = chance[best_first], vector[best_first], owner[best_first]
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
    is_kept = rank < _MOST_PLACES
    chance, vector, at = chance[is_kept], vector[is_kept], (owner[is_kept], rank[is_kept])
    row, col = _first_cells(grids, starts, vector)
    most = int(rank[is_kept].max(initial=0)) + 1
    size = (scale.size, most)
    probability, rows, cols = np.zeros(size, np.float32), np.zeros(size, np.int32), np.zeros(size, np.int32)
    probability[at], rows[at], cols[at] = np.where(row < 0, 0.0, chance), row, col  # without a cell nobody's neighbour
    shape += (most,)
    return counts, _Places(probability.reshape(shape), rows.reshape(shape), cols.reshape(shape))


def _first_cells(grids: Sequence[PatchGrid], starts: Starts, vectors: Indices) -> Ints:
    """(2, vectors) row and column of the first cell of some vectors, -1 where one has none.

    As `PatchGrid.first_cells` has them, of all pages at once: page by page it takes a tenth of a search.
    """
    cells = np.concatenate([grid.cells.ravel() for grid in grids])
    sizes = np.array([grid.cells.size for grid in grids])
    place = np.arange(len(cells)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # of a cell on its page
    vector = np.where(cells < 0, starts[-1], cells + np.repeat(starts[:-1], sizes))
    first = np.full(starts[-1] + 1, -1, np.int64)  # the last is for cells that have no vector
    first[vector[::-1]] = place[::-1]  # the first stays
    cols = np.array([max(grid.cols, 1) for grid in grids])[np.searchsorted(starts, vectors, side="right") - 1]
    row_col: Ints = np.where(first[vectors] < 0, -1, np.divmod(first[vectors], cols)).astype(np.int32)
    return row_col


def _compare_places(places: _Places, printed: PrintedTokens) -> tuple[Scores, Scores]:
    """(pages,) how probably neighbours in the query follow each other on a line, and any two are near each other."""
    is_somewhere = places.probability.max(axis=2) > 0  # (pages, p)
    number = printed.is_printed.cumsum(axis=1)  # of a token among those that the page prints
    earlier, later = np.triu_indices(is_somewhere.shape[1], 1)
    page, pair = np.nonzero(is_somewhere[:, earlier] & is_somewhere[:, later])
    in_order, near = np.zeros(len(page)), np.zeros(len(page))
    earlier, later = earlier[pair], later[pair]
    for at in range(0, len(page), _PAIRS):
        block = slice(at, at + _PAIRS)
        in_order[block], near[block] = _best_of_pairs(
            places.of(page[block], earlier[block]), places.of(page[block], later[block])
        )
    weight = np.minimum(printed.weights[page, earlier], printed.weights[page, later]).astype(np.float64)
    follows = number[page, later] == number[page, earlier] + 1
    pages = len(is_somewhere)
    return _sums(weight * in_order * follows, page, pages), _sums(weight * near, page, pages)


def _best_of_pairs(one: _Places, other: _Places) -> tuple[Floats, Floats]:
    """Of tokens (pairs, places) each: how probably they follow each other on a line, and are near each other."""
    down = other.row[:, None, :] - one.row[:, :, None]
    right = other.col[:, None, :] - one.col[:, :, None]
    both = other.probability[:, None, :] * one.probability[:, :, None]
    both *= (np.abs(down) <= _REACH_ROWS) & (np.abs(right) <= _REACH_COLS)
    in_order = both * ((down == 0) & (right >= 0) & (right <= _REACH_IN_ORDER))
    return in_order.max(axis=(1, 2)), both.max(axis=(1, 2))


def _sums(values: Floats | Scores, owner: Indices, count: int) -> Scores:
    """(count,) the sum of each one's own values, in their order."""
    sums: Scores = np.bincount(owner, values, count).astype(np.float64, copy=False)  # of nothing they are int64
    return sums
