"""Pixels, text that OCR has read, and both: `python -m benchmarks.ocr_fusion PDFS QUERIES PAGES OCR BY LEVEL`.

OCR is a file with a JSON object a line (doc, page from 0, level, by, text), so that engines are compared without
reading hundreds of pages anew; BY is the engine of it. Prints nDCG@10 with 95 % intervals, and what the fusion is more.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.quality import show_step
from colvision import evaluation
from colvision.core.page import PageId
from colvision.encoders import load_encoder
from colvision.evaluation.corpus_library import CorpusLibrary, EvaluationFolders, open_corpus
from colvision.evaluation.queries import Query
from colvision.evaluation.report import compare, measure_groups
from colvision.evaluation.runs import Run, RunEntry, rank
from colvision.store import Store
from colvision.store.records import PageText

_DEPTH = 160


def main(pdfs: Path, questions: Path, pages: Path, read: Path, by: str, level: str) -> None:
    listed = evaluation.read_pages_file(pages)
    corpus = evaluation.find_corpus(pdfs, level=evaluation.parse_level(level), pages=listed)
    queries = [query for query in evaluation.read_queries(questions) if query.gold <= frozenset(listed)]
    with tempfile.TemporaryDirectory() as folder:
        folders = EvaluationFolders(Path(folder), evaluation.default_cache())
        with open_corpus(corpus, load_encoder("mini"), folders=folders, progress=show_step) as searched:
            with Store(searched.library.path) as store:
                put_texts(searched, store, texts_of(read, by, level), by)
                text = Run(by, {each.query_id: by_text(searched, store, each) for each in queries})
            pixels, both = (searched.search(queries, text_fusion=on, progress=show_step) for on in (False, True))
    for name, run in (("pixels", pixels), (f"text by {by}", text), ("both", both)):
        for row in measure_groups(run, queries):
            print(f"{name:20s} {row.group:18s} {row.mean.ndcg10:.3f} {row.intervals[1]}")
    for name, run in (("pixels", pixels), ("text", text)):
        for each in compare(both, run, queries):
            print(f"both minus {name:9s} {each.group:18s} {each.difference.ndcg10:+.3f} {each.intervals[1]}")


def texts_of(path: Path, by: str, level: str) -> dict[PageId, str]:
    found = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {
        PageId(each["doc"], each["page"] + 1): each["text"]
        for each in found
        if each["by"] == by and each["level"] == level
    }


def put_texts(searched: CorpusLibrary, store: Store, texts: dict[PageId, str], by: str) -> None:
    for key, document in searched.documents.items():
        pages = {
            place: PageText(texts.get(PageId(document.name, number), ""), reader=by)
            for place, number in enumerate(document.numbers, 1)
        }
        store.writer.set_texts(store.find(key), pages, {})


def by_text(searched: CorpusLibrary, store: Store, query: Query) -> Sequence[RunEntry]:
    scores = store.text_scores(searched.name, query.text)
    documents, numbers = scores.first(_DEPTH)
    owners = {store.find(key).key: document for key, document in searched.documents.items()}
    pages = [
        PageId(owners[row].name, owners[row].numbers[number - 1])
        for row, number in zip(documents.tolist(), numbers.tolist(), strict=True)
    ]
    return rank(map(RunEntry, pages, scores.of(documents, numbers).tolist()))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:5]), *sys.argv[5:7])
