"""What a page's score holds beside MaxSim, where the link is a probability: how often words stand on the page, and
whether words that are neighbours in the query are neighbours there.

MaxSim asks of every word alone whether the page has it. A reader of printed words can say more from the same codes: a
patch holds a word with probability link(similarity), so word counts and word places are there to be had.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colvision.embedding import Floats, PatchGrid, ScoredQuery

Values = NDArray[np.float64]
Whole = NDArray[np.int64]

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
_PAIRS = 1 << 20  # of patches, compared at once: 60 MB


class _Found(NamedTuple):
    """Patches that may hold a word, one entry a word and patch: whose word, on which page, which of the vectors of all
    pages end to end, and how probably.
    """

    token: Whole
    page: Whole
    vector: Whole
    chance: Floats

    def at(self, entries: NDArray[np.generic]) -> "_Found":
        return _Found(self.token[entries], self.page[entries], self.vector[entries], self.chance[entries])


class _Places(NamedTuple):
    """Where on their pages the words stand, one entry a word and patch, by page and row."""

    token: Whole
    page: Whole
    row: Whole
    col: Whole
    chance: Floats


class _Pairs(NamedTuple):
    """Words that stand together on a page, the earlier one of the query and the later one, and how probably."""

    page: Whole
    earlier: Whole
    later: Whole
    chance: Floats

    def at(self, entries: NDArray[np.generic]) -> "_Pairs":
        return _Pairs(self.page[entries], self.earlier[entries], self.later[entries], self.chance[entries])


def page_terms(
    query: ScoredQuery, similarity: Floats, grids: Sequence[PatchGrid], starts: Whole
) -> Mapping[str, Values]:
    """The extra terms of pages, by name: (pages,) each. None where the link is no probability or a page asks.

    `similarity` (t, n) holds the query tokens against all vectors of the pages end to end, `grids` the places of each
    page's, `starts` (pages + 1,) where they begin. All terms are >= 0:

    - frequency: for each token weight * f / (f + k1 * (1 - b + b * length)), f its expected number of patches and
      length the page's number of vectors over the collection's mean.
    - order: for each two tokens that follow each other in the query the smaller weight times the probability that they
      follow each other on a line.
    - near: the same for any two tokens within a few lines and words, over t - 1.
    """
    tokens = len(query.weights)
    if not query.link.is_probability or query.embedding.is_page or tokens == 0 or not grids:
        return {}
    found = _found(query, similarity, starts)
    terms = {"frequency": _FREQUENCY * _frequency(query, found, np.diff(starts))}
    if tokens > 1:
        places = _places(_most_probable(found, tokens), grids, starts)
        in_order, near = _pairs(places)
        terms["order"] = _ORDER * _worth(query, in_order, len(grids))
        terms["near"] = _NEAR * _worth(query, near, len(grids)) / (tokens - 1)
    return terms


def _found(query: ScoredQuery, similarity: Floats, starts: Whole) -> _Found:
    token, vector = np.nonzero(similarity > query.link.inverse(_CERTAIN))
    page = np.searchsorted(starts, vector, side="right") - 1
    return _Found(token, page, vector, query.link(similarity[token, vector]))


def _frequency(query: ScoredQuery, found: _Found, vectors: Whole) -> Values:
    shape = len(vectors), len(query.weights)
    times = np.bincount(found.page * shape[1] + found.token, found.chance, minlength=shape[0] * shape[1])
    times = times.reshape(shape)  # (pages, t)
    length = (vectors / query.mean_vectors)[:, None]
    worth: Values = (query.weights * times / (times + _K1 * (1 - _B + _B * length))).sum(axis=1)
    return worth


def _most_probable(found: _Found, tokens: int) -> _Found:
    """The `_MOST_PLACES` best of each word on each page."""
    word = found.page * tokens + found.token
    order = np.lexsort((-found.chance, word))
    word = word[order]
    rank = np.arange(len(word)) - np.searchsorted(word, word)
    return found.at(order[rank < _MOST_PLACES])


def _places(found: _Found, grids: Sequence[PatchGrid], starts: Whole) -> _Places:
    """A vector of several cells stands in the first; one of none stands nowhere."""
    cells = np.concatenate(
        [
            np.where(grid.cells < 0, -1, grid.cells + start).ravel()
            for grid, start in zip(grids, starts[:-1], strict=True)
        ]
    )
    wanted = np.zeros(starts[-1] + 1, dtype=np.bool_)  # the last entry stands for no vector
    wanted[found.vector] = True
    first = np.full(starts[-1], -1, dtype=np.int64)
    here = np.flatnonzero(wanted[cells])[::-1]  # from the end, so that the first one is what stays
    first[cells[here]] = here

    cell = first[found.vector]
    found, cell = found.at(cell >= 0), cell[cell >= 0]
    begins = np.cumsum([0, *(grid.cells.size for grid in grids)], dtype=np.int64)
    cols = np.array([grid.cols for grid in grids], dtype=np.int64)[found.page]
    row, col = np.divmod(cell - begins[found.page], cols)
    order = np.lexsort((row, found.page))
    found = found.at(order)
    return _Places(found.token, found.page, row[order], col[order], found.chance)


def _pairs(places: _Places) -> tuple[_Pairs, _Pairs]:
    """Those that follow each other on a line as they do in the query, and those that are near each other."""
    in_order: list[_Pairs] = []
    near: list[_Pairs] = []
    for one, other in _neighbours(places):
        earlier, later = places.token[one], places.token[other]
        down, right = places.row[other] - places.row[one], places.col[other] - places.col[one]
        follows = (later == earlier + 1) & (down == 0) & (right >= 0) & (right <= _REACH_IN_ORDER)
        is_near = (later > earlier) & (np.abs(right) <= _REACH_NEAR[1])
        chance = places.chance[one] * places.chance[other]
        pairs = _Pairs(places.page[one], earlier, later, chance)
        in_order.append(pairs.at(follows))
        near.append(pairs.at(is_near))
    return _joined(in_order), _joined(near)


def _neighbours(places: _Places) -> Iterator[tuple[Whole, Whole]]:
    """Each place with each that is within reach of rows on the same page, itself among them; `_PAIRS` at a time."""
    reach = _REACH_NEAR[0]
    line = places.page * (int(places.row.max(initial=0)) + 2 * reach + 1) + places.row  # sorted
    first, last = np.searchsorted(line, line - reach), np.searchsorted(line, line + reach, side="right")
    ends = np.cumsum(last - first)
    begin = 0
    while begin < len(line):
        before = ends[begin - 1] if begin else 0
        end = max(int(np.searchsorted(ends, before + _PAIRS, side="right")), begin + 1)
        count = (last - first)[begin:end]
        one = np.repeat(np.arange(begin, end), count)
        other = (
            np.arange(len(one))
            - np.repeat(ends[begin:end] - count - before, count)
            + np.repeat(first[begin:end], count)
        )
        yield one, other
        begin = end


def _joined(pairs: Sequence[_Pairs]) -> _Pairs:
    nothing = np.zeros(0, np.int64)
    empty = _Pairs(nothing, nothing, nothing, np.zeros(0, np.float32))
    page, earlier, later, chance = (np.concatenate(columns) for columns in zip(empty, *pairs, strict=True))
    return _Pairs(page, earlier, later, chance)


def _worth(query: ScoredQuery, pairs: _Pairs, pages: int) -> Values:
    """The sum over two words of the smaller weight times the best probability: (pages,)."""
    if not len(pairs.page):
        return np.zeros(pages, np.float64)
    order = np.lexsort((pairs.later, pairs.earlier, pairs.page))
    pairs = pairs.at(order)
    is_first = [np.diff(column, prepend=-1) != 0 for column in (pairs.page, pairs.earlier, pairs.later)]
    firsts = np.flatnonzero(np.logical_or.reduce(is_first))
    weight = np.minimum(query.weights[pairs.earlier[firsts]], query.weights[pairs.later[firsts]])
    best = np.maximum.reduceat(pairs.chance, firsts)
    worth: Values = np.bincount(pairs.page[firsts], weight * best, minlength=pages).astype(np.float64)
    return worth
