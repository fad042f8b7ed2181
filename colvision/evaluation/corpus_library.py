"""A corpus in a library, ready to be searched: filled once, found filled by the next run."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import platformdirs

from colvision.core.encoder import Encoder, EncoderInfo
from colvision.core.page import PageId
from colvision.errors import InputError
from colvision.evaluation.corpus import Corpus, CorpusDocument, TaskProgress, TaskProgressCallback
from colvision.evaluation.pointing import Pointing, TargetWord, is_hit, summarise
from colvision.evaluation.queries import Query
from colvision.evaluation.report import EvaluationSetting
from colvision.evaluation.runs import DEPTH, Run, RunEntry, rank
from colvision.ingest import IngestReport, Progress
from colvision.library import open_library
from colvision.ocr import choose_engine
from colvision.search import Hit
from colvision.search.rerank import CANDIDATES, RerankOptions


def default_cache() -> Path:
    """Where scans and libraries of evaluations are kept: `evaluation` in the user's cache directory for colvision."""
    return Path(platformdirs.user_cache_dir("colvision", appauthor=False)) / "evaluation"


class SearchedLibrary(Protocol):
    """What of a library an evaluation needs: a cluster has it as well."""

    @property
    def encoder(self) -> Encoder: ...
    def collection(self, name: str) -> Any: ...  # noqa: ANN401  a handle of the library's own kind


_BATCH = 32  # queries that share a pass over the pages; after each of which progress is reported


@dataclass(frozen=True, slots=True, eq=False)
class CorpusLibrary:
    """An open library whose collection `name` holds the corpus and nothing else."""

    library: SearchedLibrary
    name: str
    corpus: Corpus
    documents: dict[str, CorpusDocument]  # by document id
    pool: int = 1  # patches that share a vector
    ocr: str = ""  # the engine that has read pages without text

    def setting(
        self, *, soft_idf: bool, text_fusion: bool, exact_words: bool, reranking: RerankOptions | None = None
    ) -> EvaluationSetting:
        documents = self.library.collection(self.name).documents()
        return EvaluationSetting(
            encoder=replace(self.library.encoder.info, pool=self.pool),
            renderers=tuple(sorted({document.renderer for document in documents})),
            level=self.corpus.level,
            documents=len(documents),
            pages=sum(document.stored for document in documents),
            failed_pages=sum(document.failed for document in documents),
            corpus=self.corpus.digest,
            soft_idf=soft_idf,
            exact_words=exact_words,
            retrievers=("maxsim", "bm25") if text_fusion else ("maxsim",),
            reranker="" if reranking is None else reranking.reranker.name,
            candidates=0 if reranking is None else reranking.candidates,
            ocr=self.ocr,
        )

    def search(
        self,
        queries: Sequence[Query],
        *,
        soft_idf: bool = True,
        text_fusion: bool = False,
        exact_words: bool = False,
        reranking: RerankOptions | None = None,
        progress: TaskProgressCallback,
    ) -> Run:
        """The best pages for every query, `DEPTH` of them where there are as many."""
        answers = {}
        step = _BATCH if reranking is None else 1  # which takes long for a single query
        for first in range(0, len(queries), step):
            batch = queries[first : first + step]
            texts = [query.text for query in batch]
            collection = self.library.collection(self.name)
            found = collection.search_many(
                texts,
                k=DEPTH,
                soft_idf=soft_idf,
                text_fusion=text_fusion,
                exact_words=exact_words,
                rerank=None if reranking is None else reranking.reranker,
                candidates=CANDIDATES if reranking is None else reranking.candidates,
            )
            for query, hits in zip(batch, found, strict=True):
                ranked = self._ranked if reranking is None else self._reranked
                answers[query.query_id] = rank(map(ranked, hits))
            progress(TaskProgress("searching", first + len(batch), len(queries)))
        name = self.library.encoder.info.name + ("" if reranking is None else f" {reranking.reranker.name}")
        return Run("-".join(name.split()), answers)

    def _ranked(self, hit: Hit) -> RunEntry:
        return RunEntry(self.page_of(hit), hit.score)

    def _reranked(self, hit: Hit) -> RunEntry:
        """By its place: some pages have a score of the reranker, others only one of the search before it."""
        return RunEntry(self.page_of(hit), float(DEPTH - hit.rank))

    def point(self, words: Sequence[TargetWord], *, progress: TaskProgressCallback) -> Pointing:
        """How often the best patch for a word lies on it; words of pages that are not searched are left out.

        A word that the encoder cannot read counts as missed. Raises `InputError` when no word is left.
        """
        by_name = {document.name: (document_id, document) for document_id, document in self.documents.items()}
        searched = frozenset(self.corpus.page_ids())
        words = [word for word in words if word.page in searched]
        if not words:
            raise InputError("none of the words lies on a page that is searched; make them from the same PDFs")
        hits = []
        for done, word in enumerate(words, 1):
            document_id, document = by_name[word.page.document]
            number = document.numbers.index(word.page.page) + 1
            hits.append((word.page, self._is_hit(word, document_id, number)))
            progress(TaskProgress("pointing", done, len(words)))
        return summarise(hits)

    def _is_hit(self, word: TargetWord, document_id: str, number: int) -> bool:
        if not is_readable(self.library.encoder, word.text):
            return False
        explanation = self.library.collection(self.name).explain(word.text, document_id, number, image=False)
        return is_hit(explanation, word.boxes)

    def page_of(self, hit: Hit) -> PageId:
        """The page of the corpus that was found."""
        document = self.documents[hit.document_id]
        return PageId(document.name, document.numbers[hit.page - 1])


@dataclass(frozen=True, slots=True)
class EvaluationFolders:
    """Where pages are kept: a library, or its folder (one of their own in `cache` if None), and that of made PDFs."""

    library: Path | SearchedLibrary | None
    cache: Path


@dataclass(frozen=True, slots=True)
class Preparation:
    """How pages are stored: one vector for about `pool` patches, text by this `ocr` where a page has none; and what
    compares them, see `open_library`.
    """

    pool: int = 1
    ocr: str | None = None
    search_device: str | None = None
    device_memory: int | None = None


_AS_IT_IS = Preparation()


@contextmanager
def open_corpus(
    corpus: Corpus,
    encoder: Encoder,
    *,
    folders: EvaluationFolders,
    progress: TaskProgressCallback,
    preparation: Preparation = _AS_IT_IS,
) -> Iterator[CorpusLibrary]:
    """A collection with the corpus: what is missing in it is read first, so a run that was killed goes on.

    Raises `InputError` for a file that cannot be ingested, `MissingExtra` for an OCR engine that is not installed.
    """
    pool, ocr = preparation.pool, preparation.ocr
    name = corpus_collection_name(corpus, replace(encoder.info, pool=pool), ocr)
    paths = corpus.files(folders.cache / "pdfs", progress=progress)
    with _opened(folders, name, encoder, preparation) as opened:
        report = opened.collection(name).ingest(paths, pool=pool, ocr=ocr, progress=_IngestProgress(corpus, progress))
        reader = choose_engine(ocr).name if ocr else ""
        yield CorpusLibrary(opened, name, corpus, _documents(corpus, report), pool, reader)


def _opened(
    folders: EvaluationFolders, name: str, encoder: Encoder, preparation: Preparation
) -> AbstractContextManager[SearchedLibrary]:
    """One that is given open stays so."""
    kept = folders.library
    if kept is not None and not isinstance(kept, Path):
        return nullcontext(kept)
    return open_library(
        kept or folders.cache / "libraries" / name,
        encoder=encoder,
        search_device=preparation.search_device,
        device_memory=preparation.device_memory,
    )


def corpus_collection_name(corpus: Corpus, info: EncoderInfo, ocr: str | None = None) -> str:
    """Another for other files, pages, level, encoder, pool or OCR: every page in it belongs to the evaluation."""
    pooled = f"-pool{info.pool}" if info.pool > 1 else ""
    read = f"-{re.sub('[^a-z0-9]+', '-', choose_engine(ocr).name.lower())}" if ocr else ""
    return f"{corpus.level}-{corpus.digest}-{hashlib.sha256(info.fingerprint.encode()).hexdigest()[:8]}{pooled}{read}"


def is_readable(encoder: Encoder, text: str) -> bool:
    """Whether the encoder finds a token in a text."""
    try:
        encoder.encode_queries([text])
    except ValueError:
        return False
    return True


class _IngestProgress:
    """The ingest's progress, counted over all files."""

    def __init__(self, corpus: Corpus, progress: TaskProgressCallback) -> None:
        self._before, self._file, self._page = 0, "", 0
        self._pages, self._progress = corpus.pages, progress

    def __call__(self, ingested: Progress) -> None:
        if ingested.document != self._file:
            self._before += self._page
            self._file = ingested.document
        self._page = ingested.page
        self._progress(TaskProgress(f"encoding {ingested.document}", self._before + ingested.page, self._pages))


def _documents(corpus: Corpus, report: IngestReport) -> dict[str, CorpusDocument]:
    """What each document of the library is in the corpus."""
    documents: dict[str, CorpusDocument] = {}
    for document, file in zip(corpus.documents, report.files, strict=True):
        if file.outcome == "failed":
            raise InputError(f"{document.path.name} could not be ingested ({file.reason}); repair it or leave it out")
        if file.document_id in documents:
            other = documents[file.document_id].path.name
            raise InputError(f"{document.path.name} has the same bytes as {other}; leave one of them out")
        documents[file.document_id] = document
    return documents
