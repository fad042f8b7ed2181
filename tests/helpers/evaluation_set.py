"""Manuals with a question for every page and the page that answers it, for tests of evaluations."""

import json
from pathlib import Path
from typing import NamedTuple

from colvision.core.page import PageId
from colvision.evaluation import Query, read_queries
from colvision.testing import ToyEncoder, save_document

MANUALS = {
    "pump": [["bleed", "pump"], ["close", "valve"], ["spare", "parts"]],
    "fan": [["blade", "angle"], ["motor", "fuse"]],
}


class EvaluationSet(NamedTuple):
    """`cache` is where the first test that needs the manuals as they are leaves them read, for those that follow."""

    manuals: Path
    queries: tuple[Query, ...]
    cache: Path


def make_evaluation_set(folder: Path) -> EvaluationSet:
    """A query for every page is the page's own words; documents and pages from 0, as they lie in files."""
    manuals = folder / "manuals"
    manuals.mkdir()
    for name, pages in MANUALS.items():
        save_document(manuals / f"{name}.pdf", pages)
    rows = [
        {
            "query_id": f"{name}-{number}",
            "text": " ".join(words),
            "type": "content" if number else "title",
            "subtype": "figure",
            "gold": [{"doc": name, "page": number}],
        }
        for name, pages in MANUALS.items()
        for number, words in enumerate(pages)
    ]
    return EvaluationSet(manuals, read_queries(write_lines(folder / "queries.jsonl", rows)), folder / "cache")


def page(number, document="pump"):
    return PageId(document, number)


def query(gold, *, neutral=(), query_id="q", type_="content", subtype="text"):
    return Query(query_id, "some words", type_, subtype, frozenset(gold), frozenset(neutral))


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class CountingEncoder(ToyEncoder):
    """Counts the pages that it encodes."""

    encoded = 0

    def encode_pages(self, pages):
        for embedding in super().encode_pages(pages):
            self.encoded += 1
            yield embedding
