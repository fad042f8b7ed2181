"""What a question waits for where many partitions answer it: simulated, from times that were measured on one.

`python -m benchmarks.fan_out measure 1000` asks a library of so many made-up pages and writes `fan_out.json` beside
this file; `python -m benchmarks.fan_out` draws from it, by the wall's clock and by the processor's: on a busy machine
the one has in it what other work takes, and the other no waiting at all.

A question is answered when the slowest of P partitions is. With a second replica, one that has not answered after the
hedge time is asked in another place as well, and the first answer counts. Times of partitions are drawn independently
of each other: what slows all of them at once is not in it.
"""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import commit, machine

SAMPLES = Path(__file__).with_suffix(".json")
_QUESTIONS = 100_000  # simulated
_WARMING, _ASKED = 10, 200  # measured
_VECTORS, _DIM = 700, 128

Seconds = NDArray[np.float64]


class FanOut(NamedTuple):
    """Of a question in seconds: half of them, 95 and 99 of 100 take no longer. `hedged` is the share of the
    partitions' answers that another replica was asked for as well.
    """

    median: float
    p95: float
    p99: float
    hedged: float


def simulate(
    samples: Seconds, partitions: int, *, hedge: float | None = None, lost: float = 0.0, seed: int = 0
) -> FanOut:
    """`lost` is the share of replicas that never answer; without a hedge time nobody may be lost."""
    if lost and hedge is None:
        raise ValueError("a replica that never answers is waited for for ever: give a hedge time")
    rng = np.random.default_rng(seed)
    slowest = np.zeros(_QUESTIONS)
    hedged = 0
    for _ in range(partitions):
        first = rng.choice(samples, _QUESTIONS)
        first[rng.random(_QUESTIONS) < lost] = np.inf
        if hedge is not None:
            is_late = first > hedge
            hedged += int(is_late.sum())
            first[is_late] = np.minimum(first[is_late], hedge + rng.choice(samples, int(is_late.sum())))
        np.maximum(slowest, first, out=slowest)
    median, p95, p99 = np.percentile(slowest, [50, 95, 99]).tolist()
    return FanOut(median, p95, p99, hedged / (partitions * _QUESTIONS))


def measure(pages: int) -> dict:
    """The seconds that a library of made-up pages takes for questions, one after the other, once it is warm."""
    from tests.helpers.made_pages import MadeEncoder, made_library, random_documents

    with TemporaryDirectory() as folder:
        documents, queries = random_documents(pages // 100, 100, vectors=_VECTORS, dim=_DIM)
        encoder = MadeEncoder(queries)
        with made_library(Path(folder) / "library", encoder, documents) as library:
            seconds: dict[str, list[float]] = {"wall": [], "processor": []}
            for turn in range(-_WARMING, _ASKED):
                started = time.perf_counter(), time.process_time()
                library.search(str(turn % len(queries)))
                spent = time.perf_counter() - started[0], time.process_time() - started[1]
                if turn >= 0:
                    for name, each in zip(seconds, spent, strict=True):
                        seconds[name].append(round(each, 6))
    told = {"machine": machine(), "commit": commit(), "date": f"{datetime.now(UTC):%Y-%m-%d}", "pages": pages}
    return {**told, "tokens": queries.shape[1], "vectors": _VECTORS, "seconds": seconds}


def report(measured: dict, clock: str) -> str:
    samples = np.array(measured["seconds"][clock])
    hedge = float(np.percentile(samples, 95))
    ways = {"one replica": (None, 0.0), "hedged": (hedge, 0.0), "hedged, 1 % of replicas lost": (hedge, 0.01)}
    lines = [
        f"By {clock} time: {len(samples)} questions of {measured['tokens']} tokens to {measured['pages']:,} pages, "
        f"{measured['date']}, commit `{measured['commit']}`: {measured['machine']}. "
        f"Hedge time: {1000 * hedge:.0f} ms, within which 95 % answered.",
        "",
        "| partitions | way | median ms | 95 % within | 99 % within | asked twice |",
        "|---|---|---|---|---|---|",
    ]
    for partitions in (1, 8, 32, 128):
        for name, (after, lost) in ways.items():
            found = simulate(samples, partitions, hedge=after, lost=lost)
            times = " | ".join(f"{1000 * each:.0f}" for each in found[:3])
            lines.append(f"| {partitions} | {name} | {times} | {100 * found.hedged:.1f} % |")
    return "\n".join(lines)


def main() -> None:
    if sys.argv[1:2] == ["measure"]:
        SAMPLES.write_text(json.dumps(measure(int(sys.argv[2]))) + "\n", encoding="utf-8")
    measured = json.loads(SAMPLES.read_text(encoding="utf-8"))
    for clock in measured["seconds"]:
        print(report(measured, clock), end="\n\n")


if __name__ == "__main__":
    main()
