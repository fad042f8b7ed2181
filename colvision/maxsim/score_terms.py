"""What a page's score holds beside MaxSim, where the calibration gives a probability: how often words stand on the
page, and whether words that are neighbours in the query are neighbours there.

MaxSim looks for every word by itself. A reader of printed words can tell more from the same codes: a
patch holds a word with probability calibration(similarity), so word counts and word places are there to be had.

The file imports numba: import it once pages are scored.
"""

from collections.abc import Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray

from colvision.core.embedding import Floats, Ints, PatchGrid
from colvision.core.query import ScoredQuery
from colvision.maxsim.kernels import jit_cached

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


def compute_score_terms(query: ScoredQuery, probabilities: Floats, grid: PatchGrid) -> Mapping[str, float]:
    """The extra terms of a page, by name. None where the calibration gives no probability, and for a page as the query.

    `probabilities` (t, n) are the calibrated similarities of the query tokens to the page's vectors, `grid` places the
    vectors. All terms are >= 0. Raises `ValueError` for a table of another query.

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
    cells = np.require(grid.cells, requirements=["C", "A"])  # behind codes of an odd dim a shard's are not aligned
    probabilities, weights = query.as_printed(probabilities)
    frequency, order, near = _compiled_terms(probabilities, cells, weights, probabilities.shape[1] / query.mean_vectors)
    if len(query.weights) == 1:
        return {"frequency": frequency}
    return {"frequency": frequency, "order": order, "near": near}


@njit  # type: ignore[untyped-decorator]
def _first_cells(cells: Ints, vectors: int) -> Ints:
    """(rows, cols) -> (vectors, 2): row and column of the first cell of each vector, -1 where it has none."""
    first = np.full((vectors, 2), -1, np.int32)
    for row in range(cells.shape[0]):
        for col in range(cells.shape[1]):
            vector = cells[row, col]
            if 0 <= vector < vectors and first[vector, 0] < 0:
                first[vector, 0], first[vector, 1] = row, col
    return first


@njit  # type: ignore[untyped-decorator]
def _patches(probabilities: Floats) -> tuple[float, Indices]:
    """(n,) of one word -> its expected number of patches, and its `_MOST_PLACES` most probable ones, the best first."""
    count, best, size = 0.0, np.empty(_MOST_PLACES, np.int64), 0
    for vector in range(len(probabilities)):
        if probabilities[vector] <= _LEAST_PROBABILITY:
            continue
        count += probabilities[vector]
        if size == _MOST_PLACES and probabilities[vector] <= probabilities[best[size - 1]]:
            continue
        size = min(size + 1, _MOST_PLACES)
        place = size - 1
        while place > 0 and probabilities[best[place - 1]] < probabilities[vector]:
            best[place] = best[place - 1]
            place -= 1
        best[place] = vector
    return count, best[:size]


@njit  # type: ignore[untyped-decorator]
def _best_pair(probabilities: tuple[Floats, Floats], best: tuple[Indices, Indices], first: Ints) -> tuple[float, float]:
    """How probably two words follow each other on a line, and how probably they are near each other."""
    in_order = near = 0.0
    for one in best[0]:
        for other in best[1]:
            down, right = first[other, 0] - first[one, 0], first[other, 1] - first[one, 1]
            has_places = first[one, 0] >= 0 and first[other, 0] >= 0
            if has_places and abs(down) <= _REACH_ROWS and abs(right) <= _REACH_COLS:
                both = probabilities[0][one] * probabilities[1][other]
                near = max(near, both)
                if down == 0 and 0 <= right <= _REACH_IN_ORDER:
                    in_order = max(in_order, both)
    return in_order, near


def _terms_of_page(probabilities: Floats, cells: Ints, weights: Floats, length: float) -> tuple[float, float, float]:
    """Frequency, order and near: what `compute_score_terms` describes, of `probabilities` (t, n)."""
    first = _first_cells(cells, probabilities.shape[1])
    best = []
    frequency = order = near = 0.0
    for later in range(len(weights)):
        count, places = _patches(probabilities[later])
        best.append(places)
        frequency += weights[later] * count / (count + _K1 * (1 - _B + _B * length))
        for earlier in range(later):
            in_order, is_near = _best_pair(
                (probabilities[earlier], probabilities[later]), (best[earlier], best[later]), first
            )
            weight = min(weights[earlier], weights[later])
            near += weight * is_near
            if earlier == later - 1:
                order += weight * in_order
    return _FREQUENCY_WEIGHT * frequency, _ORDER_WEIGHT * order, _NEAR_WEIGHT * near / max(len(weights) - 1, 1)


_compiled_terms = jit_cached(
    _terms_of_page,
    [
        "UniTuple(float64, 3)(Array(float32, 2, 'A', readonly=True), Array(int32, 2, 'C', readonly=True), "
        "Array(float32, 1, 'C', readonly=True), float64)"
    ],
)
