"""Requests that several threads make at once are answered together: one of the threads answers for all that wait."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from colvision.errors import ColvisionError

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")

_MAX_BATCH = 32  # requests at once: with more the first of them waits longer than the last one gains


class QueryBatcher(Generic[_Request, _Answer]):
    """`answer` is called by one thread at a time, with the requests that came while it was busy, in their order.

    A request that comes alone is answered at once. One that cannot be answered fails none but its own thread: when a
    batch fails, each of its requests is answered alone.
    """

    def __init__(
        self, answer: Callable[[Sequence[_Request]], Sequence[_Answer]], *, max_batch: int = _MAX_BATCH
    ) -> None:
        self._answer = answer
        self._max_batch = max_batch
        self._pending: list[_PendingRequest[_Request, _Answer]] = []
        self._lock = threading.Lock()  # for `_pending`, held for a moment
        self._batch_lock = threading.Lock()  # held by the thread that answers

    def submit(self, request: _Request) -> _Answer:
        """The answer, and the errors, of `answer` called with this request."""
        mine: _PendingRequest[_Request, _Answer] = _PendingRequest(request)
        with self._lock:
            self._pending.append(mine)
        with self._batch_lock:
            while mine.is_waiting:
                self._run_batch()
            return mine.answers[0] if mine.answers else self._answer([request])[0]

    def _run_batch(self) -> None:
        with self._lock:
            batch, self._pending = self._pending[: self._max_batch], self._pending[self._max_batch :]
        for pending in batch:
            pending.is_waiting = False
        if len(batch) == 1:
            return
        with suppress(ColvisionError, ValueError, OSError):
            answers = self._answer([pending.request for pending in batch])
            for pending, answer in zip(batch, answers, strict=True):
                pending.answers.append(answer)


class _PendingRequest(Generic[_Request, _Answer]):
    """A request whose thread waits; without an answer when it has waited, it is answered alone."""

    def __init__(self, request: _Request) -> None:
        self.request = request
        self.answers: list[_Answer] = []
        self.is_waiting = True
