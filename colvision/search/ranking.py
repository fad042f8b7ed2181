"""From similarities to hits in order."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats
from colvision.core.metadata import Metadata
from colvision.core.query import FusedQuery, ScoredQuery, Scores, TermScale
from colvision.maxsim import similarities
from colvision.maxsim.score_terms import bound_score_terms, compute_score_terms
from colvision.maxsim.selection import Pages
from colvision.parallel import parallel_map
from colvision.search.fusion import OtherScores
from colvision.search.options import SearchOptions
from colvision.search.results import Hit
from colvision.search.scan import PageTable
from colvision.store.fulltext import TextScores

_PAGES_A_PRODUCT = 50  # pages that are compared in one product: what is called for a few takes as long as for all
_BOUNDED_TOKENS = 32  # above it bounds cost as much as they save
_TERM_PAGES = 100  # best pages by MaxSim whose extra terms are computed; hits are among them


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPages:
    """Pages that were compared with a query: `maxima` (pages, t) are their best similarities, `texts` what their text
    layers say, `others` what further encoders do; `floor` is the own score of no match, where there are any of both.
    """

    query: ScoredQuery
    options: SearchOptions
    texts: TextScores | None
    pages: Pages
    maxima: Floats
    others: tuple[OtherScores, ...] = ()
    floor: float = 0.0


class FoundDocument(NamedTuple):
    """What a hit tells of its document."""

    name: str
    id: str
    name_form: str
    metadata: Metadata
    folder: str
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class RankedPages:
    """The pages of a collection, or of a part of one, that may be among the best: (n,) each, in no order.

    `first` are their scores before the extra terms, by which they were chosen, `scores` are whole; `terms` and
    `beside` (of which a hit tells those above 0) are what a score holds beside the contributions, by name. `document`
    are places in `documents`. `all_first` are the first scores of all that were chosen by them, also of those that
    cannot be among the best.
    """

    query: ScoredQuery
    all_first: Scores
    first: Scores
    scores: Scores
    document: NDArray[np.int64]
    page: NDArray[np.int32]
    similarity: Floats  # (n, t)
    contributions: Floats  # (n, t)
    terms: Mapping[str, Scores]
    beside: Mapping[str, Scores]
    text_scores: Scores | None
    documents: tuple[FoundDocument, ...]

    def order(self, k: int) -> list[int]:
        """The places of the `k` best, best first; equal ones in the order of document names and pages."""
        names = [self.documents[each].name for each in self.document.tolist()]
        return sorted(range(len(names)), key=lambda i: (-self.scores[i], names[i], int(self.page[i])))[:k]

    def hits(self, k: int) -> tuple[Hit, ...]:
        """The `k` best."""
        return tuple(self._hit(i, rank) for rank, i in enumerate(self.order(k), start=1))

    def _hit(self, i: int, rank: int) -> Hit:
        document = self.documents[self.document[i]]
        terms = {name: float(values[i]) for name, values in self.terms.items()}
        beside = {name: float(values[i]) for name, values in self.beside.items() if values[i] > 0}
        return Hit(
            document=document.name,
            document_id=document.id,
            page=int(self.page[i]),
            score=float(self.scores[i]),
            similarity=self.similarity[i].copy(),  # a row alone: a kept hit must not keep every page
            contributions=self.contributions[i].copy(),
            score_terms=terms | beside,
            query=self.query,
            rank=rank,
            in_name=self.query.named_words(document.name_form),
            text_score=None if self.text_scores is None else float(self.text_scores[i]),
            metadata=document.metadata,
            folder=document.folder,
            sha256=document.sha256,
        )


def rank_pages(
    table: PageTable, scored: ScoredPages, quantisation_range: float, *, is_part: bool = False
) -> RankedPages:
    """The `k` best pages by their score, and those that equal the last of them.

    Where there are extra terms, those of the best 100 without them are scored again that can be among the `k` best: of
    a part of a collection, whichever of them are among the best 100 of all.
    """
    contributions = scored.query.contributions(scored.maxima)  # (pages, t)
    query, texts, pixels, text, document = _base_scores(table, scored, contributions)
    own = pixels + text + document
    query = replace(
        query,
        others={each.name: FusedQuery(each.query, each.scale(query, own, scored.floor)) for each in scored.others},
    )
    by_others = [query.others[each.name].scale.term(own, each.scores) for each in scored.others]
    first = own + sum(by_others)
    chosen = best_rows(first, ranked_count(query, scored.options.k))
    all_first = first[chosen]
    terms: dict[str, Scores] = {}
    if query.calibration.is_probability and len(chosen):

        def terms_of(some: NDArray[np.int64]) -> Mapping[str, Scores]:
            return _score_terms(table, scored.pages[some], query, quantisation_range)

        if scored.others or len(query.weights) > _BOUNDED_TOKENS or scored.options.k >= len(chosen) // 2:
            terms |= terms_of(chosen)
        else:

            def whole(pixels: Scores, some: NDArray[np.int64]) -> Scores:
                text = 0.0 if texts is None else query.text_term(pixels, texts[some])
                return pixels + text + document[some]

            certain = first if is_part else np.zeros_like(first)
            chosen, terms = _terms_of_best(query, scored, chosen, pixels, certain, terms_of, whole)
        pixels = pixels[chosen] + sum(terms.values())
        text = text[chosen] if texts is None else query.text_term(pixels, texts[chosen])
    else:
        pixels, text = pixels[chosen], text[chosen]
    beside = {"text": text, "document": document[chosen]}
    own = pixels + text + document[chosen]
    beside |= {each.name: query.others[each.name].scale.term(own, each.scores[chosen]) for each in scored.others}
    rows = scored.pages[chosen]
    keys, place = np.unique(table.document[rows], return_inverse=True)
    return RankedPages(
        query,
        all_first,
        first[chosen],
        own + sum(beside[each.name] for each in scored.others),
        place,
        table.page[rows],
        scored.maxima[chosen],
        contributions[chosen],
        terms,
        beside,
        None if texts is None else texts[chosen],
        tuple(_found_document(table, key) for key in keys.tolist()),
    )


def _terms_of_best(
    query: ScoredQuery,
    scored: ScoredPages,
    chosen: NDArray[np.int64],
    pixels: Scores,
    certain: Scores,
    terms_of: Callable[[NDArray[np.int64]], Mapping[str, Scores]],
    whole: Callable[[Scores, NDArray[np.int64]], Scores],
) -> tuple[NDArray[np.int64], dict[str, Scores]]:
    """The places out of `chosen` that can be among the `k` best, and their terms.

    Those that are best at most come first; a page is left out when what it has at most is less than what `k` of these
    have that are ranked wherever it is: those that are as `certain` (pages,). `whole` gives the scores of `pixels` with
    their terms, which rise with those.
    """
    k = scored.options.k
    bounds = bound_score_terms(query, query.calibrated(np.ascontiguousarray(scored.maxima[chosen].T)).T)
    most = whole(pixels[chosen] + bounds, chosen) * (1 + 1e-6) + 1e-6  # for rounding
    is_first = np.zeros(len(chosen), np.bool_)
    is_first[best_rows(most, 2 * k)] = True
    first = chosen[is_first]
    terms = terms_of(first)
    have = whole(pixels[first] + sum(terms.values()), first)
    others = chosen[~is_first]
    more = others[may_be_best(most[~is_first], certain[others], have, certain[first], k)]
    if len(more):
        of_more = terms_of(more)
        terms = {name: np.concatenate([values, of_more[name]]) for name, values in terms.items()}
    order = np.argsort(np.concatenate([first, more]), kind="stable")
    return np.concatenate([first, more])[order], {name: values[order] for name, values in terms.items()}


def may_be_best(
    most: Scores, certain: Scores, others_have: Scores, others_certain: Scores, k: int
) -> NDArray[np.bool_]:
    """(pages,) whether fewer than `k` others that are as `certain` have more than a page has at `most`."""
    is_better = (others_have > most[:, None]) & (others_certain >= certain[:, None])  # (pages, others)
    mask: NDArray[np.bool_] = is_better.sum(axis=1) < k
    return mask


def ranked_count(query: ScoredQuery, k: int) -> int:
    """How many of the pages that are best by their first score are ranked by their whole one."""
    return max(k, _TERM_PAGES) if query.calibration.is_probability else k


def _found_document(table: PageTable, key: int) -> FoundDocument:
    row = table.snapshot.documents[key]
    return FoundDocument(row.name, row.id, row.name_form, row.metadata, table.snapshot.folders[key], row.sha256)


def best_pages(table: PageTable, scored: ScoredPages, count: int) -> Pages:
    """The `count` pages (sorted rows) that score highest before their extra terms, and all that equal the last."""
    _, _, pixels, text, document = _base_scores(table, scored, scored.query.contributions(scored.maxima))
    return scored.pages[best_rows(pixels + text + document, count)]


def _base_scores(
    table: PageTable, scored: ScoredPages, contributions: Floats
) -> tuple[ScoredQuery, Scores | None, Scores, Scores, Scores]:
    """The query with its text scale; (pages,) BM25 scores, and what pixels, texts and documents' names give."""
    pixels = contributions.sum(axis=1, dtype=np.float64)
    texts = None if scored.texts is None else scored.texts.of(table.document[scored.pages], table.page[scored.pages])
    query = with_text_scale(scored.query, scored.texts, scored.floor)
    text = np.zeros_like(pixels) if texts is None else query.text_term(pixels, texts)
    return query, texts, pixels, text, _document_term(table, scored)


def with_text_scale(query: ScoredQuery, texts: TextScores | None, floor: float) -> ScoredQuery:
    """The query with how much the text layers count, `floor` being its score of no match."""
    if texts is None:
        return query
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
