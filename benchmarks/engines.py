"""A collection of 1,000 made-up pages in engines that run here: `python -m benchmarks.engines [pages] [questions]`.

For each: whether its ten best are those of `colvision search --mode exact`, in the same order, how far its scores are
from ours, what a page takes on the disk, and what writing and a question take. Qdrant is asked twice: every page, and
candidates by pooled rows first. Needs `pip install 'colvision[qdrant,lancedb]'`.
"""

import statistics
import sys
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from benchmarks.machine import commit, machine
from benchmarks.synthetic import QUANTISATION_RANGE, Sizes, make
from colvision.core.first_stage import PageScope
from colvision.engines import engine_in, export_collection
from colvision.library import Library
from colvision.maxsim.int8 import rounded_query
from colvision.maxsim.quantisation import STEPS
from tests.helpers.made_pages import MadeEncoder, made_library


class Found(NamedTuple):
    """Of all questions: how many have the same ten in the same order, the mean share of the ten, the largest
    difference of a score, and the median and the least seconds.
    """

    same: int
    recall: float
    difference: float
    median: float
    least: float


def ask(library: Library, encoder: MadeEncoder, place: tuple[str, Path], *, questions: int, exact: bool) -> Found:
    unit = QUANTISATION_RANGE / STEPS
    same, shares, differences, seconds = 0, [], [0.0], []
    with closing(engine_in(place[0], str(place[1]), exact=exact)) as engine:
        for number in range(questions):
            scores = {(hit.document_id, hit.page): hit.score for hit in library.search(str(number), mode="exact", k=50)}
            own = list(scores)[:10]
            [query] = encoder.encode_queries([str(number)])
            started = time.perf_counter()
            found = engine.find(rounded_query(query.vectors), 10, PageScope())
            seconds.append(time.perf_counter() - started)
            pages = [(each.document, each.page) for each in found]
            same += pages == own
            shares.append(len(set(pages) & set(own)) / len(own))
            differences += [
                abs(each.score * unit - scores[page]) for each, page in zip(found, pages, strict=True) if page in scores
            ]
    return Found(same, statistics.mean(shares), max(differences), statistics.median(seconds), min(seconds))


def main(pages: int = 1000, questions: int = 20) -> None:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        made = make(folder, Sizes(pages, pages, pages), queries=questions, query_pages=pages)
        starts = made.starts.tolist()
        whole = [np.asarray(made.floats[a : b - (b - a) % 25]) for a, b in pairwise(starts)]  # rows of a grid
        documents = {f"document {first}.pdf": whole[first : first + 100] for first in range(0, pages, 100)}
        encoder = MadeEncoder(made.queries, quantisation_range=QUANTISATION_RANGE)
        print(f"{pages:,} pages, {questions} questions, commit `{commit()}`: {machine()}.\n")
        print(
            "| engine | the same ten, in order | recall@10 | largest difference | ms a question (least) | "
            "KB a page | s to write |"
        )
        print("|---|---|---|---|---|---|---|")
        with made_library(folder / "library", encoder, documents) as library:
            for name in ("qdrant", "lancedb"):
                started = time.perf_counter()
                with closing(engine_in(name, str(folder / name))) as engine:
                    export_collection(library, engine)
                written = time.perf_counter() - started
                size = sum(path.stat().st_size for path in (folder / name).rglob("*") if path.is_file()) / pages / 1024
                for exact in (True, False) if name == "qdrant" else (True,):
                    found = ask(library, encoder, (name, folder / name), questions=questions, exact=exact)
                    way = name if exact else f"{name}, candidates first"
                    print(
                        f"| {way} | {found.same} of {questions} | {found.recall:.3f} | {found.difference:.1e} | "
                        f"{1000 * found.median:.0f} ({1000 * found.least:.0f}) | {size:.0f} | {written:.0f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
