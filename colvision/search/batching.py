"""Questions that several threads ask at once are answered together: one of the threads answers for all that wait."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from colvision.errors import ColvisionError

_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")

_MOST = 32  # questions at once: with more the first of them waits longer than the last one gains


class QueryBatcher(Generic[_Question, _Answer]):
    """`answer` is called by one thread at a time, with the questions that came while it was busy, in their order.

    A question that comes alone is answered at once. One that cannot be answered fails none but its own thread: when a
    batch fails, each of its questions is answered alone.
    """

    def __init__(self, answer: Callable[[Sequence[_Question]], Sequence[_Answer]], *, most: int = _MOST) -> None:
        self._answer = answer
        self._most = most
        self._places: list[_Place[_Question, _Answer]] = []
        self._lock = threading.Lock()  # for `_places`, held for a moment
        self._batch_lock = threading.Lock()  # held by the thread that answers

    def submit(self, question: _Question) -> _Answer:
        """The answer, and the errors, of `answer` called with this question."""
        mine: _Place[_Question, _Answer] = _Place(question)
        with self._lock:
            self._places.append(mine)
        with self._batch_lock:
            while mine.is_waiting:
                self._run_batch()
            return mine.answers[0] if mine.answers else self._answer([question])[0]

    def _run_batch(self) -> None:
        with self._lock:
            batch, self._places = self._places[: self._most], self._places[self._most :]
        for place in batch:
            place.is_waiting = False
        if len(batch) == 1:
            return
        with suppress(ColvisionError, ValueError, OSError):
            answers = self._answer([place.question for place in batch])
            for place, answer in zip(batch, answers, strict=True):
                place.answers.append(answer)


class _Place(Generic[_Question, _Answer]):
    """Where a thread waits; without an answer when it has waited, it asks for itself."""

    def __init__(self, question: _Question) -> None:
        self.question = question
        self.answers: list[_Answer] = []
        self.is_waiting = True
