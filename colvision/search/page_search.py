"""One encoder's comparison of queries with the pages of a filter: all of them, or candidates first."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats, QueryEmbedding
from colvision.core.encoder import Calibration, EncoderInfo
from colvision.core.query import ScoredQuery, Scores
from colvision.maxsim.binary import has_first_stage as compares_signs_first
from colvision.maxsim.instructions import chosen_instructions
from colvision.maxsim.selection import Pages
from colvision.parallel import parallel_map
from colvision.search.idf import ExpectedFrequencies, weigh_words
from colvision.search.lists import NONE, ListMaxima, list_maxima
from colvision.search.options import QueryRequest, SearchOptions
from colvision.search.ranking import ScoredPages, best_pages, best_rows
from colvision.search.scan import PageTable, bit_scores, code_maxima
from colvision.search.statistics import CollectionStatistics, ScoreSample

# Pages that are reranked: at least, and of those that are searched. Of the ten best of made-up pages of 700 x 128 (see
# benchmarks/synthetic.py), 256 hold 1.000 among 5,000 and .998 among 10,000; 128 hold .988 and .985.
_CANDIDATES, _CANDIDATE_SHARE = 256, 0.01
# A page that 32 queries are compared with at once costs each of them so many times less (docs/benchmarks.md).
_SHARED_GAINS, _SHARED_GAIN = {"avx2": 1.2, "float32": 2.6, "amx": 4.7}, 1.6  # the last: with VNNI
# Pages that are reranked of those that inverted lists find: at least, and times the square root of all. Of the ten best
# of 93,008 made-up pages (benchmarks/recombined_pages.py) 1,200 hold .990, 400 hold .973.
_LIST_CANDIDATES, _LIST_CANDIDATES_A_ROOT = 200, 4.0
_CODE_PAGES = 4  # more of them for each number or code of a query: the notice says which were seen nowhere
SEARCH_BYTES = 64 << 20  # of maxima that one pass may hold: 40 queries of 20 tokens over 20,000 pages


@dataclass(frozen=True, slots=True, eq=False)
class PageSearch:
    """One pass over the pages of one filter: `scope` are those that may be found, None for all.

    `known` (pages, t) are the best similarities of all pages for its one query, where they were compared before.
    `ignores_lists`: what all pages have is counted, also where inverted lists could tell about.
    """

    table: PageTable
    info: EncoderInfo
    scope: Pages | None
    memory: int
    known: Floats | None = None
    ignores_lists: bool = False

    @property
    def pages(self) -> Pages:
        return np.arange(len(self.table), dtype=np.int64) if self.scope is None else self.scope

    def batches(self, positions: Iterable[int], requests: Sequence[QueryRequest]) -> Iterator[list[int]]:
        """As many queries at once as their maxima fit into `memory`; at least one."""
        limit = max(self.memory // (8 * max(len(self.table), 1)), 1)  # tokens: similarities and contributions, float32
        batch: list[int] = []
        tokens = 0
        for position in positions:
            more = len(requests[position].query.tokens)
            if batch and tokens + more > limit:
                yield batch
                batch, tokens = [], 0
            batch.append(position)
            tokens += more
        if batch:
            yield batch

    def has_first_stage(self, options: SearchOptions) -> bool:
        return options.mode == "auto" and compares_signs_first(self.info, len(self.pages)) and self.table.has_bits

    def reads_lists(self, options: SearchOptions, *, is_example: bool) -> bool:
        """Whether inverted lists say which pages are compared."""
        return options.mode == "auto" and not is_example and self._has_lists

    @property
    def _has_lists(self) -> bool:
        is_read = self.info.calibration.is_probability and not self.ignores_lists
        return is_read and any(part.centroids is not None for part in self.table.snapshot.shards)

    def candidate_count(self, options: SearchOptions) -> int:
        """How many pages are compared closely where others are not."""
        pages = len(self.pages)
        return min(max(_CANDIDATES, int(_CANDIDATE_SHARE * pages), 4 * options.k), pages)

    def select_candidates(self, requests: Sequence[QueryRequest]) -> list[Pages]:
        """For each query the pages whose signs agree best with its own, and those whose text has most of its words."""
        pages = self.pages
        sizes = [len(request.query.tokens) for request in requests]
        starts = np.cumsum([0, *sizes[:-1]], dtype=np.int64)
        weights = np.concatenate([request.query.weights for request in requests])
        scores = bit_scores(self.table, pages, _vectors(requests), weights, starts)  # (pages, queries)
        chosen = []
        for score, request in zip(scores.T, requests, strict=True):
            count = self.candidate_count(request.options)
            best = np.argpartition(-score, count - 1)[:count]
            if request.texts is not None:
                best = np.union1d(
                    best, _best_texts(request.texts.of(self.table.document[pages], self.table.page[pages]))
                )
            chosen.append(np.sort(pages[best]))
        return chosen

    def select_by_lists(self, requests: Sequence[QueryRequest]) -> tuple[list[ScoredQuery], list[Pages]]:
        """Each query with its weights, and the pages whose entries in the lists that it reads score best."""
        found = (
            [self._select_by_lists(requests[0])]
            if len(requests) == 1
            else parallel_map(self._select_by_lists, requests)
        )
        return [query for query, _ in found], [pages for _, pages in found]

    def weigh_by_lists(self, requests: Sequence[QueryRequest]) -> list[ScoredQuery]:
        """Each query with the weights that the lists give it."""
        return [self._weigh_by_lists(each, list_maxima(self.table, each.query, self.info)) for each in requests]

    def _select_by_lists(self, request: QueryRequest) -> tuple[ScoredQuery, Pages]:
        found = list_maxima(self.table, request.query, self.info)
        query = self._weigh_by_lists(request, found)
        wanted = max(_LIST_CANDIDATES, int(_LIST_CANDIDATES_A_ROOT * math.sqrt(len(self.table))))
        count = max(wanted, 4 * request.options.k)
        if len(self.pages) <= count:
            return query, self.pages
        within = self._within_scope(found)
        if len(within.pages) < count:  # of words that are nowhere: what is nearest to them
            within = self._within_scope(list_maxima(self.table, request.query, self.info, least=NONE))
        if len(within.pages) < count:
            others = np.setdiff1d(self.pages, within.pages, assume_unique=True)[: count - len(within.pages)]
            within = within.with_pages(others)
        pixels = within.at(best_rows(query.scores(within.maxima), count))
        pages = self._with_other_candidates(request, query, pixels.pages)
        candidates = pages
        if len(pages) > len(pixels.pages):
            scored = self._scored(request, query, pages, within.of(pages))
            candidates = best_pages(self.table, scored, count)
        codes = [token for token, word in enumerate(request.query.tokens) if any(map(str.isdigit, word))]
        seen = [within.pages[best_rows(within.maxima[:, token].astype(np.float64), _CODE_PAGES)] for token in codes]
        return query, np.unique(np.concatenate([candidates, *(each[:_CODE_PAGES] for each in seen)]))

    def _with_other_candidates(self, request: QueryRequest, query: ScoredQuery, pages: Pages) -> Pages:
        """Also those whose texts, or whose documents' names, have the query's words."""
        keys = list(self.table.snapshot.documents)
        named = [keys[place] for place in query.named_documents(self.table.snapshot.names)]
        more = [np.flatnonzero(np.isin(self.table.document, named))] if named else []
        if request.texts is not None and self.scope is None:
            rows = self.table.find(*request.texts.first(_CANDIDATES))
            more.append(rows[rows >= 0])
        elif request.texts is not None:  # the best of those that may be found, which need not be the best of all
            scores = request.texts.of(self.table.document[self.pages], self.table.page[self.pages])
            more.append(self.pages[_best_texts(scores)])
        if not more:
            return pages
        others = np.concatenate(more)
        return np.union1d(pages, others if self.scope is None else others[np.isin(others, self.scope)])

    def _within_scope(self, found: ListMaxima) -> ListMaxima:
        return found if self.scope is None else found.at(np.flatnonzero(np.isin(found.pages, self.scope)))

    def _weigh_by_lists(self, request: QueryRequest, found: ListMaxima) -> ScoredQuery:
        query, weights = request.query, request.query.weights
        if self.is_weighed(request):
            query, weights = weigh_words(query, self._expect_by_lists(request, found))
        return self.weigh(query, weights, request.statistics)

    def _expect_by_lists(self, request: QueryRequest, found: ListMaxima) -> ExpectedFrequencies:
        of_collection = None if request.statistics is None else request.statistics.expected
        return of_collection or ExpectedFrequencies.of(
            request.query, self.info.calibration, found.maxima, len(self.table), found.unread
        )

    def rerank(
        self,
        requests: Sequence[QueryRequest],
        candidates: Sequence[Pages],
        queries: Sequence[ScoredQuery] | None = None,
    ) -> list[ScoredPages]:
        """Each query's candidates by their codes: together where most of them are wanted by most queries.

        `queries` are the same with their weights, where those are not their own.
        """
        wanted = np.unique(np.concatenate(candidates))
        gain = _SHARED_GAINS.get(chosen_instructions(), _SHARED_GAIN)
        is_shared = len(wanted) * len(requests) <= gain * sum(map(len, candidates))
        together = self._maxima(wanted, _vectors(requests)) if is_shared else None
        found, begin = [], 0
        if queries is None:
            queries = [self.weigh(each.query, each.query.weights, each.statistics) for each in requests]
        for request, query, pages in zip(requests, queries, candidates, strict=True):
            end = begin + len(request.query.tokens)
            if together is None:
                maxima = self._maxima(pages, request.query.vectors)
            else:
                maxima = np.ascontiguousarray(together[np.searchsorted(wanted, pages), begin:end])
            found.append(self._scored(request, query, pages, maxima))
            begin = end
        return found

    def _maxima(self, pages: Pages, vectors: Floats) -> Floats:
        return code_maxima(self.table, pages, vectors, self.info.quantisation_range)

    def scan(self, requests: Sequence[QueryRequest]) -> list[ScoredPages]:
        """Each query and the codes of all pages that may be found."""
        all_pages = any(self.needs_all_pages(request) for request in requests)
        compared = self._compare(requests, all_pages=all_pages)
        return [
            self.weigh_scan(request, own, all_pages=all_pages) for request, own in zip(requests, compared, strict=True)
        ]

    def is_weighed(self, request: QueryRequest) -> bool:
        """Whether a query's weights depend on what all pages have."""
        return self.info.calibration.is_probability and request.options.soft_idf

    def needs_all_pages(self, request: QueryRequest) -> bool:
        """Whether all pages are to be compared for these weights, as no lists tell what they have."""
        return self.is_weighed(request) and not self._has_lists

    def compare(self, request: QueryRequest) -> Floats:
        """What `weigh_scan` takes of one query."""
        [own] = self._compare([request], all_pages=self.needs_all_pages(request))
        return own

    def _compare(self, requests: Sequence[QueryRequest], *, all_pages: bool) -> list[Floats]:
        """Each query's (pages, t) best similarities, of all pages or those that may be found."""
        if all_pages and self.known is not None:
            return [self.known]
        compared = np.arange(len(self.table), dtype=np.int64) if all_pages else self.pages
        maxima = self._maxima(compared, _vectors(requests))
        ends = np.cumsum([len(request.query.tokens) for request in requests])
        return [np.ascontiguousarray(own) for own in np.split(maxima, ends[:-1], axis=1)]

    def weigh_scan(self, request: QueryRequest, maxima: Floats, *, all_pages: bool) -> ScoredPages:
        """A query and its `maxima`, of all pages or those that may be found."""
        query, weights = request.query, request.query.weights
        if self.is_weighed(request):
            query, weights = weigh_words(query, self.expect(request, maxima))
        kept = maxima[self.scope] if all_pages and self.scope is not None else maxima
        return self._scored(request, self.weigh(query, weights, request.statistics), self.pages, kept)

    def expect(self, request: QueryRequest, maxima: Floats | None) -> ExpectedFrequencies:
        """What a query's weights are made of: that of the whole collection, or of all pages here."""
        of_collection = None if request.statistics is None else request.statistics.expected
        if of_collection is not None:
            return of_collection
        if self._has_lists:
            return self._expect_by_lists(request, list_maxima(self.table, request.query, self.info))
        assert maxima is not None
        return ExpectedFrequencies.of(request.query, self.info.calibration, maxima)

    def _scored(self, request: QueryRequest, query: ScoredQuery, pages: Pages, maxima: Floats) -> ScoredPages:
        floor = 0.0 if request.texts is None else self.no_match(query, request.statistics)
        return ScoredPages(query, request.options, request.texts, pages, maxima, floor=floor)

    def no_match(self, query: ScoredQuery, statistics: CollectionStatistics | None = None) -> float:
        """The MaxSim score of a page that has nothing of a query: 0 for probabilities, else what pages have on average.

        That is measured on pages spread over the collection, so that it depends on no filter and on no candidates.
        """
        if query.calibration.is_probability:
            return 0.0
        sample = None if statistics is None else statistics.sample
        return (sample or self.sample(query)).mean

    def sample(self, query: ScoredQuery) -> ScoreSample:
        """What some pages score for a query, by which `no_match` is measured."""
        keys = self.table.keys
        rows = ScoreSample.rows(keys)
        place = np.argsort(rows)  # the table is compared from its start
        scores = np.empty(len(rows), np.float64)
        scores[place] = query.scores(self._maxima(rows[place], query.embedding.vectors))
        return ScoreSample(keys[rows], scores)

    def scores(self, query: ScoredQuery, pages: Pages) -> Scores:
        """(pages,) the MaxSim scores of some pages, rows of the table that rise."""
        return query.scores(self._maxima(pages, query.embedding.vectors))

    def weigh(
        self, query: QueryEmbedding, weights: Floats, statistics: CollectionStatistics | None = None
    ) -> ScoredQuery:
        # The encoder's calibration is one of words: see `example_query`.
        calibration = Calibration() if query.is_example else self.info.calibration
        mean_vectors = (statistics or self.table).mean_vectors
        return ScoredQuery(query, weights, calibration, self.info.fingerprint, mean_vectors)


def _vectors(requests: Sequence[QueryRequest]) -> Floats:
    """The tokens of all queries, end to end."""
    return np.concatenate([request.query.vectors for request in requests])


def _best_texts(scores: NDArray[np.float64]) -> Pages:
    best = np.argsort(-scores, kind="stable")[:_CANDIDATES]
    return best[scores[best] > 0]
