"""Which pages are compared, and how. Queries that come together share every pass over the pages.

A scan compares the int8 codes of all pages. Above `FIRST_STAGE_PAGES` a first stage compares their sign bits and only
its candidates' codes are compared: for plain MaxSim (no calibration) alone. A steep calibration to probabilities
needs more than signs tell: among 1,685 scanned pages of `mini`, the best 200 by sign bits hold .62 of the ten best, and
its soft idf needs the exact similarities of the whole collection anyway. So such collections are scanned.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats, QueryEmbedding
from colvision.core.encoder import Calibration, EncoderInfo
from colvision.core.query import SEEN, ScoredQuery, word_values
from colvision.maxsim.binary import has_first_stage
from colvision.maxsim.selection import Pages
from colvision.search.filters import Columns
from colvision.search.idf import weigh_words
from colvision.search.options import QueryRequest, SearchOptions
from colvision.search.ranking import ScoredPages, rank_hits, with_text_scale
from colvision.search.results import Answer
from colvision.search.scan import PageTable, bit_scores, code_maxima
from colvision.store import Snapshot
from colvision.store.fulltext import TextScores

# Pages that are reranked: at least, and of those that are searched. Of the ten best of made-up pages of 700 x 128 (see
# benchmarks/synthetic.py), 256 hold 1.000 among 5,000 and .998 among 10,000; 128 hold .988 and .985.
_CANDIDATES, _CANDIDATE_SHARE = 256, 0.01
# A page that 32 queries are compared with at once costs each of them so many times less: 1.2 times with AVX2, 1.6 with
# VNNI, 2.6 with float32, 4.7 with AMX (docs/benchmarks.md).
_SHARED_GAIN = 1.5
SEARCH_BYTES = 64 << 20  # of maxima that one pass may hold: 40 queries of 20 tokens over 20,000 pages


def search_pages(
    snapshot: Snapshot,
    query: QueryEmbedding,
    *,
    info: EncoderInfo,
    options: SearchOptions | None = None,
    texts: TextScores | None = None,
) -> Answer:
    """One query's answer.

    score(page) = sum over tokens of weight * calibration(max over the page's vectors of the similarity), and the terms
    of `score_terms`. Ties break by document name, then page. Filters cut pages before they are scored and change no
    score: idf is the collection's.
    """
    return search_many(snapshot, [QueryRequest(query, options or SearchOptions(), texts)], info=info)[0]


def search_many(
    snapshot: Snapshot, requests: Sequence[QueryRequest], *, info: EncoderInfo, memory: int = SEARCH_BYTES
) -> list[Answer]:
    """The answers to several queries, the same as one by one; those with the same filter share the passes.

    `memory` bounds the bytes that a pass holds beside the mapped shards, as far as one query allows.
    """
    table = PageTable.of(snapshot)
    answers: dict[int, Answer] = {}
    order = sorted(range(len(requests)), key=lambda i: _scope_key(requests[i].options))
    for _, group in groupby(order, key=lambda i: _scope_key(requests[i].options)):
        positions = list(group)
        search = _Search(table, info, _scope(table, requests[positions[0]].options), memory)
        for batch in search.batches(positions, requests):
            answers.update(zip(batch, search.answer([requests[i] for i in batch]), strict=True))
    return [answers[i] for i in range(len(requests))]


def weigh_query(
    snapshot: Snapshot, query: QueryEmbedding, *, info: EncoderInfo, texts: TextScores | None = None
) -> ScoredQuery:
    """A query with the weights that a search of the whole collection gives its tokens.

    Pages are compared where those are expected document frequencies, and not at all where they are the query's own.
    """
    search = _Search(PageTable.of(snapshot), info, None, SEARCH_BYTES)
    request = QueryRequest(query, texts=texts)
    if not info.calibration.is_probability and texts is None:
        return search.weigh(query, query.weights)
    [scored] = search.scan([request], query.vectors)
    pixels = scored.query.contributions(scored.maxima).sum(axis=1, dtype=np.float64)
    return with_text_scale(scored.query, texts, pixels)


def _scope_key(options: SearchOptions) -> str:
    documents = None if options.documents is None else sorted(options.documents)
    return repr((documents, options.where, options.mode))


def _scope(table: PageTable, options: SearchOptions) -> Pages | None:
    """The pages that may be found; None for all."""
    if options.documents is None and options.where is None:
        return None
    documents = list(table.snapshot.documents.values())
    positions = {row.key: i for i, row in enumerate(documents)}
    owner = np.array([positions[key] for key in table.document.tolist()], dtype=np.int64)
    kept = np.ones(len(table), dtype=np.bool_)
    if options.documents is not None:
        kept &= np.array([row.id in options.documents for row in documents], dtype=np.bool_)[owner]
    if options.where is not None:
        kept &= options.where.mask(Columns(documents, owner, table.page))
    return np.flatnonzero(kept)


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
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

    def answer(self, requests: Sequence[QueryRequest]) -> list[Answer]:
        """Raises `LibraryDamaged`."""
        started = time.perf_counter()
        vectors = np.concatenate([request.query.vectors for request in requests])
        if self._has_first_stage(requests[0].options):
            candidates = self._select_candidates(requests, vectors)
            first_stage_done = time.perf_counter()
            found = self._rerank(requests, candidates, vectors)
            spent = {
                "first_stage": (first_stage_done - started) * 1000,
                "rerank": (time.perf_counter() - first_stage_done) * 1000,
            }
            mode = "rerank"
        else:
            found = self.scan(requests, vectors)
            spent, mode = {"score": (time.perf_counter() - started) * 1000}, "exact"
        answers = []
        for scored in found:
            hits = rank_hits(self.table, scored, self.info.quantisation_range)
            timing = {**spent, "total": (time.perf_counter() - started) * 1000}
            retrievers = ("maxsim",) if scored.texts is None else ("maxsim", "bm25")
            query = hits[0].query if hits else scored.query
            answer = Answer(hits, query, len(self.pages), mode, len(scored.pages), timing, retrievers)
            answers.append(replace(answer, unseen=_unseen_codes(scored)))
        return answers

    def _has_first_stage(self, options: SearchOptions) -> bool:
        return options.mode == "auto" and has_first_stage(self.info, len(self.pages)) and self.table.has_bits

    def _select_candidates(self, requests: Sequence[QueryRequest], vectors: Floats) -> list[Pages]:
        """For each query the pages whose signs agree best with its own, and those whose text has most of its words."""
        pages = self.pages
        sizes = [len(request.query.tokens) for request in requests]
        starts = np.cumsum([0, *sizes[:-1]], dtype=np.int64)
        weights = np.concatenate([request.query.weights for request in requests])
        scores = bit_scores(self.table, pages, vectors, weights, starts)  # (pages, queries)
        chosen = []
        for score, request in zip(scores.T, requests, strict=True):
            count = min(max(_CANDIDATES, int(_CANDIDATE_SHARE * len(pages)), 4 * request.options.k), len(pages))
            best = np.argpartition(-score, count - 1)[:count]
            if request.texts is not None:
                best = np.union1d(
                    best, _best_texts(request.texts.of(self.table.document[pages], self.table.page[pages]))
                )
            chosen.append(np.sort(pages[best]))
        return chosen

    def _rerank(
        self, requests: Sequence[QueryRequest], candidates: Sequence[Pages], vectors: Floats
    ) -> list[ScoredPages]:
        """Each query's candidates by their codes: together where most of them are wanted by most queries."""
        wanted = np.unique(np.concatenate(candidates))
        is_shared = len(wanted) * len(requests) <= _SHARED_GAIN * sum(map(len, candidates))
        together = self._maxima(wanted, vectors) if is_shared else None
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

    def scan(self, requests: Sequence[QueryRequest], vectors: Floats) -> list[ScoredPages]:
        is_weighed = self.info.calibration.is_probability and any(request.options.soft_idf for request in requests)
        compared = np.arange(len(self.table), dtype=np.int64) if is_weighed else self.pages
        maxima = self._maxima(compared, vectors)
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

    def weigh(self, query: QueryEmbedding, weights: Floats) -> ScoredQuery:
        # The encoder's calibration is one of words: see `example_query`.
        calibration = Calibration() if query.is_example else self.info.calibration
        return ScoredQuery(query, weights, calibration, self.info.fingerprint, self.table.mean_vectors)


def _unseen_codes(scored: ScoredPages) -> tuple[str, ...]:
    """The words of a query with a digit in them that no page was seen to have."""
    query = scored.query
    if not query.calibration.is_probability or query.embedding.is_example or not len(scored.maxima):
        return ()
    best = word_values(query.embedding, query.calibration, scored.maxima).max(axis=0)  # (t,)
    words = query.embedding.tokens_of_words()
    return tuple(word for word, [token, *_] in words if best[token] < SEEN and any(map(str.isdigit, word)))


def _best_texts(scores: NDArray[np.float64]) -> Pages:
    best = np.argsort(-scores, kind="stable")[:_CANDIDATES]
    return best[scores[best] > 0]
