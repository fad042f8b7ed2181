"""From similarities to hits in order."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats
from colvision.core.query import ScoredQuery
from colvision.maxsim import similarities
from colvision.maxsim.selection import Pages
from colvision.parallel import parallel_map
from colvision.search.fusion import fuse, share
from colvision.search.options import SearchOptions
from colvision.search.results import Hit
from colvision.search.scan import PageTable
from colvision.store.fulltext import TextScores

Scores = NDArray[np.float64]

_PAGES_A_PRODUCT = 16  # pages that are compared in one product: a product a page takes five times as long
_TERM_PAGES = 100  # best pages by MaxSim whose extra terms are computed; hits are among them


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPages:
    """Pages that were compared with a query: `maxima` (pages, t) are their best similarities, `texts` what their text
    layers say.
    """

    query: ScoredQuery
    options: SearchOptions
    texts: TextScores | None
    pages: Pages
    maxima: Floats


def rank_hits(table: PageTable, scored: ScoredPages, quantisation_range: float) -> tuple[Hit, ...]:
    """The `k` best pages, best first; equal ones in the order of document names and pages.

    Where there are extra terms, the best pages by MaxSim (and text) are ordered again by the whole score.
    """
    contributions = scored.query.contributions(scored.maxima)  # (pages, t)
    scores = contributions.sum(axis=1, dtype=np.float64)
    order = _Order.of(table, scored, scores)
    k = scored.options.k
    has_terms = scored.query.calibration.is_probability
    chosen = _top(order(scores), max(k, _TERM_PAGES) if has_terms else k)
    terms = (
        _score_terms(table, scored.pages[chosen], scored.query, quantisation_range) if has_terms and len(chosen) else {}
    )
    scores = scores[chosen] + sum(terms.values())
    worth = order(scores, chosen)
    documents = [table.snapshot.documents[key] for key in table.document[scored.pages[chosen]].tolist()]
    names = [row.name for row in documents]
    best = sorted(range(len(chosen)), key=lambda j: (-worth[j], names[j], int(table.page[scored.pages[chosen[j]]])))[:k]
    hits = []
    for rank, j in enumerate(best, start=1):
        i = int(chosen[j])
        row = int(scored.pages[i])
        hits.append(
            Hit(
                document=names[j],
                document_id=documents[j].id,
                page=int(table.page[row]),
                score=float(scores[j]),
                similarity=scored.maxima[i].copy(),  # a row alone: a kept hit must not keep every page
                contributions=contributions[i].copy(),
                score_terms={name: float(values[j]) for name, values in terms.items()},
                query=scored.query,
                rank=rank,
                text_score=None if order.texts is None else float(order.texts[i]),
                fused=None if order.texts is None else float(worth[j]),
                metadata=documents[j].metadata,
                folder=table.snapshot.folders[documents[j].key],
                sha256=documents[j].sha256,
            )
        )
    return tuple(hits)


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """What pages are ordered by: their scores, or with `texts` (pages,), their BM25 scores, both as shares of the best.

    A sum of probabilities starts at 0, one of similarities at what any page has: the mean.
    """

    texts: Scores | None
    text_best: float
    best: float
    floor: float

    @classmethod
    def of(cls, table: PageTable, scored: ScoredPages, scores: Scores) -> "_Order":
        if scored.texts is None:
            return cls(None, 0.0, 0.0, 0.0)
        texts = scored.texts.of(table.document[scored.pages], table.page[scored.pages])
        best = float(scored.query.contributions(np.ones(len(scored.query.weights), np.float32)).sum())
        is_above = scored.query.calibration.is_probability or not len(scores)
        return cls(texts, scored.texts.best, best, 0.0 if is_above else float(scores.mean()))

    def __call__(self, scores: Scores, at: Pages | None = None) -> Scores:
        """(n,) scores of the pages `at`, of all if None -> (n,) what they are ordered by."""
        if self.texts is None:
            return scores
        texts = self.texts if at is None else self.texts[at]
        return fuse(share(scores, best=self.best, floor=self.floor), share(texts, best=self.text_best))


def _score_terms(table: PageTable, pages: Pages, query: ScoredQuery, quantisation_range: float) -> Mapping[str, Scores]:
    # Here for numba: half a second that a process which never searches need not wait.
    from colvision.maxsim.score_terms import compute_score_terms

    stored = [table.read_page(page) for page in pages.tolist()]

    def terms_of(first: int) -> list[Mapping[str, float]]:
        together = stored[first : first + _PAGES_A_PRODUCT]
        codes = np.concatenate([page.codes for page in together])
        similarity = similarities(query.embedding.vectors, codes, quantisation_range)  # (t, their vectors)
        probabilities = query.calibration(similarity)
        ends = np.cumsum([len(page.codes) for page in together])
        of_pages = np.split(probabilities, ends[:-1], axis=1)
        return [
            compute_score_terms(query, of_page, page.grid) for of_page, page in zip(of_pages, together, strict=True)
        ]

    terms = [of_page for block in parallel_map(terms_of, range(0, len(stored), _PAGES_A_PRODUCT)) for of_page in block]
    return {name: np.array([of_page[name] for of_page in terms]) for name in terms[0]}


def _top(scores: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The places of the `count` highest, and of all that equal the lowest of those."""
    if count >= len(scores):
        return np.arange(len(scores), dtype=np.int64)
    lowest = np.partition(scores, len(scores) - count)[len(scores) - count]
    return np.flatnonzero(scores >= lowest)
