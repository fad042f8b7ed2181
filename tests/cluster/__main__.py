"""What a cluster promises when nodes are lost, at length: python -m tests.cluster [--questions 1000 --pages 500 ...]

Nodes are killed hard, as by a power cut, and come back. Prints what was found as the table of `docs/cluster.md`, and
ends with 1 for a wrong or a partial answer, a document that was acknowledged and is lost, or one that is there twice.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import colvision
from colvision.cluster import RouterOptions, open_cluster
from tests.helpers.answers import QUESTIONS, WORDS, answered, sharp_toy, write_documents
from tests.helpers.ray_nodes import ray_nodes

_PAGES = 5  # of a document, at most
_ASKING = 2  # threads that ask, so that nodes are lost in the midst of questions


class Losses:
    """Kills a node at every so many steps, and half-way to the next one brings another in its place.

    In the main thread: what Ray starts in another one ends with that.
    """

    def __init__(self, nodes, every):
        self.nodes = nodes
        self.every = max(every, 2)
        self.count = 0
        self.away = 0

    def step(self, number):
        if number and number % self.every == 0:
            self.nodes.kill(self.nodes.nodes[0])
            self.count += 1
            self.away += 1
        elif self.away and number % self.every == self.every // 2:
            self.nodes.add()
            self.away -= 1


def tell(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--pages", type=int, default=500)
    parser.add_argument("--kills", type=int, default=5, help="while questions are asked; two more during the ingest")
    parser.add_argument("--mini", type=Path, help="a folder of PDFs, to be compared with `mini` as well")
    parser.add_argument("--queries", type=Path, help="a JSON Lines file with the `text` of queries for them")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ray_nodes(given.nodes) as nodes:
        failures = _lose_nodes(Path(folder), nodes, given)
        if given.mini is not None:
            failures += _compare_mini(Path(folder), nodes, given)
    sys.exit(1 if failures else 0)


def _lose_nodes(folder, nodes, given):
    encoder = sharp_toy()
    (folder / "files").mkdir()
    paths = write_documents(folder / "files", 2 * given.pages // (_PAGES + 1), pages=_PAGES)
    options = RouterOptions(hedge=1.0, time_limit=300.0)
    started = time.monotonic()
    with (
        colvision.open_library(folder / "library", encoder=encoder) as library,
        open_cluster(
            folder / "cluster",
            address=nodes.address,
            partitions=given.partitions,
            replicas=given.replicas,
            encoder=encoder,
            options=options,
        ) as cluster,
    ):
        tell(f"{given.nodes} nodes, {given.partitions} partitions x {given.replicas} replicas")
        tell(f"started in {time.monotonic() - started:.0f} s")
        library.ingest(paths)
        pages = library.status().collections[0].pages
        losses = Losses(nodes, len(paths) // 3 + 1)  # two kills
        acknowledged = []

        def on_file(report):
            acknowledged.append(report)
            losses.step(len(acknowledged))

        began = time.monotonic()
        report = cluster.ingest(paths, on_file=on_file)
        spent = time.monotonic() - began
        counts = Counter(document.name for document in cluster.documents())
        lost = [each.name for each in acknowledged if counts[each.name] == 0]
        twice = [name for name, count in counts.items() if count > 1]
        whole = cluster.status().pages
        tell(
            f"ingest of {pages} pages with {losses.count} kills: {len(report.new)} of {len(paths)} documents new, "
            f"{len(lost)} acknowledged lost, {len(twice)} twice, {whole} pages stored, {spent:.0f} s"
        )
        for each in (*report.failed, *report.cancelled):
            tell(f"  {each}")
        wrong = _ask(cluster, library, nodes, given)
    return len(wrong) + len(lost) + len(twice) + (whole != pages) + len(report.failed)


def _ask(cluster, library, nodes, given):
    drawn = random.Random(3)
    texts = [*QUESTIONS, *(" ".join(drawn.choices(WORDS, k=drawn.randint(1, 4))) for _ in range(43))]
    right = {text: answered(library.search(text)) for text in texts}
    losses = Losses(nodes, given.questions // (given.kills + 1))

    def ask(number):
        text = texts[number % len(texts)]
        began = time.perf_counter()
        try:
            answer = answered(cluster.search(text))
        except colvision.ColvisionError as error:
            answer = error
        return text, answer, time.perf_counter() - began

    wrong, times = [], []
    with ThreadPoolExecutor(_ASKING) as threads:
        for number, (text, answer, spent) in enumerate(threads.map(ask, range(given.questions))):
            losses.step(number)
            times.append(spent)
            if answer != right[text]:
                wrong.append(text)
                tell(f"  wrong: {text!r}: {answer if isinstance(answer, Exception) else ''}")
    times.sort()
    tell(
        f"{given.questions} questions with {losses.count} kills: {len(wrong)} wrong or partial; median "
        f"{times[len(times) // 2] * 1000:.0f} ms, 99 % within {times[int(len(times) * 0.99)] * 1000:.0f} ms, "
        f"longest {times[-1]:.1f} s"
    )
    return wrong


def _compare_mini(folder, nodes, given):
    paths = sorted(given.mini.glob("*.pdf"))
    lines = given.queries.read_text(encoding="utf-8").splitlines() if given.queries is not None else []
    texts = [json.loads(line)["text"] for line in lines] or ["bleed the pump"]
    different = 0
    with (
        colvision.open_library(folder / "mini") as library,
        open_cluster(folder / "minis", address=nodes.address, partitions=3, replicas=1) as cluster,
    ):
        library.ingest(paths)
        cluster.ingest(paths)
        kinds = ({}, {"text_fusion": False}, {"k": 50, "mode": "exact"}, {"exact_words": True}, {"soft_idf": False})
        asked = 0
        for text in texts:
            for options in kinds:
                asked += 1
                if answered(cluster.search(text, **options)) != answered(library.search(text, **options)):
                    different += 1
                    tell(f"  different: {text!r} {options}")
        pages = library.status().collections[0].pages
        cluster.stop()
    tell(f"mini, {pages} pages, {asked} questions in {len(kinds)} ways: {different} different")
    return different


if __name__ == "__main__":
    main()
