"""Queries to the collections of a library: encoded in the caller's thread, answered together with those that wait."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from colvision.core.embedding import QueryEmbedding
from colvision.core.encoder import Encoder, EncoderInfo
from colvision.core.first_stage import FirstStage
from colvision.core.names import MAIN_ENCODER
from colvision.core.query import ScoredQuery
from colvision.errors import EncoderError, EncoderMismatch, MissingExtra, SnapshotOutdated
from colvision.search.batching import QueryBatcher
from colvision.search.device import SearchDevice
from colvision.search.execute import search_many, weigh_query
from colvision.search.first_stage import StagedPages, ask_first_stage
from colvision.search.fusion import default_encoders
from colvision.search.options import OtherQuery, QueryRequest, SearchOptions
from colvision.search.others import OtherEncoder
from colvision.search.partial import InText, PartialAnswer, PartialSearch
from colvision.search.results import Answer
from colvision.search.scan import PageTable
from colvision.search.statistics import CollectionStatistics
from colvision.store import Snapshot, Store
from colvision.store.fulltext import TextStatistics
from colvision.store.records import CollectionRow, DocumentRow

JUDGED = 10  # hits by which the notice is made, however few are asked for


class _Submission(NamedTuple):
    collection: str
    request: QueryRequest


class Searcher:
    """Safe to share between threads: those that search at the same moment share the passes over the pages."""

    def __init__(
        self,
        store: Store,
        encoder: Callable[[], Encoder],
        *,
        memory: int,
        others: Callable[[EncoderInfo], Encoder],
        device: SearchDevice | None = None,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._other_encoder = others
        self._memory = memory
        self._device = device
        self._batcher = QueryBatcher(self._answer)

    def search(self, text: str, collection: str, options: SearchOptions) -> Answer:
        """Raises `ValueError` for a text without a word, `CollectionNotFound`, `EncoderMismatch`; `EncoderError` and
        `MissingExtra` where a further encoder that is named cannot be loaded.
        """
        self._check(collection)  # loads the encoders, which is no part of the search's time
        others = self._others(collection, options)
        started = time.perf_counter()
        query = self._encode([text], options)[0]
        encoded = time.perf_counter()
        by_others = others.encode([text], exact_words=options.exact_words)
        others_encoded = time.perf_counter()
        request = self._request(query, collection, options)._replace(others=by_others[0], notices=others.notices)
        [(request, staged)] = self._staged([request], collection)
        text_scored = time.perf_counter()
        answer = self._with_words(self._batcher.submit(_Submission(collection, request)), options.k)
        spent = encoded - started, text_scored - others_encoded, time.perf_counter() - started
        return with_timing(answer, spent, others.spent, staged)

    def search_vectors(
        self, query: QueryEmbedding, collection: str, options: SearchOptions, *, encode: float = 0.0
    ) -> Answer:
        """A query that is encoded already, in `encode` seconds, such as a page; text layers are not searched.

        Raises `CollectionNotFound`, `EncoderMismatch`.
        """
        started = time.perf_counter()
        self._check(collection)
        answer = self._batcher.submit(_Submission(collection, QueryRequest(query, options)))
        return with_timing(answer, (encode, 0.0, encode + time.perf_counter() - started), {}, {})

    def query(self, text: str, collection: str, options: SearchOptions) -> ScoredQuery:
        """A text with the weights that a search of a collection gives its tokens; no page is ranked.

        Raises `ValueError` for a text without a word, `CollectionNotFound`, `EncoderMismatch`.
        """
        self._check(collection)
        (embedding,) = self._encode([text], options)
        texts = self._request(embedding, collection, options).texts

        def weigh(snapshot: Snapshot) -> ScoredQuery:
            info = self._info(snapshot.collection)
            return weigh_query(snapshot, embedding, info=info, texts=texts, device=self._device)

        return self._store.serve(collection, weigh)

    def text_score(
        self, query: ScoredQuery, row: DocumentRow, page: int, statistics: TextStatistics | None = None
    ) -> float:
        """What BM25 gives the text layer of a page for a query's text; `statistics` as in `TextLayers.scores`."""
        texts = self._store.text_scores(row.collection_name, query.embedding.text, statistics)
        return float(texts.of(np.array([row.key]), np.array([page], np.int32))[0])

    def search_many(self, texts: Sequence[str], collection: str, options: SearchOptions) -> list[Answer]:
        """One answer a text, in order; the time of each is that of all."""
        self._check(collection)
        others = self._others(collection, options)
        started = time.perf_counter()
        queries = self._encode(texts, options) if texts else []
        encoded = time.perf_counter()
        by_others = others.encode(texts, exact_words=options.exact_words)
        others_encoded = time.perf_counter()
        requests = [self._request(query, collection, options) for query in queries]
        requests = [
            request._replace(others=each, notices=others.notices)
            for request, each in zip(requests, by_others, strict=True)
        ]
        staged = self._staged(requests, collection)
        submissions = [_Submission(collection, request) for request, _ in staged]
        text_scored = time.perf_counter()
        answers = [self._with_words(answer, options.k) for answer in self._answer(submissions)]
        spent = encoded - started, text_scored - others_encoded, time.perf_counter() - started
        return [
            with_timing(answer, spent, others.spent, each) for answer, (_, each) in zip(answers, staged, strict=True)
        ]

    def other_query(self, text: str, collection: str, name: str, options: SearchOptions) -> ScoredQuery:
        """A text as the further encoder `name` of a collection scores it in a search.

        Raises `ValueError` for a text without a word, `CollectionNotFound`, `EncoderError`, `MissingExtra`.
        """
        others = self._others(collection, replace(options, encoders=frozenset([name])))
        [[query]] = others.encode([text], exact_words=options.exact_words)

        def weigh(snapshot: Snapshot) -> ScoredQuery:
            other = self._other_snapshots(snapshot, [query]).get(name)
            if other is None:
                raise EncoderMismatch(f"{name!r} was removed from collection {collection!r} a moment ago")
            return weigh_query(other.snapshot, query.query, info=other.info, device=self._device)

        return self._store.serve(collection, weigh)

    def _others(self, collection: str, options: SearchOptions) -> "_OtherEncoders":
        """The further encoders to ask, loaded. One that is named must be there; of the others sentences say why not."""
        companions = self._store.companions.of(collection)
        named = (options.encoders or frozenset()) - {MAIN_ENCODER}
        wanted = [options.first_stage] if isinstance(options.first_stage, str) else sorted(named)
        if options.encoders is None and options.first_stage is None:
            wanted = default_encoders(companions)
        loaded: dict[str, Encoder] = {}
        notices: list[str] = []
        for name in wanted:
            try:
                loaded[name] = self._other_encoder(self._store.companions.encoder_info(collection, name))
            except (EncoderError, MissingExtra) as error:
                if name in named or name == options.first_stage:
                    raise
                notices.append(f"{name} was not asked: {error}.")
        return _OtherEncoders(loaded, tuple(notices), {})

    def _staged(
        self, requests: Sequence[QueryRequest], collection: str
    ) -> list[tuple[QueryRequest, Mapping[str, float]]]:
        """With the pages that a `FirstStage` finds for each, and the seconds that it took by its name.

        It is asked in the caller's thread: others must not wait for it.
        """
        staged: list[tuple[QueryRequest, Mapping[str, float]]] = []
        for request in requests:
            stage = request.options.first_stage
            if stage is None or isinstance(stage, str):
                staged.append((request, {}))
                continue

            def ask(snapshot: Snapshot, request: QueryRequest = request, stage: FirstStage = stage) -> StagedPages:
                info = self._info(snapshot.collection)
                return ask_first_stage(stage, snapshot, request.query, info=info, options=request.options)

            found = self._store.serve(collection, ask)
            notices = (*request.notices, *found.notices)
            staged.append((request._replace(candidates=found.pages, notices=notices), {stage.name: found.seconds}))
        return staged

    def _other_snapshots(self, snapshot: Snapshot, queries: Iterable[OtherQuery]) -> dict[str, OtherEncoder]:
        """What the encoders of some queries have made of a snapshot's pages, by their names."""
        others = {}
        for name, fingerprint in {(each.name, each.fingerprint) for each in queries}:
            found = self._store.companion_snapshot(snapshot, name)
            info = None if found is None else found.collection.info
            if found is not None and info is not None and info.fingerprint == fingerprint:
                others[name] = OtherEncoder(name, info, found)
        return others

    def _encode(self, texts: Sequence[str], options: SearchOptions) -> list[QueryEmbedding]:
        queries = self._encoder().encode_queries(texts)
        return [query.without_other_words() for query in queries] if options.exact_words else queries

    def _request(self, query: QueryEmbedding, collection: str, options: SearchOptions) -> QueryRequest:
        """With what the text layers say of the query, where they are to be searched and know a word of it."""
        wanted = _asks_texts(self._info(self._store.collection(collection)), options)
        texts = self._store.text_scores(collection, query.text) if wanted else None
        return QueryRequest(query, _judged(options), texts if texts is not None and len(texts.page_keys) else None)

    def begin_part(
        self, query: QueryEmbedding, collection: str, options: SearchOptions, *, info: EncoderInfo
    ) -> PartialSearch:
        """A query, by the encoder of `info`, to this library as one partition; further encoders are not asked.

        Raises `CollectionNotFound`, `EncoderMismatch`.
        """
        request = QueryRequest(query, _judged(options))

        def begin(snapshot: Snapshot) -> PartialSearch:
            snapshot.collection.check_encoder(info)
            own = snapshot.collection.info or info
            asks_texts = _asks_texts(own, options) and not query.is_example
            texts = self._store.text_statistics(collection, query.text) if asks_texts else None
            return PartialSearch.begin(PageTable.of(snapshot), request, info=own, texts=texts, memory=self._memory)

        while True:
            part = self._store.serve(collection, begin)
            if part.statistics.texts is None or self._is_newest(collection, part):
                return part

    def finish_part(self, collection: str, part: PartialSearch, statistics: CollectionStatistics) -> PartialAnswer:
        """Its best pages, by the statistics of all partitions; raises `SnapshotOutdated` where texts are other ones."""
        text, of_texts = part.request.query.text, statistics.texts
        texts = None
        if of_texts is not None and of_texts.finds_pages:
            texts = self._store.text_scores(collection, text, of_texts)
            if not self._is_newest(collection, part):
                raise SnapshotOutdated(f"collection {collection!r} has changed since this search began: search again")
        found = self._store.serve(collection, lambda _: part.answer(statistics, texts))
        ranked = found.ranked
        best = [
            (ranked.documents[ranked.document[i]].id, int(ranked.page[i])) for i in ranked.order(part.request.options.k)
        ]
        return replace(found, in_text=self.in_text(best, part.request.query.words))

    def in_text(self, pages: Sequence[tuple[str, int]], words: Sequence[str]) -> InText:
        """Which of the words the text of each page (id of its document, number) holds."""
        return dict(zip(pages, self._store.text_holds(pages, words), strict=True))

    def _is_newest(self, collection: str, part: PartialSearch) -> bool:
        return self._store.collection(collection).generation == part.generation

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
                others = self._other_snapshots(snapshot, (each for request in requests for each in request.others))
                return search_many(
                    snapshot, requests, info=info, memory=self._memory, others=others, device=self._device
                )

            answers.update(zip(positions, self._store.serve(collection, search), strict=True))
        return [answers[position] for position in range(len(submissions))]

    def _info(self, collection: CollectionRow) -> EncoderInfo:
        """What the collection's codes were made by; the library's own encoder while it is empty."""
        info = self._encoder().info
        collection.check_encoder(info)
        return collection.info or info


def _asks_texts(info: EncoderInfo, options: SearchOptions) -> bool:
    return info.calibration.is_probability if options.text_fusion is None else options.text_fusion


def _judged(options: SearchOptions) -> SearchOptions:
    return replace(options, k=max(options.k, JUDGED))


@dataclass(frozen=True, slots=True)
class _OtherEncoders:
    """Further encoders by their names; `spent` are the seconds that each took to encode queries."""

    loaded: Mapping[str, Encoder]
    notices: tuple[str, ...]
    spent: dict[str, float]

    def encode(self, texts: Sequence[str], *, exact_words: bool) -> list[tuple[OtherQuery, ...]]:
        """Each text by every encoder."""
        by_encoder = []
        for name, encoder in self.loaded.items():
            started = time.perf_counter()
            queries = encoder.encode_queries(texts) if texts else []
            self.spent[name] = time.perf_counter() - started
            by_encoder.append(
                [
                    OtherQuery(name, encoder.info.fingerprint, each.without_other_words() if exact_words else each)
                    for each in queries
                ]
            )
        return list(zip(*by_encoder, strict=True)) if by_encoder else [()] * len(texts)


def with_timing(
    answer: Answer, spent: tuple[float, float, float], others: Mapping[str, float], staged: Mapping[str, float]
) -> Answer:
    """With the seconds that the query's encoding, its text scores and all together took, those of the pass between.

    What a further encoder took is its encoding (`others`) and its comparing together; `staged` is a `FirstStage`'s.
    """
    encode, text, total = (seconds * 1000 for seconds in spent)
    before = {"encode": encode, "text": text} if "bm25" in answer.retrievers else {"encode": encode}
    by_others = {name: answer.timing_ms[name] + others[name] * 1000 for name in others if name in answer.timing_ms}
    by_stage = {name: seconds * 1000 for name, seconds in staged.items()}
    return replace(answer, timing_ms={**before, **by_stage, **answer.timing_ms, **by_others, "total": total})
