"""A collection: documents that one encoder reads, and the search over their pages. No arithmetic, no SQL."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import cast

from PIL import Image

from colvision.core.encoder import Encoder, EncoderInfo
from colvision.core.metadata import Metadata, check_metadata
from colvision.core.names import check_encoder_name
from colvision.encoders.spec import EncoderSpec
from colvision.errors import DiskFull, LibraryLocked
from colvision.explanations import ExplainedDocuments
from colvision.ingest import (
    Callbacks,
    FileReport,
    IngestOptions,
    IngestReport,
    OcrReport,
    Progress,
    Source,
    Upload,
    add_encoder,
    find_files,
    ingest_again,
    ingest_files,
    read_by_others,
    read_texts,
    reencode_collection,
)
from colvision.ingest.paths import shown_path
from colvision.ingest.watch import FolderLook, FolderWatch
from colvision.ocr import choose_engine
from colvision.search.example_query import stored_query
from colvision.searches import ExampleQuery, Searchable
from colvision.session import Session
from colvision.status import CollectionStatus, EncoderStatus, collection_status, encoder_status
from colvision.store import Snapshot

ProgressCallback = Callable[[Progress], None]
CancelCallback = Callable[[], bool]


class SearchableDocuments(ExplainedDocuments, Searchable):
    """Documents with their ingest, search and explanations: what a collection and a library have in common."""

    def ingest(
        self,
        sources: Source | Iterable[Source],
        *,
        replace: bool = False,
        metadata: Metadata | None = None,
        pool: int | None = None,
        ocr: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelCallback | None = None,
        on_file: Callable[[FileReport], None] | None = None,
    ) -> IngestReport:
        """Takes in PDF and image files, those of folders, and images in memory; a killed ingest run again goes on.

        The same bytes again: only pages that failed are tried again. A path with other bytes than before replaces its
        document. Other files, images and `Upload`s (a path, bytes or an image with a name) whose name is taken are kept
        under a name of their own; with `replace` they take the place of the document of their name, with its id and
        what is noted with it. Files that fail are in the report. A collection that there is not yet is made.
        `metadata` (names to texts, numbers or truth values) is added to what is noted with every document, also with
        one that is the same; "" removes a fact. `pool` 2 or 3 has a new collection keep one vector for so many patches.
        `ocr` has an engine read the text of pages that have none, those of a file that is the same as well: "auto",
        "rapidocr", "tesseract" or "tesseract:deu+eng"; without, as `open_library` was told.
        `on_file` is called with the outcome of every file: whoever is stopped knows those until then.
        Raises `EncoderMismatch`, `LibraryReadOnly`, `ValueError` for what no metadata can be, `LibraryError` when
        the disk is full or another `pool` was begun, and `MissingExtra` for an OCR engine that is not installed.
        """
        is_one = isinstance(sources, str | Path | Upload | Image.Image | bytes | bytearray)
        several = cast(Iterable[Source], [sources] if is_one else sources)
        files = find_files(several)
        options = self._ingest_options(self._name, replace=replace, metadata=metadata, pool=pool)
        options = dataclasses.replace(options, ocr=ocr or options.ocr)
        callbacks = Callbacks(progress, cancel, on_file)
        report = ingest_files(self._store, self._session.encoder, files, options=options, callbacks=callbacks)
        return dataclasses.replace(report, notices=self._read_by_others(self._name, callbacks))

    def watch(
        self,
        folder: str | Path,
        *,
        every: float = 5.0,
        metadata: Metadata | None = None,
        ocr: str | None = None,
        cancel: CancelCallback | None = None,
        on_file: Callable[[FileReport], None] | None = None,
        on_look: Callable[[FolderLook], None] | None = None,
    ) -> Iterator[IngestReport]:
        """Takes in the files of a folder, and those that come into it, for as long as it is iterated: a report each
        time that there were any.

        It looks every so many seconds; a file is read when two looks have found it as long and as old, and again when
        it has changed, in the place of the document that it was. What failed is tried again after ten minutes. A file
        that is gone leaves its document. Killed, or stopped by `cancel`, it goes on when it is run again: what was read
        is known by its bytes. `metadata`, `ocr`, `on_file`: see `ingest`. Raises what that raises, but goes on where
        the disk is full or another process writes.
        """
        watched = FolderWatch(Path(folder).absolute())
        while not (cancel and cancel()):
            look = watched.look()
            if on_look is not None:
                on_look(look)
            if look.ready:
                try:
                    report = self.ingest(look.ready, metadata=metadata, ocr=ocr, cancel=cancel, on_file=on_file)
                    failed = {file.source for file in report.failed}
                except (DiskFull, LibraryLocked) as error:
                    report = IngestReport((), 0.0, notices=(str(error),))
                    failed = set(map(shown_path, look.ready))
                for path in look.ready:
                    watched.note_read(path, failed=shown_path(path) in failed)
                yield report
            time.sleep(every)

    def ingest_again(
        self, document: str, *, progress: ProgressCallback | None = None, cancel: CancelCallback | None = None
    ) -> FileReport:
        """Reads a document again from its kept file: what is missing or failed of it, all of one that is whole.

        Raises `EncoderMismatch`.
        """
        row = self._find(document)
        options, callbacks = self._ingest_options(row.collection_name), Callbacks(progress, cancel)
        report = ingest_again(self._store, self._session.encoder, row, options=options, callbacks=callbacks)
        notices = self._read_by_others(row.collection_name, callbacks)
        return dataclasses.replace(report, reason="; ".join(filter(None, (report.reason, *notices))))

    def ocr(
        self,
        document: str | Iterable[str] | None = None,
        *,
        engine: str = "auto",
        again: bool = False,
        progress: ProgressCallback | None = None,
        cancel: CancelCallback | None = None,
    ) -> OcrReport:
        """Reads the text of stored pages that have none, of all documents or of some, on their kept files' images.

        Pages that OCR has read before are left out, unless `again`. Cancelled or killed, it goes on when it is run
        again. The pages' vectors stay as they are: where those were made of text, `reencode`. Further encoders that
        read text read the pages that had none. `engine` is that of `ingest`. Raises `MissingExtra`, `LibraryError`,
        `DocumentNotFound`.
        """
        reads = choose_engine(engine)
        ids = self._ids(document)
        rows = [row for row in self._store.documents(self._name) if ids is None or row.id in ids]
        options, callbacks = self._ingest_options(self._name), Callbacks(progress, cancel)
        report = read_texts(self._store, rows, reads, options=options, callbacks=callbacks, again=again)
        return dataclasses.replace(report, notices=self._read_by_others(self._name, callbacks))

    def reencode(
        self, *, progress: ProgressCallback | None = None, cancel: CancelCallback | None = None
    ) -> IngestReport:
        """Encodes all documents again by the library's encoder, from the kept files; they keep their ids.

        The old codes serve the encoder that made them until all documents are done. Cancelled or killed, it goes on
        when it is run again. Raises `CollectionNotFound`, `LibraryError`.
        """
        options, callbacks = self._ingest_options(self._name), Callbacks(progress, cancel)
        return reencode_collection(self._store, self._session.encoder, options=options, callbacks=callbacks)

    def add_encoder(
        self,
        name: str,
        encoder: Encoder | EncoderSpec | str | None = None,
        *,
        progress: ProgressCallback | None = None,
        cancel: CancelCallback | None = None,
    ) -> IngestReport:
        """Has a further encoder read the documents of the collection, and those to come; searches ask it, too.

        `name` is what answers call it; `encoder` is one, the name of one (see `load_encoder`) or an `EncoderSpec`, and
        None for one that the collection has already. Cancelled or killed, it goes on when it is run again; pages that
        failed are tried again. Raises `CollectionNotFound`, `EncoderError`, `LibraryError`, and `ValueError` for a
        name that means something else.
        """
        check_encoder_name(name)
        known = next((row.info for row in self._store.companions.of(self._name) if row.encoder_name == name), None)
        is_known = encoder is None or (isinstance(encoder, EncoderSpec) and encoder.name is None)
        if encoder is None or (is_known and known is None):
            loaded = self._session.other_encoder(self._store.companions.encoder_info(self._name, name))
        elif isinstance(encoder, str | EncoderSpec):
            loaded = (EncoderSpec(encoder) if isinstance(encoder, str) else encoder).load(known)
        else:
            loaded = encoder
        self._session.use_other(loaded)
        if known is not None and known.fingerprint == loaded.info.fingerprint and self._store.read_only:
            return IngestReport((), 0.0)
        options, callbacks = self._ingest_options(self._name), Callbacks(progress, cancel)
        return add_encoder(self._store, loaded, name, options=options, callbacks=callbacks)

    def remove_encoder(self, name: str) -> EncoderStatus:
        """Removes what a further encoder has made of the documents; returns what was removed.

        Raises `CollectionNotFound`, `FurtherEncoderNotFound`, `LibraryReadOnly`.
        """
        removed = encoder_status(self._store, self._store.companions.find(self._name, name))
        self._store.companions.remove(self._name, name)
        return removed

    def snapshot(self) -> Snapshot:
        """The collection's documents and stored pages as they are now, for those that carry them elsewhere.

        Raises `CollectionNotFound`.
        """
        return self._store.snapshot(self._name)

    def encoders(self) -> tuple[EncoderStatus, ...]:
        """The further encoders of the collection, the oldest first. Raises `CollectionNotFound`."""
        return tuple(encoder_status(self._store, row) for row in self._store.companions.of(self._name))

    @property
    def _searches(self) -> Session:
        return self._session

    def _example(self, document: str, page: int) -> ExampleQuery:
        row = self._find(document)
        name = row.collection_name
        return ExampleQuery(name, row.id, stored_query(self._store, name, row, page))

    def _read_by_others(self, collection: str, callbacks: Callbacks) -> tuple[str, ...]:
        options = self._ingest_options(collection)
        return read_by_others(self._store, self._session.other_encoder, options=options, callbacks=callbacks)

    def _ingest_options(
        self, collection: str, *, replace: bool = False, metadata: Metadata | None = None, pool: int | None = None
    ) -> IngestOptions:
        begun = self._session.ingest_options
        metadata = None if metadata is None else check_metadata(metadata)
        return dataclasses.replace(begun, collection=collection, replace=replace, metadata=metadata, pool=pool)


class Collection(SearchableDocuments):
    """The handle of one collection, as `Library.collection` gives it; there may be several for the same one.

    Documents are called by the names that they have in it, or by their ids. A collection is made by its first ingest;
    `Library.rename_collection` and `Library.delete_collection` change it as a whole.
    """

    def __init__(self, session: Session, name: str) -> None:
        super().__init__(session, name, names_in=name)

    def __repr__(self) -> str:
        return f"Collection({self._name!r} of {str(self._session.path)!r})"

    @property
    def name(self) -> str:
        return self._name

    def status(self) -> CollectionStatus:
        """What the collection holds. Raises `CollectionNotFound`."""
        info = self._session.encoder_info()
        return collection_status(self._store, self._name, info if isinstance(info, EncoderInfo) else None)
