"""One encoder's comparison of queries with the pages of a filter: all of them, or candidates first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats, QueryEmbedding
from colvision.core.encoder import Calibration, EncoderInfo
from colvision.core.query import ScoredQuery, Scores
from colvision.maxsim.binary import has_first_stage as compares_signs_first
from colvision.maxsim.selection import Pages
from colvision.search.idf import weigh_words
from colvision.search.options import QueryRequest, SearchOptions
from colvision.search.ranking import ScoredPages
from colvision.search.scan import PageTable, bit_scores, code_maxima

# Pages that are reranked: at least, and of those that are searched. Of the ten best of made-up pages of 700 x 128 (see
# benchmarks/synthetic.py), 256 hold 1.000 among 5,000 and .998 among 10,000; 128 hold .988 and .985.
_CANDIDATES, _CANDIDATE_SHARE = 256, 0.01
# A page that 32 queries are compared with at once costs each of them so many times less: 1.2 times with AVX2, 1.6 with
# VNNI, 2.6 with float32, 4.7 with AMX (docs/benchmarks.md).
_SHARED_GAIN = 1.5
SEARCH_BYTES = 64 << 20  # of maxima that one pass may hold: 40 queries of 20 tokens over 20,000 pages
_SAMPLE_PAGES = 256  # by which the score of no match is measured


@dataclass(frozen=True, slots=True, eq=False)
class PageSearch:
    """One pass over the pages of one filter: `scope` are those that may be found, None for all."""

    table: PageTable
    info: EncoderInfo
    scope: Pages | None
    memory: int

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

    def rerank(self, requests: Sequence[QueryRequest], candidates: Sequence[Pages]) -> list[ScoredPages]:
        """Each query's candidates by their codes: together where most of them are wanted by most queries."""
        wanted = np.unique(np.concatenate(candidates))
        is_shared = len(wanted) * len(requests) <= _SHARED_GAIN * sum(map(len, candidates))
        together = self._maxima(wanted, _vectors(requests)) if is_shared else None
        found, begin = [], 0
        for request, pages in zip(requests, candidates, strict=True):
            end = begin + len(request.query.tokens)
            if together is None:
                maxima = self._maxima(pages, request.query.vectors)
            else:
                maxima = np.ascontiguousarray(together[np.searchsorted(wanted, pages), begin:end])
            query = self.weigh(request.query, request.query.weights)
            found.append(ScoredPages(query, request.options, request.texts, pages, maxima))
            begin = end
        return found

    def _maxima(self, pages: Pages, vectors: Floats) -> Floats:
        return code_maxima(self.table, pages, vectors, self.info.quantisation_range)

    def scan(self, requests: Sequence[QueryRequest]) -> list[ScoredPages]:
        """Each query and the codes of all pages that may be found."""
        is_weighed = self.info.calibration.is_probability and any(request.options.soft_idf for request in requests)
        compared = np.arange(len(self.table), dtype=np.int64) if is_weighed else self.pages
        maxima = self._maxima(compared, _vectors(requests))
        found, begin = [], 0
        for request in requests:
            end = begin + len(request.query.tokens)
            own = np.ascontiguousarray(maxima[:, begin:end])
            query, weights = request.query, request.query.weights
            if is_weighed and request.options.soft_idf:
                query, weights = weigh_words(query, self.info.calibration, own)
            kept = own[self.scope] if is_weighed and self.scope is not None else own
            found.append(ScoredPages(self.weigh(query, weights), request.options, request.texts, self.pages, kept))
            begin = end
        return found

    def no_match(self, query: ScoredQuery) -> float:
        """The MaxSim score of a page that has nothing of a query: 0 for probabilities, else what pages have on average.

        That is measured on pages spread over the collection, so that it depends on no filter and on no candidates.
        """
        if query.calibration.is_probability or not len(self.table):
            return 0.0
        rows = np.unique(np.linspace(0, len(self.table) - 1, _SAMPLE_PAGES).astype(np.int64))
        return float(query.scores(self._maxima(rows, query.embedding.vectors)).mean())

    def scores(self, query: ScoredQuery, pages: Pages) -> Scores:
        """(pages,) the MaxSim scores of some pages, rows of the table that rise."""
        return query.scores(self._maxima(pages, query.embedding.vectors))

    def weigh(self, query: QueryEmbedding, weights: Floats) -> ScoredQuery:
        # The encoder's calibration is one of words: see `example_query`.
        calibration = Calibration() if query.is_example else self.info.calibration
        return ScoredQuery(query, weights, calibration, self.info.fingerprint, self.table.mean_vectors)


def _vectors(requests: Sequence[QueryRequest]) -> Floats:
    """The tokens of all queries, end to end."""
    return np.concatenate([request.query.vectors for request in requests])


def _best_texts(scores: NDArray[np.float64]) -> Pages:
    best = np.argsort(-scores, kind="stable")[:_CANDIDATES]
    return best[scores[best] > 0]
