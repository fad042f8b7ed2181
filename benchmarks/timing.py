"""Ways measured in turns, so that what slows the machine down slows all of them."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

Way = Callable[[int], Sequence[int]]  # a query's number -> the ten best pages


class Measurement(NamedTuple):
    """Seconds of one query, and the share of the exact ten best pages that came back, over all queries asked."""

    median: float
    least: float
    recall: float


class TimedAnswer(NamedTuple):
    """The answer of a way in another process: its own clock is the one that counts."""

    seconds: float
    best: Sequence[int]


def measure_in_turns(
    ways: Mapping[str, Way | Callable[[int], TimedAnswer]],
    best: Callable[[int], Sequence[int]],
    *,
    queries: int,
    rounds: int,
) -> dict[str, Measurement]:
    """In each round every way answers one query, in turn; the round before the first only warms up.

    Afterwards the ways of this process answer the queries that are left, whose answers count for the recall alone.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    recalls: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(-1, rounds):
        query = turn % queries
        for name, way in ways.items():
            started = time.perf_counter()
            answer = way(query)
            spent = time.perf_counter() - started
            if isinstance(answer, TimedAnswer):
                spent, answer = answer
            if turn >= 0:
                seconds[name].append(spent)
                recalls[name].append(len(set(answer) & set(best(query))) / len(best(query)))
    for name, way in ways.items():
        for query in range(rounds, queries):
            answer = way(query)
            if isinstance(answer, TimedAnswer):
                break
            recalls[name].append(len(set(answer) & set(best(query))) / len(best(query)))
    return {
        name: Measurement(statistics.median(seconds[name]), min(seconds[name]), statistics.mean(recalls[name]))
        for name in ways
    }


def best_ten(scores: np.ndarray) -> Sequence[int]:
    """The rows of the ten highest scores, best first."""
    best = np.argpartition(-scores, 9)[:10]
    return best[np.argsort(-scores[best], kind="stable")].tolist()
