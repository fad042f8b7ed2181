"""What a cluster costs a question beside one library in one process, which holds the same pages.

python -m benchmarks.cluster [FILE ...] [--partitions 2 4] [--replicas 1] [--questions 200]

Both take turns with the same questions, on a Ray of this machine alone that ends with the program. The pages are those
of the sample manual and its scan, or of the files that are given, read by mini. Answers that differ end it.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import colvision
from colvision.cluster import open_cluster

_DATA = Path(__file__).parents[1] / "data"


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", default=sorted(_DATA.glob("*.pdf")))
    parser.add_argument("--partitions", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--questions", type=int, default=200)
    options = parser.parse_args(given)
    lines = (_DATA / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    print("| partitions x replicas | pages | library | cluster | more |")
    print("|---|---|---|---|---|")
    with TemporaryDirectory() as folder, colvision.open_library(Path(folder) / "library") as library:
        library.ingest(options.files)
        for partitions in options.partitions:
            root = Path(folder) / f"cluster-{partitions}"
            with open_cluster(root, partitions=partitions, replicas=options.replicas) as cluster:
                cluster.ingest(options.files)
                alone, together = _ask(library, cluster, [texts[i % len(texts)] for i in range(options.questions)])
                pages = cluster.status().pages
                cluster.stop()
            print(
                f"| {partitions} x {options.replicas} | {pages} | {alone:.1f} ms | {together:.1f} ms "
                f"| {together - alone:.1f} ms |",
                flush=True,
            )


def _ask(library: colvision.Library, cluster: colvision.cluster.Cluster, texts: Sequence[str]) -> tuple[float, float]:
    """The medians of the milliseconds that a question takes, after each was asked once."""
    times: dict[str, list[float]] = {"library": [], "cluster": []}
    for asked_before, text in [*((False, text) for text in dict.fromkeys(texts)), *((True, text) for text in texts)]:
        answers = []
        for name, asked in (("library", library), ("cluster", cluster)):
            began = time.perf_counter()
            answers.append([(hit.document, hit.page, hit.score) for hit in asked.search(text)])
            if asked_before:
                times[name].append((time.perf_counter() - began) * 1000)
        if answers[0] != answers[1]:
            sys.exit(f"{text!r} is answered otherwise by the cluster")
    return statistics.median(times["library"]), statistics.median(times["cluster"])


if __name__ == "__main__":
    main()
