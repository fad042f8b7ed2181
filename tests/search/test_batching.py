"""Questions that threads ask at once are answered together, and each as if it had been alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from colvision.search.batching import QueryBatcher


class Desk:
    """Doubles numbers, holding the first batch until it is told to go on; negative ones cannot be doubled."""

    def __init__(self):
        self.batches = []
        self.is_busy = threading.Event()
        self.may_go_on = threading.Event()

    def answer(self, questions):
        self.batches.append(list(questions))
        if len(self.batches) == 1:
            self.is_busy.set()
            assert self.may_go_on.wait(30)
        if min(questions) < 0:
            raise ValueError(f"{min(questions)} cannot be doubled")
        return [2 * question for question in questions]


def crowd(waiting, desk, questions):
    """Asks the first, and all others while that one is being answered."""
    with ThreadPoolExecutor(len(questions)) as pool:
        first = pool.submit(waiting.submit, questions[0])
        assert desk.is_busy.wait(30)
        others = [pool.submit(waiting.submit, question) for question in questions[1:]]
        while len(waiting._places) < len(others):
            threading.Event().wait(0.001)
        desk.may_go_on.set()
        return [first, *others]


def test_a_question_alone_is_answered_at_once():
    desk = Desk()
    desk.may_go_on.set()
    assert QueryBatcher(desk.answer).submit(21) == 42
    assert desk.batches == [[21]]


def test_what_came_while_another_was_answered_is_answered_together():
    desk = Desk()
    answers = crowd(QueryBatcher(desk.answer), desk, [1, 2, 3, 4, 5])
    assert [answer.result() for answer in answers] == [2, 4, 6, 8, 10]
    assert desk.batches[0] == [1] and sorted(desk.batches[1]) == [2, 3, 4, 5] and len(desk.batches) == 2


def test_no_batch_is_larger_than_agreed():
    desk = Desk()
    answers = crowd(QueryBatcher(desk.answer, most=3), desk, list(range(8)))
    assert [answer.result() for answer in answers] == [2 * i for i in range(8)]
    assert [len(batch) for batch in desk.batches] == [1, 3, 3, 1]


def test_a_question_that_cannot_be_answered_fails_its_own_thread_only():
    desk = Desk()
    answers = crowd(QueryBatcher(desk.answer), desk, [1, 2, -3, 4])
    assert [answer.result() for answer in (answers[0], answers[1], answers[3])] == [2, 4, 8]
    with pytest.raises(ValueError, match="-3 cannot be doubled"):
        answers[2].result()
