"""The pool of threads."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from colvision import maxsim
from colvision.parallel import once, parallel_map


def test_results_come_in_order_also_from_maps_within_maps():
    """A thread that waited for others of the pool could wait for ever."""
    rows = parallel_map(lambda row: parallel_map(lambda col: 100 * row + col, range(3)), range(64))
    assert rows == [[100 * row + col for col in range(3)] for row in range(64)]


def test_an_exception_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        parallel_map(lambda block: 1 // block, [1, 0])


def test_threads_that_ask_together_wait_for_one_that_makes_it():
    made, barrier = [], threading.Barrier(8)

    @once
    def make(words: int) -> object:
        made.append(words)
        return object()

    def ask(_: int) -> object:
        barrier.wait()
        return make(2)

    with ThreadPoolExecutor(8) as clients:
        assert len(set(clients.map(ask, range(8)))) == 1
    assert made == [2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_can_search_after_its_parent_did():
    rng = np.random.default_rng(16)
    bits, starts = maxsim.sign_bits(rng.standard_normal((7, 128))), np.array([0, 3, 7])
    query = rng.standard_normal((2, 128)).astype(np.float32)
    expected = maxsim.bit_maxima(query, bits, starts)
    child = os.fork()
    if child == 0:
        same = np.array_equal(maxsim.bit_maxima(query, bits, starts), expected)
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
