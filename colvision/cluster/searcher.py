"""Queries to all partitions: their statistics first, then, with those of all, the best pages of each."""

import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from colvision.cluster.layout import ClusterLayout
from colvision.cluster.router import Reply, Router
from colvision.cluster.sent import SentQueries, pack
from colvision.core.embedding import QueryEmbedding
from colvision.core.encoder import Encoder
from colvision.core.names import MAIN_ENCODER
from colvision.errors import ClusterBusy, CollectionNotFound, SnapshotOutdated
from colvision.search import Answer, SearchOptions
from colvision.search.partial import merge_answers, merge_statistics
from colvision.search.results import Hit
from colvision.search.searcher import JUDGED, with_timing

_TRIES = 20  # of a question whose partitions change while it is asked


class ClusterSearcher:
    """Safe to share between threads."""

    def __init__(self, layout: ClusterLayout, router: Router, encoder: Callable[[], Encoder]) -> None:
        self._layout = layout
        self._router = router
        self._encoder = encoder

    def search(self, text: str, collection: str, options: SearchOptions) -> Answer:
        """As `Searcher.search`, of all partitions. Raises `PartitionUnavailable`, `ClusterBusy`."""
        return self.search_many([text], collection, options)[0]

    def search_many(self, texts: Sequence[str], collection: str, options: SearchOptions) -> list[Answer]:
        """The answers come together: the time of each is that of all."""
        if not texts:
            return []
        encoder = self._encoder()
        started = time.perf_counter()
        queries = encoder.encode_queries(texts)
        if options.exact_words:
            queries = [query.without_other_words() for query in queries]
        encoded = time.perf_counter() - started
        answers = self._answer(queries, collection, options)
        return [with_timing(answer, (encoded, 0.0, time.perf_counter() - started), {}, {}) for answer in answers]

    def search_vectors(
        self, query: QueryEmbedding, collection: str, options: SearchOptions, *, encode: float = 0.0
    ) -> Answer:
        """As `Searcher.search_vectors`, of all partitions."""
        started = time.perf_counter()
        [answer] = self._answer([query], collection, options)
        return with_timing(answer, (encode, 0.0, encode + time.perf_counter() - started), {}, {})

    def _answer(self, queries: Sequence[QueryEmbedding], collection: str, options: SearchOptions) -> list[Answer]:
        if options.first_stage is not None or (options.encoders or frozenset()) - {MAIN_ENCODER}:
            raise ValueError("a cluster asks no further encoders: leave `encoders` and `first_stage` out")
        if self._router.options.exact:
            options = replace(options, mode="exact")
        info = self._encoder().info
        with self._router.admitted():
            for _ in range(_TRIES):
                sent = SentQueries(secrets.token_hex(8), tuple(queries), collection, options, info)
                try:
                    return self._ask(sent)
                except SnapshotOutdated:  # written to meanwhile: all of it is asked anew
                    continue
        raise ClusterBusy(f"{self._layout.root} was changed {_TRIES} times while a question was asked: ask again")

    def _ask(self, sent: SentQueries) -> list[Answer]:
        packed = pack(sent)
        begun = self._router.ask("begin", lambda _: (packed,))
        known = {partition: reply for partition, reply in begun.items() if any(reply.value)}
        if not known:
            raise CollectionNotFound(f"there is no collection {sent.collection!r} in {self._layout.root}")
        statistics = [
            merge_statistics([reply.value[place].statistics for reply in known.values() if reply.value[place]])
            for place in range(len(sent.queries))
        ]
        generations = {
            partition: [each and each.generation for each in reply.value] for partition, reply in known.items()
        }
        found = self._router.ask(
            "finish",
            lambda partition: (sent.token, packed, generations[partition], statistics),
            known,
            prefer={partition: reply.replica for partition, reply in known.items()},
        )
        left_out = tuple(partition for partition in self._router.partitions if partition not in begun)
        left_out += tuple(partition for partition in known if partition not in found)
        return [self._merge(sent, place, found, left_out) for place in range(len(sent.queries))]

    def _merge(self, sent: SentQueries, place: int, found: Mapping[int, Reply], left_out: Sequence[int]) -> Answer:
        """In the order of the partitions, whoever answered first."""
        parts = [found[partition].value[place] for partition in sorted(found)]
        k = sent.options.k
        answer = merge_answers([part for part in parts if part is not None], max(k, JUDGED))
        hits = self._with_words(answer.hits, sent.queries[place], {page for part in parts for page in part.in_text})
        notices = tuple(f"Not searched: partition {each}, which does not answer." for each in sorted(left_out))
        return replace(answer, hits=hits[:k], judged=hits, notices=notices)

    def _with_words(self, hits: tuple[Hit, ...], query: QueryEmbedding, told: set[tuple[str, int]]) -> tuple[Hit, ...]:
        """With what their texts hold, also of those that were not among the best of their own partition."""
        missing: dict[int, list[tuple[str, int]]] = defaultdict(list)
        for hit in hits:
            if (hit.document_id, hit.page) not in told:
                missing[self._layout.partition_of(hit.document_id)].append((hit.document_id, hit.page))
        if not missing:
            return hits
        replies = self._router.ask("in_text", lambda partition: (missing[partition], query.words), missing)
        known: dict[Any, frozenset[str]] = {
            page: words for each in replies.values() for page, words in each.value.items()
        }
        return tuple(replace(hit, in_text=known.get((hit.document_id, hit.page), hit.in_text)) for hit in hits)
