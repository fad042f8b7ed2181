"""One partition's part of a search: its statistics first, then, with those of all partitions, its best pages.

What the parts make together in the mode "exact" is the answer of one library that holds everything and scans it, bit
for bit. In any other, parts that are large enough choose candidates of their own.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add

import numpy as np

from colvision.core.embedding import Floats
from colvision.core.encoder import EncoderInfo
from colvision.search.execute import compare_pages, retrievers, unseen_codes
from colvision.search.options import QueryRequest
from colvision.search.others import OthersFound
from colvision.search.page_search import PageSearch
from colvision.search.ranking import FoundDocument, RankedPages, best_rows, rank_pages, ranked_count
from colvision.search.results import Answer
from colvision.search.scan import PageTable, pages_in_scope
from colvision.search.statistics import CollectionStatistics
from colvision.store.fulltext import TextScores, TextStatistics

_NO_OTHERS = OthersFound({}, {}, ())
InText = Mapping[tuple[str, int], frozenset[str]]  # by id of the document and page


@dataclass(frozen=True, slots=True, eq=False)
class PartialAnswer:
    """What one partition has among its best: see `Answer`, which several make together.

    `unseen` is None where no page was compared. `in_text` holds the best of its pages; others are asked for.
    """

    ranked: RankedPages
    pages: int
    mode: str
    candidates: int
    retrievers: tuple[str, ...]
    unseen: tuple[str, ...] | None
    timing_ms: Mapping[str, float]
    in_text: InText = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class PartialSearch:
    """A query to one generation of a partition; `maxima` (pages, t) are its pages' best similarities, where the
    query's weights depend on those.
    """

    table: PageTable
    info: EncoderInfo
    request: QueryRequest
    memory: int
    statistics: CollectionStatistics
    maxima: Floats | None

    @classmethod
    def begin(
        cls, table: PageTable, request: QueryRequest, *, info: EncoderInfo, texts: TextStatistics | None, memory: int
    ) -> "PartialSearch":
        """With the statistics of the partition; `texts` are those of its text layers, where they are asked."""
        search = PageSearch(table, info, None, memory, ignores_lists=_ignores_lists(request))
        maxima = search.compare(request) if search.needs_all_pages(request) else None
        weighed = search.weigh(request.query, request.query.weights)
        has_floor = texts is not None and not weighed.calibration.is_probability
        where = request.options.where
        statistics = CollectionStatistics(
            len(table),
            table.vectors,
            search.expect(request, maxima) if search.is_weighed(request) else None,
            texts,
            search.sample(weighed) if has_floor else None,
            frozenset() if where is None else where.findings(list(table.snapshot.documents.values())),
        )
        return cls(table, info, request, memory, statistics, maxima)

    @property
    def generation(self) -> int:
        return self.table.snapshot.generation

    def answer(self, statistics: CollectionStatistics, texts: TextScores | None) -> PartialAnswer:
        """The best pages by the `statistics` of all partitions; `texts` are scored by those. Raises as a search."""
        started = time.perf_counter()
        request = self.request._replace(statistics=statistics, texts=texts)
        scope = pages_in_scope(self.table, request.options, statistics.findings)
        ignores_lists = _ignores_lists(request)
        search = PageSearch(self.table, self.info, scope, self.memory, self.maxima, ignores_lists=ignores_lists)
        [scored], spent, mode = compare_pages(search, [request], [_NO_OTHERS])
        ranked = rank_pages(self.table, scored, self.info.quantisation_range, is_part=True)
        timing = {**spent, "total": (time.perf_counter() - started) * 1000}
        unseen = unseen_codes(scored) if len(scored.maxima) else None
        return PartialAnswer(ranked, len(search.pages), mode, len(scored.pages), retrievers(scored), unseen, timing)


def _ignores_lists(request: QueryRequest) -> bool:
    """The lists of each part have centroids of their own: what they tell does not add up to what those of all would."""
    return request.options.mode == "exact"


def merge_statistics(parts: Sequence[CollectionStatistics]) -> CollectionStatistics:
    """Those of a collection in partitions, of which there is at least one."""
    return reduce(add, parts)


def merge_answers(parts: Sequence[PartialAnswer], k: int) -> Answer:
    """The `k` best of at least one part; as one library it ranks only the pages that are best by their first score."""
    ranked = _merge_ranked([part.ranked for part in parts], k)
    in_text = {page: words for part in parts for page, words in part.in_text.items()}
    hits = tuple(replace(hit, in_text=in_text.get((hit.document_id, hit.page), frozenset())) for hit in ranked.hits(k))
    known = [part.unseen for part in parts if part.unseen is not None]
    unseen = tuple(word for word in known[0] if all(word in each for each in known)) if known else ()
    timing: dict[str, float] = {}
    for part in parts:
        for name, spent in part.timing_ms.items():
            timing[name] = max(timing.get(name, 0.0), spent)
    return Answer(
        hits,
        ranked.query,
        sum(part.pages for part in parts),
        next((mode for mode in ("lists", "rerank") if any(part.mode == mode for part in parts)), "exact"),
        sum(part.candidates for part in parts),
        timing,
        parts[0].retrievers,
        unseen,
    )


def _merge_ranked(parts: Sequence[RankedPages], k: int) -> RankedPages:
    query = parts[0].query
    documents: list[FoundDocument] = []
    places = []
    for part in parts:
        places.append(part.document + len(documents))
        documents += part.documents
    all_first = np.concatenate([part.all_first for part in parts])
    all_first = all_first[best_rows(all_first, ranked_count(query, k))]
    first = np.concatenate([part.first for part in parts])
    chosen = np.flatnonzero(first >= all_first.min(initial=np.inf))
    # A part without a page has no terms: nothing is missing of it.
    filled = [part for part in parts if len(part.first)] or list(parts[:1])

    def joined(name: str, kind: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.concatenate([getattr(part, kind)[name] for part in filled])[chosen]

    return RankedPages(
        query,
        all_first,
        first[chosen],
        np.concatenate([part.scores for part in parts])[chosen],
        np.concatenate(places)[chosen],
        np.concatenate([part.page for part in parts])[chosen],
        np.concatenate([part.similarity for part in parts])[chosen],
        np.concatenate([part.contributions for part in parts])[chosen],
        {name: joined(name, "terms") for name in filled[0].terms},
        {name: joined(name, "beside") for name in filled[0].beside},
        None
        if query.text_scale is None
        else np.concatenate([part.text_scores for part in parts if part.text_scores is not None])[chosen],
        tuple(documents),
    )
