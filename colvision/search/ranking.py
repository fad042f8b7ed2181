"""From similarities to hits in order."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats
from colvision.core.query import FusedQuery, ScoredQuery, Scores, TermScale
from colvision.maxsim import similarities
from colvision.maxsim.score_terms import compute_score_terms
from colvision.maxsim.selection import Pages
from colvision.parallel import parallel_map
from colvision.search.fusion import OtherScores
from colvision.search.options import SearchOptions
from colvision.search.results import Hit
from colvision.search.scan import PageTable
from colvision.store.fulltext import TextScores

_PAGES_A_PRODUCT = 50  # pages that are compared in one product: what is called for a few takes as long as for all
_TERM_PAGES = 100  # best pages by MaxSim whose extra terms are computed; hits are among them


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPages:
    """Pages that were compared with a query: `maxima` (pages, t) are their best similarities, `texts` what their text
    layers say, `others` what further encoders do; `floor` is the own score of no match, where there are any.
    """

    query: ScoredQuery
    options: SearchOptions
    texts: TextScores | None
    pages: Pages
    maxima: Floats
    others: tuple[OtherScores, ...] = ()
    floor: float = 0.0


def rank_hits(table: PageTable, scored: ScoredPages, quantisation_range: float) -> tuple[Hit, ...]:
    """The `k` best pages by their score, best first; equal ones in the order of document names and pages.

    Where there are extra terms, the best pages without them are ordered again by the whole score.
    """
    contributions = scored.query.contributions(scored.maxima)  # (pages, t)
    pixels = contributions.sum(axis=1, dtype=np.float64)
    texts = None if scored.texts is None else scored.texts.of(table.document[scored.pages], table.page[scored.pages])
    query = with_text_scale(scored.query, scored.texts, pixels)
    text = np.zeros_like(pixels) if texts is None else query.text_term(pixels, texts)
    document = _document_term(table, scored)
    own = pixels + text + document
    query = replace(
        query,
        others={each.name: FusedQuery(each.query, each.scale(query, own, scored.floor)) for each in scored.others},
    )
    by_others = [query.others[each.name].scale.term(own, each.scores) for each in scored.others]
    has_terms = query.calibration.is_probability
    k = scored.options.k
    chosen = best_rows(own + sum(by_others), max(k, _TERM_PAGES) if has_terms else k)
    terms: dict[str, Scores] = {}
    if has_terms and len(chosen):
        terms |= _score_terms(table, scored.pages[chosen], query, quantisation_range)
        pixels = pixels[chosen] + sum(terms.values())
        text = text[chosen] if texts is None else query.text_term(pixels, texts[chosen])
    else:
        pixels, text = pixels[chosen], text[chosen]
    beside = {"text": text, "document": document[chosen]}
    own = pixels + text + document[chosen]
    beside |= {each.name: query.others[each.name].scale.term(own, each.scores[chosen]) for each in scored.others}
    scores = own + sum(beside[each.name] for each in scored.others)
    documents = [table.snapshot.documents[key] for key in table.document[scored.pages[chosen]].tolist()]
    names = [row.name for row in documents]
    best = sorted(range(len(chosen)), key=lambda j: (-scores[j], names[j], int(table.page[scored.pages[chosen[j]]])))[
        :k
    ]
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
                score_terms={name: float(values[j]) for name, values in terms.items()}
                | {name: float(values[j]) for name, values in beside.items() if values[j] > 0},
                query=query,
                rank=rank,
                in_name=query.named_words(documents[j].name_form),
                text_score=None if texts is None else float(texts[i]),
                metadata=documents[j].metadata,
                folder=table.snapshot.folders[documents[j].key],
                sha256=documents[j].sha256,
            )
        )
    return tuple(hits)


def with_text_scale(query: ScoredQuery, texts: TextScores | None, pixels: Scores) -> ScoredQuery:
    """The query with how much the text layers count, of the pages whose scores by the `pixels` are given.

    A sum of probabilities starts at 0, one of similarities at what any page has: the mean.
    """
    if texts is None:
        return query
    floor = 0.0 if query.calibration.is_probability or not len(pixels) else float(pixels.mean())
    return replace(query, text_scale=TermScale(max(query.best - floor, 1e-9) / max(texts.best, 1e-9), floor))


def _document_term(table: PageTable, scored: ScoredPages) -> Scores:
    """(pages,) what the names of their documents add."""
    owner = table.document[scored.pages]
    keys = list(table.snapshot.documents)
    by_tokens: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, named in scored.query.named_documents(table.snapshot.names).items():
        by_tokens[tuple(named)].append(keys[place])
    term = np.zeros(len(owner), np.float64)
    for tokens, keys_of in by_tokens.items():
        at = np.isin(owner, keys_of)
        term[at] = scored.query.document_term(scored.maxima[at], tokens)
    return term


def _score_terms(table: PageTable, pages: Pages, query: ScoredQuery, quantisation_range: float) -> Mapping[str, Scores]:
    stored = [table.read_page(page) for page in pages.tolist()]

    def terms_of(first: int) -> Mapping[str, Scores]:
        together = stored[first : first + _PAGES_A_PRODUCT]
        codes = np.concatenate([page.codes for page in together])
        probabilities = query.calibrated(similarities(query.embedding.vectors, codes, quantisation_range))
        starts = np.cumsum([0, *(len(page.codes) for page in together)])
        return compute_score_terms(query, probabilities, [page.grid for page in together], starts)

    terms = parallel_map(terms_of, range(0, len(stored), _PAGES_A_PRODUCT))
    return {name: np.concatenate([of_pages[name] for of_pages in terms]) for name in terms[0]}


def best_rows(scores: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The places of the `count` highest, and of all that equal the lowest of those."""
    if count >= len(scores):
        return np.arange(len(scores), dtype=np.int64)
    lowest = np.partition(scores, len(scores) - count)[len(scores) - count]
    return np.flatnonzero(scores >= lowest)
