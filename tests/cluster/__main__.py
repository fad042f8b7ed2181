"""What a cluster promises when nodes are lost, at length: python -m tests.cluster [--questions 1000 --pages 500 ...]

Nodes are killed hard, as by a power cut, and come back. Prints what was found as the table of `docs/cluster.md`, and
ends with 1 for a wrong or a partial answer, a document that was acknowledged and is lost, or one that is there twice.

With --library FOLDER --queries FILE nothing is killed: a copy of a filled library is cut into partitions, without
encoding again, and all questions are asked of both, before and after documents are added, deleted and replaced.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import colvision
from colvision.cluster import ClusterLayout, RouterOptions, open_cluster
from tests.helpers.answers import QUESTIONS, WORDS, answered, sharp_toy, write_documents
from tests.helpers.ray_nodes import ray_nodes

_PAGES = 5  # of a document, at most
_BATCH = 30  # questions that are asked at once
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
    parser.add_argument("--library", type=Path, help="a filled library, to be compared with a cluster of its documents")
    parser.add_argument("--queries", type=Path, help="a JSON Lines file with the `text` of the queries for it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ray_nodes(given.nodes) as nodes:
        if given.library is None:
            failures = _lose_nodes(Path(folder), nodes, given)
        else:
            failures = _compare(Path(folder), nodes, given)
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


def _compare(folder, nodes, given):
    _copy(given.library, folder / "library")
    with colvision.open_library(folder / "library") as library:  # an evaluation's pages lie in one of their own
        sizes = {each.name: each.pages for each in library.status().collections}
    name = max(sizes, key=sizes.__getitem__)
    layout = ClusterLayout.create(folder / "cluster", given.partitions, given.replicas, None, nodes.address)
    for partition in range(layout.partitions):
        _copy(given.library, layout.folder(partition))
        with colvision.open_library(layout.folder(partition)) as part:
            for document in part.collection(name).documents():
                if layout.partition_of(document.id) != partition:
                    part.delete(document.id)
            part.compact()
    texts = [json.loads(line)["text"] for line in given.queries.read_text(encoding="utf-8").splitlines()]
    with colvision.open_library(folder / "library") as library, open_cluster(layout.root) as cluster:
        pages = [part.pages for part in cluster.status().partitions]
        assert sum(pages) == sizes[name] > 0 and min(pages) > 0, (pages, sizes)
        tell(f"{sizes[name]} pages in partitions of {pages}, {len(texts)} questions")
        both = library.collection(name), cluster.collection(name)
        different = _count_different(*both, texts, "as it was filled")
        _change(*both)
        different += _count_different(*both, texts, "after two deletions, a replacement and an addition")
        cluster.stop()
    return different


def _copy(library, folder):
    """Of what is written once and never changed links will do."""
    shutil.copytree(library, folder, copy_function=lambda source, to: _copy_file(Path(source), Path(to), library))


def _copy_file(source, target, library):
    if source.relative_to(library).parts[0] in ("files", "pages", "shards"):
        target.hardlink_to(source)
    else:
        shutil.copy2(source, target)


def _change(library, cluster):
    """Of the smallest documents, so that little is to be encoded."""
    first, second, third = sorted(library.documents(), key=lambda each: (each.pages, each.name))[:3]
    files = {each.id: library.original_path(each.id).read_bytes() for each in (first, second)}
    for searched in (library, cluster):
        for each in (first, second):
            assert searched.delete(each.id).name == each.name
        [replaced] = searched.ingest(colvision.Upload(files[first.id], third.name), replace=True).files
        [added] = searched.ingest(colvision.Upload(files[second.id], "added.pdf")).files
        assert (replaced.outcome, added.outcome) == ("replaced", "new"), (replaced, added)


def _count_different(library, cluster, texts, when):
    ways = ({}, {"text_fusion": True}, {"text_fusion": False}, {"k": 50, "mode": "exact"})
    ways += ({"exact_words": True}, {"soft_idf": False}, {"where": "page<20"})
    different = 0
    for options in ways:
        for first in range(0, len(texts), _BATCH):
            batch = texts[first : first + _BATCH]
            pairs = zip(library.search_many(batch, **options), cluster.search_many(batch, **options), strict=True)
            for text, (whole, together) in zip(batch, pairs, strict=True):
                if answered(together) != answered(whole):
                    different += 1
                    tell(f"  different: {text!r} {options}")
    tell(f"{when}: {len(texts)} questions in {len(ways)} ways, {different} answers different")
    return different


if __name__ == "__main__":
    main()
