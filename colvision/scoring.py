"""What a page's score holds beside MaxSim, where the link is a probability: how often words stand on the page, and
whether words that are neighbours in the query are neighbours there.

MaxSim asks of every word alone whether the page has it. A reader of printed words can say more from the same codes: a
patch holds a word with probability link(similarity), so word counts and word places are there to be had.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colvision.embedding import Floats, PatchGrid, ScoredQuery

# The weights of the three terms; chosen on the development set of docs/evaluation.md, where neighbouring values
# (0.3-0.5, 0.5-1.5, 0.5-1.5) are within 0.01 of nDCG@10 of these.
_FREQUENCY, _ORDER, _NEAR = 0.4, 1.0, 1.0
# BM25's saturation and length normalisation (Robertson and Zaragoza 2009, section 3.4); a word of two patches counts
# twice, hence the larger k1.
_K1, _B = 2.0, 0.75
_CERTAIN = 0.05  # probability from which a patch counts as a place of the word
_MOST_PLACES = 16  # of one word on a page, the most probable first: pairs grow with the square
_REACH_IN_ORDER = 2  # patches to the right in which the next word of the query begins
_REACH_NEAR = (1, 4)  # rows and columns: a paragraph's neighbourhood


class _Places(NamedTuple):
    """Where on the page the words stand, one entry a word and patch."""

    token: NDArray[np.int64]
    row: NDArray[np.int64]
    col: NDArray[np.int64]
    chance: Floats


def page_terms(query: ScoredQuery, similarity: Floats, grid: PatchGrid) -> Mapping[str, float]:
    """The extra terms of one page by name; none where the link is no probability or a page asks. All are >= 0.

    `similarity` (t, n) holds the query tokens against all vectors of the page, whose places `grid` names.

    - frequency: for each token weight * f / (f + k1 * (1 - b + b * length)), f its expected number of patches and
      length the page's number of vectors over the collection's mean.
    - order: for each two tokens that follow each other in the query the smaller weight times the probability that they
      follow each other on a line.
    - near: the same for any two tokens within a few lines and words, over t - 1.
    """
    if not query.link.is_probability or query.embedding.is_page or similarity.shape[0] == 0:
        return {}
    tokens, vectors = similarity.shape
    token, vector = np.nonzero(similarity > query.link.inverse(_CERTAIN))
    chance = query.link(similarity[token, vector])
    times: NDArray[np.float64] = np.bincount(token, chance, minlength=tokens).astype(np.float64)  # (t,)
    terms = {"frequency": _frequency(query, times, vectors)}
    if tokens > 1:
        smaller = np.minimum(query.weights[:, None], query.weights[None, :])  # (t, t)
        order, near = _pairs(_places((token, vector, chance), grid, vectors), tokens)
        terms["order"] = _ORDER * float((np.diagonal(order, 1) * np.diagonal(smaller, 1)).sum())
        terms["near"] = _NEAR * float(np.triu(near * smaller, 1).sum()) / (tokens - 1)
    return terms


def _frequency(query: ScoredQuery, times: NDArray[np.float64], vectors: int) -> float:
    length = vectors / query.mean_vectors
    return _FREQUENCY * float((query.weights * times / (times + _K1 * (1 - _B + _B * length))).sum())


def _places(found: tuple[NDArray[np.int64], NDArray[np.int64], Floats], grid: PatchGrid, vectors: int) -> _Places:
    token, vector, chance = found
    if len(token) > _MOST_PLACES:
        order = np.lexsort((-chance, token))
        place = np.arange(len(token)) - np.searchsorted(token, token)  # among those of its token; `token` is sorted
        best = order[place < _MOST_PLACES]
        token, vector, chance = token[best], vector[best], chance[best]
    cells = grid.cells.ravel()
    first = np.full(vectors + 1, -1, dtype=np.int64)  # each vector's first cell; the last entry stands for no vector
    wanted = np.zeros(vectors + 1, dtype=np.bool_)
    wanted[vector] = True
    here = np.flatnonzero(wanted[cells])[::-1]  # from the end, so that the first one is what stays
    first[cells[here]] = here
    cell = first[vector]
    placed = cell >= 0
    token, cell, chance = token[placed], cell[placed], chance[placed]
    return _Places(token, cell // grid.cols, cell % grid.cols, chance)


def _pairs(places: _Places, tokens: int) -> tuple[Floats, Floats]:
    """(t, t) each: the best product of two tokens' probabilities, the second to the right of the first, or near it."""
    product = places.chance[:, None] * places.chance[None, :]
    down = places.row[None, :] - places.row[:, None]
    right = places.col[None, :] - places.col[:, None]
    follows = (down == 0) & (right >= 0) & (right <= _REACH_IN_ORDER)
    near = (np.abs(down) <= _REACH_NEAR[0]) & (np.abs(right) <= _REACH_NEAR[1])
    pair = places.token[:, None] * tokens + places.token[None, :]
    return tuple(_best(product, pair, kept, tokens) for kept in (follows, near))  # type: ignore[return-value]


def _best(product: Floats, pair: NDArray[np.int64], kept: NDArray[np.bool_], tokens: int) -> Floats:
    best = np.zeros(tokens * tokens, dtype=np.float32)
    np.maximum.at(best, pair[kept], product[kept])
    return best.reshape(tokens, tokens)
