"""Replicas of a model on several devices: a batch goes to the one with the least work, and results keep their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING

from colvision.core.embedding import PageEmbedding
from colvision.encoders.vlm.family import Family, PageBatch

if TYPE_CHECKING:
    from PIL import Image

Encode = Callable[[Family, "Sequence[Image.Image]", PageBatch], list[PageEmbedding]]


class ReplicaPool:
    """Two threads a replica. As a context: afterwards no thread is left, and what had not begun never will.

    Threads are enough: a device's work leaves Python free, and so does most of a page's preparation.
    """

    def __init__(self, replicas: Sequence[Family], encode: Encode) -> None:
        self._replicas = [_Replica(replica, encode) for replica in replicas]

    def __enter__(self) -> ReplicaPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for wait in (False, True):  # all are ended before one is waited for
            for replica in self._replicas:
                replica.end(wait=wait)

    def submit(self, images: Sequence[Image.Image]) -> Future[list[PageEmbedding]]:
        """One batch of fitted images -> one embedding an image, in their order."""
        return min(self._replicas, key=_Replica.unfinished).submit(images)


class _Replica:
    """A batch is prepared in one thread while the one before is on the device, in another."""

    def __init__(self, replica: Family, encode: Encode) -> None:
        self._replica = replica
        self._encode = encode
        self._preparing = ThreadPoolExecutor(1, thread_name_prefix="preparing")
        self._working = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self._batches: list[Future[list[PageEmbedding]]] = []

    def unfinished(self) -> int:
        self._batches = [batch for batch in self._batches if not batch.done()]
        return len(self._batches)

    def submit(self, images: Sequence[Image.Image]) -> Future[list[PageEmbedding]]:
        prepared = self._preparing.submit(self._replica.page_batch, images)
        work = self._working.submit(lambda: self._encode(self._replica, images, prepared.result()))
        self._batches.append(work)
        return work

    def end(self, *, wait: bool) -> None:
        for threads in (self._working, self._preparing):
            threads.shutdown(wait=wait, cancel_futures=True)
