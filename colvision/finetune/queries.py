"""The queries to train and to measure with: those of a file, or the documents' own headings."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from colvision.core.page import PageId
from colvision.errors import DamagedFile, InputError
from colvision.evaluation import Query, read_queries
from colvision.library import Library
from colvision.pdf.text_layer import is_legible
from colvision.pdf.trusted import TrustedPdf

_NUMBER = re.compile(  # 3.2, 3., A.1, B), Chapter 4:, Anhang C
    r"(?:(?i:chapter|section|appendix|part|kapitel|anhang|teil)\s+(?:\d+(?:\.\d+)*|[A-Z])"
    r"|\d+(?:\.\d+)*|[A-Z](?:\.\d+)+|[A-Z](?=[.:)]))[.:)]?\s+"
)
_NUMBERED_LINE = re.compile(r"\d{1,2}(?:\.\d{1,2}){0,3}\.?\s+[^\W\d_].{2,70}")  # of a text layer: 3.2 Bleeding the pump
_ENDS_LIKE_TEXT = re.compile(r"[.,;:!?]$|\.{3}|\d$")  # a sentence, a list, a line of the contents
_LETTERS, _WORDS = 4, 12  # a heading to search for has at least so many letters, and at most so many words
_LONGEST = 2000  # characters of a query; encoders cut a query after 512 tokens
_STOP_SHARE, _TEST_SHARE = 0.1, 0.2  # of the queries, taken by whole documents


@dataclass(frozen=True, slots=True)
class Split:
    """Queries by what they are for, no document in two parts; `left_out` of them span several parts."""

    train: tuple[Query, ...]
    stop: tuple[Query, ...]
    test: tuple[Query, ...]
    left_out: int

    def documents(self, part: Sequence[Query]) -> tuple[str, ...]:
        """The documents that answer the queries of a part, in order."""
        return tuple(sorted({page.document for query in part for page in query.gold}))


def library_pages(library: Library, collection: str) -> dict[str, tuple[int, ...]]:
    """The numbers of the pages that can be found, by document name."""
    found = {}
    for document in library.collection(collection).documents():
        failed = {page.number for page in library.failed_pages(document.id)}
        numbers = tuple(number for number in range(1, document.pages + 1) if number not in failed)
        if document.state == "ready" and numbers:
            found[document.name] = numbers
    return found


def read_library_queries(file: Path, pages: Mapping[str, Sequence[int]]) -> tuple[Query, ...]:
    """The queries of a file (the format of `colvision evaluate`), by the names that documents have in the library.

    Raises `InputError` for one whose page the library does not hold.
    """
    by_stem: dict[str, list[str]] = {}
    for name in pages:
        for stem in {name, Path(name).stem}:
            by_stem.setdefault(stem, []).append(name)

    def known(page: PageId, query: Query) -> PageId:
        names = by_stem.get(page.document, [])
        if len(names) == 1 and page.page in pages[names[0]]:
            return PageId(names[0], page.page)
        lacks = f"{len(names)} documents of this name" if len(names) > 1 else "no such page"
        raise InputError(
            f"question {query.query_id!r} is answered by {page.document}, page {page.page}, and the library has "
            f"{lacks}: ingest the documents that the questions are about, under names of their own"
        )

    queries = []
    for query in read_queries(file):
        if len(query.text) > _LONGEST:
            raise InputError(
                f"question {query.query_id!r} has {len(query.text)} characters; at most {_LONGEST} are read"
            )
        gold = frozenset(known(page, query) for page in query.gold)
        queries.append(replace(query, gold=gold, neutral=frozenset(known(page, query) for page in query.neutral)))
    return tuple(queries)


def heading_queries(library: Library, collection: str, pages: Mapping[str, Sequence[int]]) -> tuple[Query, ...]:
    """One query a heading that stands once in the whole collection: its bookmark, or its numbered line in the text.

    Pages that hold the same words elsewhere (the contents, running titles) are neutral. A scan has no headings.
    """
    texts = {
        PageId(name, number): " ".join(library.collection(collection).page_text(name, number).split()).casefold()
        for name, numbers in pages.items()
        for number in numbers
    }
    found = [
        (heading, PageId(name, number))
        for name, numbers in pages.items()
        for heading, number in _headings(library, collection, name, numbers)
    ]
    times = Counter(heading.casefold() for heading, _ in found)
    queries: list[Query] = []
    for heading, page in found:
        if times[heading.casefold()] == 1:
            holding = frozenset(other for other, text in texts.items() if heading.casefold() in text)
            query_id = f"heading-{len(queries) + 1}"
            queries.append(Query(query_id, heading, "heading", "", frozenset([page]), holding - {page}))
    return tuple(queries)


def split_queries(queries: Sequence[Query], *, seed: int) -> Split:
    """Whole documents for training, for early stopping and for the test; the one with most queries is trained on.

    Raises `InputError` for queries about fewer than three documents.
    """
    counts = Counter(document for query in queries for document in {page.document for page in query.gold})
    if len(counts) < 3:
        raise InputError(
            f"the questions are about {len(counts)} documents; fine-tuning needs at least 3, to train, to know when to "
            "stop and to measure on different ones: ingest more, or cut a long one into its chapters"
        )
    order = [sorted(counts)[place] for place in np.random.default_rng(seed).permutation(len(counts))]
    order.sort(key=lambda document: counts[document] == max(counts.values()))  # stable: the largest last
    test = _take(order, counts, _TEST_SHARE, leave=2)
    stop = _take(order, counts, _STOP_SHARE, leave=1)
    parts = [frozenset(order), stop, test]
    train, stop_with, test_with = (
        tuple(query for query in queries if {page.document for page in query.gold} <= part) for part in parts
    )
    if not (train and stop_with and test_with):
        raise InputError(
            "the questions cannot be split by documents: too many are answered in several at once; ask about one each"
        )
    return Split(train, stop_with, test_with, len(queries) - len(train) - len(stop_with) - len(test_with))


def _take(order: list[str], counts: Mapping[str, int], share: float, *, leave: int) -> frozenset[str]:
    """Documents off the front of `order` until they have their share of the queries, and `leave` are left."""
    taken: list[str] = []
    while len(order) > leave and (not taken or sum(counts[name] for name in taken) < share * sum(counts.values())):
        taken.append(order.pop(0))
    return frozenset(taken)


def _headings(library: Library, collection: str, name: str, numbers: Sequence[int]) -> Iterator[tuple[str, int]]:
    """(heading, page) of a document: its bookmarks; without any, the numbered lines of its text layer."""
    marks = list(_bookmarks(library.collection(collection).original_path(name)))
    if not marks:
        texts = ((number, library.collection(collection).page_text(name, number)) for number in numbers)
        marks = [(line, number) for number, text in texts if is_legible(text) for line in _numbered_lines(text)]
    for title, number in dict.fromkeys(marks):
        line = " ".join(title.split())
        numbering = _NUMBER.match(line)
        heading = line[numbering.end() :] if numbering else line
        if number in numbers and sum(map(str.isalpha, heading)) >= _LETTERS and len(heading.split()) <= _WORDS:
            yield heading, number


def _bookmarks(file: Path) -> Iterator[tuple[str, int]]:
    if file.suffix.lower() != ".pdf":
        return
    try:
        with TrustedPdf(file) as pdf:
            yield from pdf.bookmarks()
    except DamagedFile:  # the ingest read what it could of it; it has no bookmarks then
        return


def _numbered_lines(text: str) -> Iterable[str]:
    lines = (line.strip() for line in text.splitlines())
    return (line for line in lines if _NUMBERED_LINE.fullmatch(line) and not _ENDS_LIKE_TEXT.search(line))
