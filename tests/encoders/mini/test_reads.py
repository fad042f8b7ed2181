"""The shipped mini reads generated pages in a face it was never trained on: a floor under every new set of weights."""

import numpy as np
import pytest

from benchmarks.mini import measure
from benchmarks.printed_pages import CASES
from colvision.encoders import mini

pytestmark = pytest.mark.slow

FLOORS = {  # share of words that are told apart from absent ones, and that are pointed at; a step below what is reached
    "body text, 11 pt": (0.9, 0.85),
    "part numbers and codes": (0.82, 0.8),
    "white on black": (0.88, 0.8),
    "on its side": (0.9, 0.85),
    "asked for in the other number": (0.82, 0.85),
    "fax, 1 bit": (0.88, 0.8),
}


@pytest.fixture(scope="module")
def encoder():
    return mini.load()


@pytest.mark.parametrize("name", FLOORS)
def test_words_are_told_apart_and_pointed_at(encoder, name):
    (case,) = [case for case in CASES if case.name == name]
    found = measure(encoder, case, 2)
    there, elsewhere = np.array(found.there), np.array(found.elsewhere)
    apart = (there[:, None] > elsewhere[None, :]).mean()
    apart_floor, pointed_floor = FLOORS[name]
    assert len(there) > 40
    assert apart > apart_floor
    assert np.mean(found.pointed) > pointed_floor
