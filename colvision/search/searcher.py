"""Queries to the collections of a library: encoded in the caller's thread, answered together with those that wait."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from colvision.core.embedding import QueryEmbedding
from colvision.core.encoder import Encoder, EncoderInfo
from colvision.core.query import ScoredQuery
from colvision.search.batching import QueryBatcher
from colvision.search.execute import search_many, weigh_query
from colvision.search.options import QueryRequest, SearchOptions
from colvision.search.results import Answer
from colvision.store import Snapshot, Store
from colvision.store.records import CollectionRow, DocumentRow

_JUDGED = 10  # hits by which the notice is made, however few are asked for


class _Submission(NamedTuple):
    collection: str
    request: QueryRequest


class Searcher:
    """Safe to share between threads: those that search at the same moment share the passes over the pages."""

    def __init__(self, store: Store, encoder: Callable[[], Encoder], *, memory: int) -> None:
        self._store = store
        self._encoder = encoder
        self._memory = memory
        self._batcher = QueryBatcher(self._answer)

    def search(self, text: str, collection: str, options: SearchOptions) -> Answer:
        """Raises `ValueError` for a text without a word, `CollectionNotFound`, `EncoderMismatch`."""
        self._check(collection)  # loads the encoder, which is no part of the search's time
        started = time.perf_counter()
        query = self._encode([text], options)[0]
        encoded = time.perf_counter()
        submission = _Submission(collection, self._request(query, collection, options))
        text_scored = time.perf_counter()
        answer = self._with_words(self._batcher.submit(submission), options.k)
        return _with_timing(answer, (encoded - started, text_scored - encoded, time.perf_counter() - started))

    def search_vectors(
        self, query: QueryEmbedding, collection: str, options: SearchOptions, *, encode: float = 0.0
    ) -> Answer:
        """A query that is encoded already, in `encode` seconds, such as a page; text layers are not searched.

        Raises `CollectionNotFound`, `EncoderMismatch`.
        """
        started = time.perf_counter()
        self._check(collection)
        answer = self._batcher.submit(_Submission(collection, QueryRequest(query, options)))
        return _with_timing(answer, (encode, 0.0, encode + time.perf_counter() - started))

    def query(self, text: str, collection: str, options: SearchOptions) -> ScoredQuery:
        """A text with the weights that a search of a collection gives its tokens; no page is ranked.

        Raises `ValueError` for a text without a word, `CollectionNotFound`, `EncoderMismatch`.
        """
        self._check(collection)
        (embedding,) = self._encode([text], options)
        texts = self._request(embedding, collection, options).texts

        def weigh(snapshot: Snapshot) -> ScoredQuery:
            return weigh_query(snapshot, embedding, info=self._info(snapshot.collection), texts=texts)

        return self._store.serve(collection, weigh)

    def text_score(self, query: ScoredQuery, row: DocumentRow, page: int) -> float:
        """What BM25 gives the text layer of a page for a query's text."""
        texts = self._store.text_scores(row.collection_name, query.embedding.text)
        return float(texts.of(np.array([row.key]), np.array([page], np.int32))[0])

    def search_many(self, texts: Sequence[str], collection: str, options: SearchOptions) -> list[Answer]:
        """One answer a text, in order; the time of each is that of all."""
        self._check(collection)
        started = time.perf_counter()
        queries = self._encode(texts, options) if texts else []
        encoded = time.perf_counter()
        submissions = [_Submission(collection, self._request(query, collection, options)) for query in queries]
        text_scored = time.perf_counter()
        answers = [self._with_words(answer, options.k) for answer in self._answer(submissions)]
        spent = encoded - started, text_scored - encoded, time.perf_counter() - started
        return [_with_timing(answer, spent) for answer in answers]

    def _encode(self, texts: Sequence[str], options: SearchOptions) -> list[QueryEmbedding]:
        queries = self._encoder().encode_queries(texts)
        return [query.without_other_words() for query in queries] if options.exact_words else queries

    def _request(self, query: QueryEmbedding, collection: str, options: SearchOptions) -> QueryRequest:
        """With what the text layers say of the query, where they are to be searched and know a word of it."""
        wanted = options.text_fusion
        if wanted is None:
            wanted = self._info(self._store.collection(collection)).calibration.is_probability
        texts = self._store.text_scores(collection, query.text) if wanted else None
        judged = replace(options, k=max(options.k, _JUDGED))
        return QueryRequest(query, judged, texts if texts is not None and len(texts.page_keys) else None)

    def _with_words(self, answer: Answer, k: int) -> Answer:
        """The `k` best, with what their text layers hold of the query's words, whatever they were ordered by."""
        pages = [(hit.document_id, hit.page) for hit in answer]
        found = self._store.text_holds(pages, answer.query.embedding.words)
        hits = tuple(replace(hit, in_text=held) for hit, held in zip(answer.hits, found, strict=True))
        return replace(answer, hits=hits[:k], judged=hits)

    def _check(self, collection: str) -> None:
        """Before the text is encoded: a wrong encoder may not even be able to."""
        self._info(self._store.collection(collection))

    def _answer(self, submissions: Sequence[_Submission]) -> list[Answer]:
        by_collection: dict[str, list[int]] = defaultdict(list)
        for position, each in enumerate(submissions):
            by_collection[each.collection].append(position)
        answers: dict[int, Answer] = {}
        for collection, positions in by_collection.items():
            requests = [submissions[position].request for position in positions]

            # The encoder is that of the snapshot itself: the collection may be encoded again at any moment.
            def search(snapshot: Snapshot, requests: list[QueryRequest] = requests) -> list[Answer]:
                info = self._info(snapshot.collection)
                return search_many(snapshot, requests, info=info, memory=self._memory)

            answers.update(zip(positions, self._store.serve(collection, search), strict=True))
        return [answers[position] for position in range(len(submissions))]

    def _info(self, collection: CollectionRow) -> EncoderInfo:
        """What the collection's codes were made by; the library's own encoder while it is empty."""
        info = self._encoder().info
        collection.check_encoder(info)
        return collection.info or info


def _with_timing(answer: Answer, spent: tuple[float, float, float]) -> Answer:
    """With the seconds that the query's encoding, its text scores and all together took, those of the pass between."""
    encode, text, total = (seconds * 1000 for seconds in spent)
    before = {"encode": encode, "text": text} if "bm25" in answer.retrievers else {"encode": encode}
    return replace(answer, timing_ms={**before, **answer.timing_ms, "total": total})
