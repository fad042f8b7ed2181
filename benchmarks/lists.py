"""What inverted lists find beside `exact`, and beside a library without lists.

python -m benchmarks.lists LIBRARY QUERIES

LIBRARY is one that `colvision evaluate --library` has filled, QUERIES its questions. Its pages get lists in a copy,
though they may be few; every question is asked by lists and `exact` (both weigh words by the lists), by pixels and with
the text layer where pages have one, and of the library itself as `exact`, where lists have no part in the weights.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np

from colvision import Collection, Library, evaluation, open_library
from colvision.core.page import PageId
from colvision.evaluation.queries import Query
from colvision.evaluation.report import Comparison, compare
from colvision.evaluation.runs import Run, RunEntry
from colvision.maxsim import inverted_lists

_DEPTH = 30


def main(folder: Path, questions: Path) -> None:
    queries = evaluation.read_queries(questions)
    with TemporaryDirectory() as temporary, open_library(folder, read_only=True) as whole:
        copy = shutil.copytree(folder, Path(temporary) / "library")
        inverted_lists.LISTS_PAGES = 0
        with open_library(copy) as listed:
            listed.compact()
            theirs, ours = _largest(whole), _largest(listed)
            print(f"{ours.status().pages} pages, {len(queries)} questions")
            print("\n| asked | of | nDCG@10: lists minus `exact` | minus no lists | questions better, worse |")
            print("|---|---|---|---|---|")
            notes = []
            for fusion, name in ((False, "pixels"), (True, "text, too")):
                lists = ask(ours, queries, "auto", fusion=fusion)
                exact = ask(ours, queries, "exact", fusion=fusion)
                scan = ask(theirs, queries, "exact", fusion=fusion)
                beside = zip(compare(lists, exact, queries), compare(lists, scan, queries), strict=True)
                for own, other in beside:
                    worse = f"{other.better}, {other.worse}"
                    print(f"| {name} | {own.group} | {_difference(own)} | {_difference(other)} | {worse} |")
                same = [(lists.ranking(key)[:10], exact.ranking(key)[:10]) for key in lists.answers]
                found = np.mean([len({*own} & {*best}) / len(best) for own, best in same if best])
                first = np.mean([own[:1] == best[:1] for own, best in same])
                notes.append(f"{name}: {found:.4f} of the ten best of `exact` found, the first of {first:.4f}")
            print("\n" + "\n".join(notes))


def _largest(library: Library) -> Collection:
    return max(map(library.collection, library.collections()), key=lambda each: each.status().pages)


def ask(collection: Collection, queries: Sequence[Query], mode: Literal["auto", "exact"], *, fusion: bool) -> Run:
    answers = {}
    for query in queries:
        found = collection.search(query.text, k=_DEPTH, mode=mode, text_fusion=fusion)
        answers[query.query_id] = tuple(RunEntry(PageId(Path(hit.document).stem, hit.page), hit.score) for hit in found)
    return Run(mode, answers)


def _difference(each: Comparison) -> str:
    interval = each.intervals[1]
    return f"{each.difference.ndcg10:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
