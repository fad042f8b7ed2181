"""Ways measured in turns, so that what slows the machine down slows all of them."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

Way = Callable[[int], Sequence[int]]  # a query's number -> the ten best pages


class Measured(NamedTuple):
    """Seconds of one query, and the share of the exact ten best pages that came back, over all queries asked."""

    median: float
    least: float
    recall: float


class Answered(NamedTuple):
    """What a way in another process says: its own clock is the one that counts."""

    seconds: float
    best: Sequence[int]


def take_turns(
    ways: Mapping[str, Way | Callable[[int], Answered]],
    best: Callable[[int], Sequence[int]],
    *,
    queries: int,
    rounds: int,
) -> dict[str, Measured]:
    """Each round asks every way one query, in turn; the round before the first only warms up.

    Afterwards the ways of this process are asked the queries that are left, whose answers count for the recall alone.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    kept: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(-1, rounds):
        query = turn % queries
        for name, way in ways.items():
            started = time.perf_counter()
            answer = way(query)
            spent = time.perf_counter() - started
            if isinstance(answer, Answered):
                spent, answer = answer
            if turn >= 0:
                seconds[name].append(spent)
                kept[name].append(len(set(answer) & set(best(query))) / len(best(query)))
    for name, way in ways.items():
        for query in range(rounds, queries):
            answer = way(query)
            if isinstance(answer, Answered):
                break
            kept[name].append(len(set(answer) & set(best(query))) / len(best(query)))
    return {
        name: Measured(statistics.median(seconds[name]), min(seconds[name]), statistics.mean(kept[name]))
        for name in ways
    }
