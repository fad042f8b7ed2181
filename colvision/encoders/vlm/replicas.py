"""Replicas of a model on several devices: a batch goes to the one with the least work, and results keep their order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from colvision.core.embedding import PageEmbedding
from colvision.encoders.vlm.family import Family, PageBatch, PendingVectors, PreparedPage

Launched = list[tuple[PageBatch, PendingVectors]]  # a batch, or the parts that it was cut into
Launch = Callable[[Family, Sequence[PreparedPage], PageBatch], Launched]


class ReplicaPool:
    """Three threads a replica. As a context: afterwards no thread is left, and what had not begun never will.

    Threads are enough: a device's work leaves Python free, and so does most of a page's preparation.
    """

    def __init__(self, replicas: Sequence[Family], launch: Launch) -> None:
        self._replicas = [_Replica(replica, launch) for replica in replicas]

    def __enter__(self) -> ReplicaPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for wait in (False, True):  # all are ended before one is waited for
            for replica in self._replicas:
                replica.end(wait=wait)

    def submit(self, pages: Sequence[Future[PreparedPage]]) -> Future[list[PageEmbedding]]:
        """One batch of pages, prepared by then or soon -> one embedding a page, in their order."""
        return min(self._replicas, key=_Replica.unfinished).submit(pages)


class _Replica:
    """A batch is put together in one thread; of two others, one launches it while the other waits for the vectors of
    the batch before: the device always has something to do.
    """

    def __init__(self, replica: Family, launch: Launch) -> None:
        self._replica = replica
        self._launch = launch
        self._preparing = ThreadPoolExecutor(1, thread_name_prefix="preparing")
        self._working = ThreadPoolExecutor(2, thread_name_prefix="encoder")
        self._launching = threading.Lock()  # the memory of one batch at a time
        self._batches: list[Future[list[PageEmbedding]]] = []

    def unfinished(self) -> int:
        self._batches = [batch for batch in self._batches if not batch.done()]
        return len(self._batches)

    def submit(self, pages: Sequence[Future[PreparedPage]]) -> Future[list[PageEmbedding]]:
        prepared = self._preparing.submit(self._prepare, pages)
        work = self._working.submit(self._work, prepared)
        self._batches.append(work)
        return work

    def _prepare(self, pages: Sequence[Future[PreparedPage]]) -> tuple[list[PreparedPage], PageBatch]:
        prepared = [page.result() for page in pages]
        return prepared, self._replica.batch(prepared)

    def _work(self, prepared: Future[tuple[list[PreparedPage], PageBatch]]) -> list[PageEmbedding]:
        with self._launching:
            launched = self._launch(self._replica, *prepared.result())
        return [
            PageEmbedding(*page)
            for batch, pending in launched
            for page in zip(pending.vectors(), batch.grids, batch.kinds, strict=True)
        ]

    def end(self, *, wait: bool) -> None:
        for threads in (self._working, self._preparing):
            threads.shutdown(wait=wait, cancel_futures=True)
