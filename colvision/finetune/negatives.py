"""Hard negatives: pages that a search mistakes for the answer of a query."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from colvision.core.page import PageId
from colvision.evaluation import Query, TaskProgress, TaskProgressCallback
from colvision.library import Library

_DEPTH = 50  # pages of an answer that are looked through
_NEARLY = 0.95  # of the answer's own score: pages above it may answer too (Moreira et al. 2024, arXiv:2407.15831)


class TrainingExample(NamedTuple):
    """A query, the pages that answer it, pages that do not although a search thinks so, and pages that might."""

    text: str
    gold: tuple[PageId, ...]
    negatives: tuple[PageId, ...]
    neutral: frozenset[PageId]


class NegativeMining(NamedTuple):
    """Where negatives are looked for, and how many a query gets at most."""

    collection: str
    documents: Sequence[str]
    most: int


def mine_examples(
    library: Library, queries: Sequence[Query], mining: NegativeMining, *, progress: TaskProgressCallback
) -> Iterator[TrainingExample]:
    """Each query with its negatives, found by the library's own search among documents to train on.

    What scores nearly as well as the best page that is known to answer is taken for an answer that is not in the file.
    """
    for done, query in enumerate(queries, 1):
        found = tuple(_negatives(library, query, mining)) if mining.most else ()
        yield TrainingExample(query.text, tuple(sorted(query.gold)), found, query.gold | query.neutral)
        progress(TaskProgress("mining negatives", done, len(queries)))


def _negatives(library: Library, query: Query, mining: NegativeMining) -> Iterator[PageId]:
    hits = library.collection(mining.collection).search(query.text, k=_DEPTH, document=mining.documents)
    pages = [PageId(hit.document, hit.page) for hit in hits]
    ceiling = max(
        (_NEARLY * hit.score for page, hit in zip(pages, hits, strict=True) if page in query.gold), default=None
    )
    wrong = (
        page
        for page, hit in zip(pages, hits, strict=True)
        if page not in query.gold | query.neutral and (ceiling is None or hit.score < ceiling)
    )
    yield from (page for page, _ in zip(wrong, range(mining.most), strict=False))
