"""What a cluster costs a question beside one library in one process, which holds the same pages.

python -m benchmarks.cluster [FILE ...] [--partitions 2 4] [--replicas 1] [--questions 200]

Both take turns with the same questions, on a Ray of this machine alone that ends with the program. The pages are those
of the sample manual and its scan, or of the files that are given, read by mini; the files are dealt to the partitions
in turn. Answers that differ end it. Beside the medians it tells what a question takes of processors, in this program
and, of the cluster, in the replicas, which tells more on a machine that is busy.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import colvision
from colvision.cluster import ClusterLayout, open_cluster
from colvision.store.identity import new_id

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
    print("| partitions x replicas | pages | library | cluster | more | CPU library | CPU cluster |")
    print("|---|---|---|---|---|---|---|")
    with TemporaryDirectory() as folder, colvision.open_library(Path(folder) / "library") as library:
        library.ingest(options.files)
        for partitions in options.partitions:
            root = Path(folder) / f"cluster-{partitions}"
            with open_cluster(root, address="local", partitions=partitions, replicas=options.replicas) as cluster:
                cluster.ingest(_dealt(options.files, cluster.layout))
                status = cluster.status()
                replicas = [replica.pid for part in status.partitions for replica in part.replicas]
                asked = [texts[i % len(texts)] for i in range(options.questions)]
                alone, together = _ask(library, cluster, asked, replicas)
                pages = " + ".join(str(part.pages) for part in status.partitions)
                cluster.stop()
            print(
                f"| {partitions} x {options.replicas} | {pages} | {alone.wait:.1f} ms | {together.wait:.1f} ms "
                f"| {together.wait - alone.wait:.1f} ms | {alone.cpu:.1f} ms | {together.cpu:.1f} ms |",
                flush=True,
            )


class _Cost(NamedTuple):
    """Of a question: its median milliseconds, and those of processors on average."""

    wait: float
    cpu: float


def _dealt(files: Sequence[Path], layout: ClusterLayout) -> Iterator[colvision.Upload]:
    """Each with an id that belongs to the next partition."""
    for number, path in enumerate(files):
        wanted = number % layout.partitions
        document_id = next(each for each in iter(new_id, "") if layout.partition_of(each) == wanted)
        yield colvision.Upload(path, path.name, document_id, str(path))


def _ask(
    library: colvision.Library, cluster: colvision.cluster.Cluster, texts: Sequence[str], replicas: Sequence[int]
) -> tuple[_Cost, _Cost]:
    """After each was asked once."""
    for text in dict.fromkeys(texts):
        _found(library, text), _found(cluster, text)
    waits: tuple[list[float], list[float]] = ([], [])
    cpu = [0.0, 0.0]
    of_replicas = _cpu_seconds(replicas)
    for text in texts:
        answers = []
        for place, asked in enumerate((library, cluster)):
            began, cpu_began = time.perf_counter(), time.process_time()
            answers.append(_found(asked, text))
            waits[place].append(time.perf_counter() - began)
            cpu[place] += time.process_time() - cpu_began
        if answers[0] != answers[1]:
            sys.exit(f"{text!r} is answered otherwise by the cluster")
    cpu[1] += _cpu_seconds(replicas) - of_replicas
    alone, together = (
        _Cost(statistics.median(wait) * 1000, spent / len(texts) * 1000) for wait, spent in zip(waits, cpu, strict=True)
    )
    return alone, together


def _found(asked: colvision.Library | colvision.cluster.Cluster, text: str) -> list[tuple[str, int, float]]:
    return [(hit.document, hit.page, hit.score) for hit in asked.search(text)]


def _cpu_seconds(processes: Sequence[int]) -> float:
    """User and system time (Linux)."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in processes]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
