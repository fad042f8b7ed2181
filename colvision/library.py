"""A library: what `open_library` returns. It wires store, encoder, search and explain; no arithmetic, no SQL."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import overload

from PIL import Image

from colvision.core.encoder import Encoder, EncoderInfo
from colvision.core.metadata import Metadata
from colvision.core.query import ScoredQuery
from colvision.encoders.spec import EncoderSpec
from colvision.errors import EncoderMismatch, LibraryDamaged
from colvision.explain import Explanation, explain_page
from colvision.ingest import (
    COMMIT_BYTES,
    Callbacks,
    FileReport,
    IngestOptions,
    IngestReport,
    Progress,
    Upload,
    encode_again,
    find_files,
    ingest_again,
    ingest_files,
)
from colvision.ingest.job_runner import run_job
from colvision.pdf import FailedPage
from colvision.repair import Verification, verify_library
from colvision.search import Answer, Filter, Hit, Mode, SearchOptions, parse_filter
from colvision.search.example_query import exclude_page, image_query, stored_query
from colvision.search.execute import SEARCH_BYTES
from colvision.search.searcher import Searcher
from colvision.status import CollectionStatus, Document, LibraryStatus, document_of, status_of
from colvision.store import Compaction, Store
from colvision.store.jobs import Job, JobKind, JobQueue, JobState

__all__ = [
    "CollectionStatus",
    "Document",
    "Job",
    "JobKind",
    "JobQueue",
    "JobState",
    "Library",
    "LibraryStatus",
    "open_library",
]


def open_library(
    path: str | Path,
    *,
    encoder: str | Encoder | EncoderSpec | None = None,
    create: bool = True,
    read_only: bool = False,
    max_memory: int | None = None,
) -> "Library":
    """Opens the library in a folder; a missing or empty one becomes a library unless `create` is False.

    `encoder` is an encoder, or the name of one (see `load_encoder`) that is loaded by the first search or ingest, or an
    `EncoderSpec`. None: the one that filled the library's first collection, from where it was loaded then; mini for
    an empty library, and for one that was filled by an encoder without a name.
    `max_memory` bounds the bytes that an ingest gathers before it stores them, and those that a search works with (as
    far as one page or one query allows); the encoder's own come on top, and the shards, which are mapped.
    Raises `LibraryFormat` for a folder that is no library, holds other things, or is of another format version.
    """
    chosen = EncoderSpec(encoder) if encoder is None or isinstance(encoder, str) else encoder
    return Library(Store(Path(path), create=create, read_only=read_only), chosen, max_memory=max_memory)


class Library:
    """Documents in collections, and the search over their pages; safe to share between threads.

    Wherever a document is asked for, its name or its id will do. Close it, or use it as a context manager.
    """

    def __init__(self, store: Store, encoder: Encoder | EncoderSpec, *, max_memory: int | None = None) -> None:
        if max_memory is not None and max_memory < 1:
            raise ValueError(f"max_memory is {max_memory}; give a number of bytes, such as 256 << 20")
        self._store = store
        self._ingest_options = IngestOptions(commit_bytes=max_memory or COMMIT_BYTES)
        self._encoder = encoder
        self._loading = threading.Lock()
        self._searcher = Searcher(store, lambda: self.encoder, memory=max_memory or SEARCH_BYTES)

    @property
    def path(self) -> Path:
        return self._store.path

    @property
    def jobs(self) -> JobQueue:
        """Work that waits for a process in the background, such as the app's: it claims a job and runs it."""
        return self._store.jobs

    @property
    def revision(self) -> str:
        """Another text after each change to documents or jobs, by any process, and once the encoder is loaded.

        To compare for as long as this library is open.
        """
        return f"{self._store.revision} {isinstance(self._encoder, EncoderSpec)}"

    @property
    def encoder(self) -> Encoder:
        """The library's encoder, loaded when it is first needed. Raises `EncoderError`."""
        with self._loading:
            if isinstance(self._encoder, EncoderSpec):
                self._encoder = self._encoder.load(self._filled_by())
            return self._encoder

    def _filled_by(self) -> EncoderInfo | None:
        return next((row.info for row in self._store.collections() if row.info is not None), None)

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def ingest(
        self,
        paths: str | Path | Upload | Iterable[str | Path | Upload],
        *,
        collection: str = "default",
        replace: bool = False,
        metadata: Metadata | None = None,
        pool: int | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> IngestReport:
        """Takes in PDF and image files, and those of folders; a killed ingest that is run again goes on.

        The same bytes again: nothing is done. A path with other bytes than before replaces its document; an `Upload`
        whose name is taken is kept under a name of its own, unless `replace`. Files that fail are in the report.
        `metadata` (names to texts, numbers or truth values) is noted with every document, also with one that is the
        same; without it, what is known stays. `pool` 2 or 3 has a new collection keep one
        vector for so many patches. Raises `EncoderMismatch`, `LibraryReadOnly`,
        `ValueError` for what no metadata can be, and `LibraryError` when the disk is full or another `pool` was begun.
        """
        several = [paths] if isinstance(paths, str | Path | Upload) else paths
        files = find_files(several, outside=self.path)
        options = dataclasses.replace(
            self._ingest_options, collection=collection, replace=replace, metadata=metadata, pool=pool
        )
        return ingest_files(self._store, self.encoder, files, options=options, callbacks=Callbacks(progress, cancel))

    def search(
        self,
        text: str,
        *,
        k: int = 10,
        document: str | Iterable[str] | None = None,
        where: Filter | str | None = None,
        collection: str = "default",
        mode: Mode = "auto",
        soft_idf: bool = True,
        text_fusion: bool | None = None,
    ) -> Answer:
        """The `k` pages that match best, of the whole collection, of some documents, or of those `where` it holds.

        `where` is a `Filter` or its text, such as "machine=pump and year>=2010"; `mode` "exact" compares every page's
        codes. `text_fusion` asks the pages' text layers, too, where there are any (None: if the encoder is one that it
        was measured with); `Answer.retrievers` says what was asked. Threads that search at the same moment share the
        work. Raises `ValueError` for a text without a word and for a filter that cannot be, `CollectionNotFound`,
        `DocumentNotFound`, `EncoderMismatch`.
        """
        ids = self._ids(document, collection)
        options = SearchOptions(k, ids, _filter(where), mode, soft_idf=soft_idf, text_fusion=text_fusion)
        return self._searcher.search(text, collection, options)

    def search_many(
        self,
        texts: Sequence[str],
        *,
        k: int = 10,
        where: Filter | str | None = None,
        collection: str = "default",
        soft_idf: bool = True,
        text_fusion: bool | None = None,
    ) -> list[Answer]:
        """One answer a text, the same as from `search`, in less time than one after the other: see there."""
        options = SearchOptions(k, where=_filter(where), soft_idf=soft_idf, text_fusion=text_fusion)
        return self._searcher.search_many(texts, collection, options)

    def search_like(
        self,
        document: str,
        page: int,
        *,
        k: int = 10,
        where: Filter | str | None = None,
        collection: str | None = None,
    ) -> Answer:
        """The `k` pages most like a stored one, which is not among them: from its codes, without the encoder.

        The 64 patches of the page that are least alike ask; the score is their mean similarity: see `example_query`.
        Raises `DocumentNotFound`, `DocumentAmbiguous`, `PageNotFound`, `EncoderMismatch`.
        """
        row = self._store.find(document, collection=collection)
        query = stored_query(self._store, row.collection_name, row, page)
        answer = self._searcher.search_vectors(
            query, row.collection_name, SearchOptions(k + 1, where=_filter(where), soft_idf=False)
        )
        return exclude_page(answer, row.id, page, k)

    def search_image(
        self,
        image: str | Path | Image.Image,
        *,
        k: int = 10,
        document: str | Iterable[str] | None = None,
        where: Filter | str | None = None,
        collection: str = "default",
    ) -> Answer:
        """The `k` pages most like a picture, or the first page of a file: `encode_pages`, then as `search_like`.

        A picture without a size on paper asks at two, as a page and as a quarter of one. Raises `InputError` for a file
        that cannot be read, `CollectionNotFound`, `DocumentNotFound`, `EncoderMismatch`.
        """
        options = SearchOptions(k, self._ids(document, collection), _filter(where), soft_idf=False)
        started = time.perf_counter()
        query = image_query(self.encoder, image)
        return self._searcher.search_vectors(query, collection, options, encode=time.perf_counter() - started)

    @overload
    def explain(self, query: Hit, *, picture: bool = True) -> Explanation: ...
    @overload
    def explain(
        self,
        query: str | ScoredQuery,
        document: str,
        page: int,
        *,
        collection: str | None = None,
        picture: bool = True,
    ) -> Explanation: ...
    def explain(
        self,
        query: Hit | str | ScoredQuery,
        document: str | None = None,
        page: int | None = None,
        *,
        collection: str | None = None,
        picture: bool = True,
    ) -> Explanation:
        """Why a page was found, or what a query finds on any page, from the page's stored vectors.

        `explain(hit)` is `explain(hit.query, hit.document_id, hit.page)`. `query` is a text, or that of an answer, with
        its weights; a text is weighed as a search of the document's collection does. Without `picture` none is decoded,
        and no heatmap is drawn. Raises `DocumentNotFound`, also when the document was deleted or replaced since,
        `DocumentAmbiguous`, `PageNotFound`, and `EncoderMismatch` when the collection was encoded again since.
        """
        if isinstance(query, Hit):
            return self.explain(query.query, query.document_id, query.page, picture=picture)
        if document is None or page is None:
            raise ValueError("a query without a hit needs the document and the page: explain(query, document, page)")
        row = self._store.find(document, collection=collection)
        stored = self._store.stored_page(row, page)
        if isinstance(query, str):
            query = self._searcher.query(query, row.collection_name)
        info = self._store.collection(row.collection_name).info  # asked last: what was read before is not newer
        if info is None or info.fingerprint != query.fingerprint:
            raise EncoderMismatch(f"{row.name!r} was encoded again since this search: search again, then explain")
        geometry = self._store.page(row, page).geometry
        image = self.page_image(row.id, page) if picture else None
        return explain_page(query, stored, quantisation_range=info.quantisation_range, image=image, geometry=geometry)

    def collections(self) -> list[str]:
        """Their names, the oldest first."""
        return [row.name for row in self._store.collections() if row.name is not None]

    def documents(self, *, collection: str = "default") -> list[Document]:
        """In the order of their names. Raises `CollectionNotFound`."""
        return [document_of(row) for row in self._store.documents(collection)]

    def document(self, document: str, *, collection: str | None = None) -> Document:
        """Raises `DocumentNotFound`, and `DocumentAmbiguous` for a name that several collections have."""
        return document_of(self._store.find(document, collection=collection))

    def delete(self, document: str, *, collection: str | None = None) -> Document:
        """Removes a document, its file, pictures and text; returns what was removed.

        Raises `DocumentNotFound`, `DocumentAmbiguous`, `LibraryReadOnly`.
        """
        row = self._store.find(document, collection=collection)
        self._store.writer.delete(row)
        return document_of(row)

    def page_path(self, document: str, page: int, *, collection: str | None = None) -> Path:
        """The picture of a page: a JPEG file. Raises `PageNotFound`."""
        return self._store.page_image_path(self._store.find(document, collection=collection), page)

    def page_image(self, document: str, page: int, *, collection: str | None = None) -> Image.Image:
        """The picture of a page, RGB. Raises `PageNotFound`, `LibraryDamaged`."""
        row = self._store.find(document, collection=collection)
        path = self._store.page_image_path(row, page)
        try:
            with Image.open(path) as image:
                return image.convert("RGB")
        except OSError as error:
            self._store.find(row.id)  # deleted or replaced since: that is what is wrong
            raise LibraryDamaged(
                f"the picture of page {page} of {row.name!r} cannot be read ({error}): run `colvision verify --repair`"
            ) from error

    def page_text(self, document: str, page: int, *, collection: str | None = None) -> str:
        """The PDF's own text layer, "" where there is none that was made for reading. Raises `PageNotFound`."""
        return self._store.page_text(self._store.find(document, collection=collection), page)

    def original_path(self, document: str, *, collection: str | None = None) -> Path:
        """The kept copy of the file that a document was made from."""
        return self._store.original_path(self._store.find(document, collection=collection))

    def failed_pages(self, document: str, *, collection: str | None = None) -> tuple[FailedPage, ...]:
        """The pages that could not be read, with reasons."""
        row = self._store.find(document, collection=collection)
        return tuple(FailedPage(number, reason) for number, reason in self._store.failed_pages(row))

    def run_job(self, job: Job) -> Job:
        """Works on a job that the caller has claimed, and ends it; returns it as it is then.

        An error of the library itself fails the job with its message and is raised again.
        """
        return run_job(self._store, lambda: self.encoder, job, options=self._ingest_options)

    def ingest_again(
        self,
        document: str,
        *,
        collection: str | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> FileReport:
        """Reads a document again from its kept file: what is missing of an incomplete one, all of a complete one.

        Raises `DocumentNotFound`, `DocumentAmbiguous`, `EncoderMismatch`.
        """
        row = self._store.find(document, collection=collection)
        options = dataclasses.replace(self._ingest_options, collection=row.collection_name)
        return ingest_again(self._store, self.encoder, row, options=options, callbacks=Callbacks(progress, cancel))

    def reencode(
        self,
        *,
        collection: str = "default",
        progress: Callable[[Progress], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> IngestReport:
        """Encodes a collection again by the library's encoder, from the kept files; documents keep their ids.

        The old codes serve the encoder that made them until all documents are done. Cancelled or killed, it goes on
        when it is run again. Raises `CollectionNotFound`, `LibraryError`.
        """
        options = dataclasses.replace(self._ingest_options, collection=collection)
        return encode_again(self._store, self.encoder, options=options, callbacks=Callbacks(progress, cancel))

    def compact(self) -> Compaction:
        """Drops the bytes of what was deleted and merges small shards; searches go on meanwhile.

        Needs room on the disk for a copy of the largest shard and of the catalogue. Raises `LibraryReadOnly`,
        `LibraryLocked`, and `LibraryError` when the disk is full.
        """
        return self._store.compact()

    def verify(
        self,
        *,
        repair: bool = False,
        progress: Callable[[Progress], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> Verification:
        """Reads every byte of the library; what is not what was stored is named, with the documents it is part of.

        A damaged shard is quarantined: its pages are not found until they are repaired or their documents ingested
        again, everything else is. With `repair`, lost pages are read and encoded again from the kept files, pictures
        drawn again, word lists made again. Raises `LibraryReadOnly` for a repair where nothing can be written.
        """
        options = self._ingest_options if repair else None
        return verify_library(self._store, lambda: self.encoder, repair=options, callbacks=Callbacks(progress, cancel))

    def status(self) -> LibraryStatus:
        """What the library holds, and what is wrong with it."""
        encoder = self._encoder  # may be loaded by another thread at this moment
        known = encoder.expected(self._filled_by()) if isinstance(encoder, EncoderSpec) else encoder.info
        return status_of(self._store, known)

    def _ids(self, document: str | Iterable[str] | None, collection: str) -> frozenset[str] | None:
        if document is None:
            return None
        names = [document] if isinstance(document, str) else document
        return frozenset(self._store.find(name, collection=collection).id for name in names)


def _filter(where: Filter | str | None) -> Filter | None:
    return parse_filter(where) if isinstance(where, str) else where
