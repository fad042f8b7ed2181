"""From similarities to hits in order."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colvision.embedding import Floats, ScoredQuery
from colvision.maxsim import similarities
from colvision.scoring import page_terms
from colvision.search.hits import Hit
from colvision.search.options import SearchOptions
from colvision.search.stages import Pages, Table

_TERM_PAGES = 200  # best pages by MaxSim whose extra terms are computed; hits are among them


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Pages that were compared with a query: `maxima` (pages, t) are their best similarities."""

    query: ScoredQuery
    options: SearchOptions
    pages: Pages
    maxima: Floats


def best_hits(table: Table, scored: Scored, code_range: float) -> tuple[Hit, ...]:
    """The `k` best pages, best first; equal scores in the order of document names and pages.

    Where there are extra terms, the best pages by MaxSim are ordered again by the whole score.
    """
    contributions = scored.query.contributions(scored.maxima)  # (pages, t)
    scores = contributions.sum(axis=1, dtype=np.float64)
    k = scored.options.k
    has_terms = scored.query.link.is_probability
    hits = []
    for i in _top(scores, max(k, _TERM_PAGES) if has_terms else k).tolist():
        page = int(scored.pages[i])
        terms = _terms(table, page, scored.query, code_range) if has_terms else {}
        row = table.snapshot.documents[int(table.document[page])]
        hits.append(
            Hit(
                document=row.name,
                document_id=row.id,
                page=int(table.page[page]),
                score=float(scores[i]) + sum(terms.values()),
                similarity=scored.maxima[i].copy(),  # a row alone: a kept hit must not keep every page
                contributions=contributions[i].copy(),
                terms=terms,
                query=scored.query,
            )
        )
    return tuple(sorted(hits, key=lambda hit: (-hit.score, hit.document, hit.page))[:k])


def _terms(table: Table, page: int, query: ScoredQuery, code_range: float) -> Mapping[str, float]:
    stored = table.stored(page)
    return page_terms(query, similarities(query.embedding.vectors, stored.codes, code_range), stored.grid)


def _top(scores: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The places of the `count` highest, and of all that equal the lowest of those."""
    if count >= len(scores):
        return np.arange(len(scores), dtype=np.int64)
    lowest = np.partition(scores, len(scores) - count)[len(scores) - count]
    return np.flatnonzero(scores >= lowest)
