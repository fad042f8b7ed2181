"""A writer that dies at random moments, readers beside one that lives. `make soak` does both at length."""

import os

import pytest

from tests.faults.run import run

pytestmark = pytest.mark.slow

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="writers and readers are forked, which this system cannot")


@forks
def test_fifteen_kills_cost_nothing_that_was_acknowledged_and_no_reader_sees_any():
    output = run("kills", 15, 2)
    counts, faults = figures(output)
    assert not faults, output
    assert counts["amid a change"] >= 5 and counts["by inverted lists"] > 0, output


@forks
def test_four_readers_beside_a_writer_see_complete_states_only():
    output = run("crowd", 3, 4)
    counts, faults = figures(output)
    assert not faults, output
    assert counts["changes"] > 10 and counts["answers"] >= 4 and counts["by inverted lists"] > 0, output


def figures(output):
    """What the first line counts, and whether faults are among it."""
    parts = (part.split(" ", 1) for part in output.splitlines()[0].split(", "))
    counts = {name: int(count) for count, name in parts}
    return counts, counts["faults"]
