"""Requests that threads make at once are answered together, and each as if it had been alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from colvision.search.batching import QueryBatcher


class Doubler:
    """Doubles numbers, holding the first batch until it may go on; negative ones cannot be doubled."""

    def __init__(self):
        self.batches = []
        self.is_busy = threading.Event()
        self.may_go_on = threading.Event()

    def answer(self, requests):
        self.batches.append(list(requests))
        if len(self.batches) == 1:
            self.is_busy.set()
            assert self.may_go_on.wait(30)
        if min(requests) < 0:
            raise ValueError(f"{min(requests)} cannot be doubled")
        return [2 * request for request in requests]


def crowd(batcher, doubler, requests):
    """Submits the first, and all others while that one is being answered."""
    with ThreadPoolExecutor(len(requests)) as pool:
        first = pool.submit(batcher.submit, requests[0])
        assert doubler.is_busy.wait(30)
        others = [pool.submit(batcher.submit, request) for request in requests[1:]]
        while len(batcher._pending) < len(others):
            threading.Event().wait(0.001)
        doubler.may_go_on.set()
        return [first, *others]


def test_a_request_alone_is_answered_at_once():
    doubler = Doubler()
    doubler.may_go_on.set()
    assert QueryBatcher(doubler.answer).submit(21) == 42
    assert doubler.batches == [[21]]


def test_what_came_while_another_was_answered_is_answered_together():
    doubler = Doubler()
    answers = crowd(QueryBatcher(doubler.answer), doubler, [1, 2, 3, 4, 5])
    assert [answer.result() for answer in answers] == [2, 4, 6, 8, 10]
    assert doubler.batches[0] == [1] and sorted(doubler.batches[1]) == [2, 3, 4, 5] and len(doubler.batches) == 2


def test_no_batch_is_larger_than_agreed():
    doubler = Doubler()
    answers = crowd(QueryBatcher(doubler.answer, max_batch=3), doubler, list(range(8)))
    assert [answer.result() for answer in answers] == [2 * i for i in range(8)]
    assert [len(batch) for batch in doubler.batches] == [1, 3, 3, 1]


def test_a_request_that_cannot_be_answered_fails_its_own_thread_only():
    doubler = Doubler()
    answers = crowd(QueryBatcher(doubler.answer), doubler, [1, 2, -3, 4])
    assert [answer.result() for answer in (answers[0], answers[1], answers[3])] == [2, 4, 8]
    with pytest.raises(ValueError, match="-3 cannot be doubled"):
        answers[2].result()
