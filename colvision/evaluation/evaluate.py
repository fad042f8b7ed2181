"""Searches a corpus for every query of a set, and measures the answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colvision.core.encoder import Encoder
from colvision.core.reranker import Reranker
from colvision.encoders import load_encoder, load_reranker
from colvision.errors import InputError
from colvision.evaluation.corpus import Corpus, TaskProgressCallback
from colvision.evaluation.corpus_library import (
    EvaluationFolders,
    Preparation,
    SearchedLibrary,
    default_cache,
    is_readable,
    open_corpus,
)
from colvision.evaluation.pointing import read_words
from colvision.evaluation.queries import Query
from colvision.evaluation.report import EvaluationReport, check_same_pages, compare, measure_groups
from colvision.evaluation.runs import Run, read_run
from colvision.search.rerank import CANDIDATES, RerankOptions


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """`text_fusion` searches the text layers beside the page images; `exact_words` looks for the questions' own words
    alone; `pool` 2 or 3 keeps one vector for about so many patches. `ocr` names what reads the text of pages that have
    none: that of scans, for `text_fusion`. `rerank` is a reranker, or the name of one, for the best `candidates`.
    `against`: a TREC run to compare with; `words`: a file of words to point at.

    The pages are kept in the `library`, an open one or its folder, or in one of their own in `cache`, which may be
    deleted at any time.
    `search_device` and `device_memory` are those of `open_library`: they change no figure.
    """

    soft_idf: bool = True
    text_fusion: bool = False
    exact_words: bool = False
    pool: int = 1
    rerank: str | Reranker | None = None
    candidates: int = CANDIDATES
    ocr: str | None = None
    against: Path | None = None
    words: Path | None = None
    library: Path | SearchedLibrary | None = None
    cache: Path | None = None
    search_device: str | None = None
    device_memory: int | None = None


_DEFAULTS = EvaluationOptions()


def evaluate(
    corpus: Corpus,
    queries: Sequence[Query],
    *,
    encoder: str | Encoder = "mini",
    options: EvaluationOptions = _DEFAULTS,
    progress: TaskProgressCallback = lambda step: None,
) -> tuple[EvaluationReport, Run]:
    """Reads the corpus into a library, unless an earlier run has, and searches it for every query.

    Returns the measures by group of queries, with 95 % intervals, and the ranked pages. Raises `InputError` for a
    file that cannot be used, a query without a token or with a gold page outside the corpus, a run over other pages.
    """
    theirs = read_run(options.against) if options.against else None
    name = options.against.name if options.against else ""
    words = read_words(options.words) if options.words else None
    loaded = load_encoder(encoder) if isinstance(encoder, str) else encoder
    reranker = load_reranker(options.rerank) if isinstance(options.rerank, str) else options.rerank
    reranking = None if reranker is None else RerankOptions(reranker, options.candidates)
    _check_queries(corpus, queries, loaded)
    if theirs is not None:
        check_same_pages(theirs, name, corpus.page_ids())
    folders = EvaluationFolders(options.library, options.cache or default_cache())
    preparation = Preparation(options.pool, options.ocr, options.search_device, options.device_memory)
    with open_corpus(corpus, loaded, folders=folders, progress=progress, preparation=preparation) as searched:
        scoring: dict[str, Any] = {
            "soft_idf": options.soft_idf,
            "text_fusion": options.text_fusion,
            "exact_words": options.exact_words,
            "reranking": reranking,
        }
        run = searched.search(queries, progress=progress, **scoring)
        report = EvaluationReport(
            setting=searched.setting(**scoring),
            rows=measure_groups(run, queries),
            against=name,
            comparisons=compare(run, theirs, queries) if theirs is not None else (),
            pointing=searched.point(words, progress=progress) if words is not None else None,
        )
    return report, run


def _check_queries(corpus: Corpus, queries: Sequence[Query], encoder: Encoder) -> None:
    """Before hours of encoding."""
    if not queries:
        raise InputError("no query is left: none has all its gold pages among those that are searched")
    searched = frozenset(corpus.page_ids())
    for query in queries:
        outside = sorted(query.gold - searched)
        if outside:
            document, number = outside[0]
            raise InputError(
                f"query {query.query_id!r} is answered by {document}#{number - 1}, which is not among the pages that "
                "are searched; give the PDFs that the queries were written for"
            )
        if not is_readable(encoder, query.text):
            raise InputError(f"query {query.query_id!r} ({query.text!r}) has no word that {encoder.info.name} can read")
