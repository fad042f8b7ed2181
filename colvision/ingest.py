"""Pages to encoder to store, streaming: only the pages in flight are in memory, and an interrupted ingest goes on."""

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from colvision.doctor import approve
from colvision.embedding import Encoder, EncoderInfo, PageEmbedding
from colvision.errors import DocumentNotFound, InputError, LibraryLocked
from colvision.metadata import Metadata, metadata_text
from colvision.page import Page, PdfGeometry
from colvision.pdf import FailedPage, Limits, inspect_file, is_supported, read_pages
from colvision.pooled import pooled
from colvision.report import FileReport, IngestReport, Progress
from colvision.store import Store
from colvision.store.drafts import Draft
from colvision.store.files import picture
from colvision.store.identity import Offer, document_name
from colvision.store.records import CANCELLED, FAILED, DocumentRow, Keep
from colvision.store.writer import EncodedPage
from colvision.text_layer import is_legible

COMMIT_BYTES = 256 << 20  # of vectors and pictures that wait for a commit
_SPEED_PAGES = 32  # newest pages that the speed is measured over: an encoder's first batch warms up


@dataclass(frozen=True, slots=True)
class Upload:
    """A file whose own path says nothing, and the name that its sender gave it."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """A commit every `commit_pages` or `commit_seconds`, which is what a kill can cost, or `commit_bytes` of pages.

    `replace`, `metadata`: see `Offer`. `keep` "float16" has a new collection keep its vectors beside their codes, at
    three times the size; `pool` has it keep one vector for about so many patches, None for what it was begun with.
    """

    collection: str = "default"
    replace: bool = False
    metadata: Metadata | None = None
    keep: Keep = "codes"
    pool: int | None = None
    commit_pages: int = 64
    commit_seconds: float = 10.0
    commit_bytes: int = COMMIT_BYTES
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if self.commit_pages < 1 or self.commit_seconds < 0:
            raise ValueError(f"a commit every {self.commit_pages} pages or {self.commit_seconds} s: expected 1 or more")
        metadata_text(self.metadata or {})  # refused before the first file is read


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks on: `progress` hears of every page, `cancel` is asked before every page."""

    progress: Callable[[Progress], None] | None = None
    cancel: Callable[[], bool] | None = None

    def is_cancelled(self) -> bool:
        return self.cancel is not None and self.cancel()

    def tell(self, progress: Progress) -> None:
        if self.progress is not None:
            self.progress(progress)


def find_files(paths: Iterable[str | Path | Upload], *, outside: Path) -> Iterator[Path | Upload]:
    """The files themselves, and of folders the supported files in them, in the order of their names.

    Hidden files and folders are skipped, and so is the library's own folder `outside`.
    """
    for path in paths:
        if isinstance(path, Upload) or not Path(path).is_dir():
            yield path if isinstance(path, Upload) else Path(path)
        else:
            yield from _walk(Path(path), outside.resolve())


def _walk(folder: Path, outside: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and Path(here, name).resolve() != outside
        )
        files = (Path(here, name) for name in sorted(names) if not name.startswith("."))
        yield from (file for file in files if is_supported(file))


def ingest_files(
    store: Store, encoder: Encoder, files: Iterable[Path | Upload], *, options: IngestOptions, watch: Watch
) -> IngestReport:
    """Ingests every file; one that fails never stops the others.

    Raises `EncoderMismatch`, `EncoderError` (unfit, says `doctor`) and `LibraryError` (read-only, full disk), which
    would meet every file.
    """
    approve(encoder)
    started = time.monotonic()
    encoder = pooled(store, encoder, options.collection, options.pool)
    if options.keep == "float16":
        store.writer.keep_master(options.collection)
    reports = []
    for file in files:
        offered = file if isinstance(file, Upload) else Upload(file, file.name)
        if watch.is_cancelled():
            reports.append(FileReport(str(offered.path), document_name(offered.name), "cancelled"))
            continue
        reports.append(_ingest_file(store, encoder, file, options=options, watch=watch))
    return IngestReport(tuple(reports), time.monotonic() - started)


def _ingest_file(
    store: Store, encoder: Encoder, file: Path | Upload, *, options: IngestOptions, watch: Watch
) -> FileReport:
    path, given = (file.path, file.name) if isinstance(file, Upload) else (file, file.name)
    name = document_name(given)
    source = name if isinstance(file, Upload) else str(path.absolute())
    offer = Offer(options.collection, name, source, isinstance(file, Upload), options.replace, options.metadata)
    try:
        draft = _open_draft(store, encoder.info, path, offer, limits=options.limits)
        is_other = options.metadata is not None and draft.row.metadata != options.metadata
        if is_other:
            store.writer.describe(draft.row, options.metadata or {})
        if draft.outcome == "same":
            return FileReport(source, draft.row.name, "same", draft.row.id, metadata_changed=is_other)
        return fill_document(store, encoder, draft, options=options, watch=watch)
    except (InputError, DocumentNotFound, LibraryLocked) as error:
        return FileReport(source, name, "failed", reason=str(error).replace(path.name, name))


def _open_draft(store: Store, info: EncoderInfo, path: Path, offer: Offer, *, limits: Limits) -> Draft:
    """Raises `InputError`, also for a file that is written to meanwhile: what is kept is not what was inspected."""
    same = store.drafts.same(path, offer, info) if path.is_file() else None
    if same is not None:
        return same
    before = _stamp(path)
    inspected = inspect_file(path, limits=limits)
    draft = store.drafts.begin(path, offer, info, pages=inspected.pages, renderer=inspected.renderer)
    if draft.outcome != "same" and _stamp(path) != before:
        reason = f"{offer.name} was changed while it was read: ingest it again when it is complete"
        store.writer.stop(draft, FAILED, reason)
        raise InputError(reason)
    return draft


def _stamp(path: Path) -> tuple[int, int] | None:
    """Changes when the file is written to; None for a file that is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def fill_document(store: Store, encoder: Encoder, draft: Draft, *, options: IngestOptions, watch: Watch) -> FileReport:
    """Reads, encodes and stores the missing pages of a document from its kept file."""
    filling = _Filling(store, encoder, draft, options=options, watch=watch)
    filling.run()
    row = draft.row
    report = FileReport(row.source, row.name, draft.outcome, row.id, filling.stored, row.stored)
    if filling.reason:
        store.writer.stop(draft, FAILED, filling.reason)
        return replace(report, outcome="failed", reason=filling.reason)
    failed = tuple(FailedPage(number, reason) for number, reason in store.failed_pages(row))
    if filling.is_cancelled:
        store.writer.stop(draft, CANCELLED)
        return replace(report, outcome="cancelled", failed_pages=failed)
    reason = store.writer.finish(draft)
    return replace(report, outcome="failed" if reason else draft.outcome, reason=reason, failed_pages=failed)


def ingest_again(
    store: Store, encoder: Encoder, row: DocumentRow, *, options: IngestOptions, watch: Watch
) -> FileReport:
    """Reads a document again from its kept file: all of a complete one, what is missing of another.

    Raises `EncoderMismatch`.
    """
    approve(encoder)
    encoder = pooled(store, encoder, options.collection, options.pool)
    try:
        draft = store.drafts.again(row, encoder.info)
        return fill_document(store, encoder, draft, options=options, watch=watch)
    except (InputError, DocumentNotFound, LibraryLocked) as error:
        return FileReport(row.source, row.name, "failed", row.id, reason=str(error))


def encode_again(store: Store, encoder: Encoder, *, options: IngestOptions, watch: Watch) -> IngestReport:
    """Fills a collection again from the kept files, by another encoder; the old codes serve until all are done.

    Cancelled or killed, it goes on when it is run again. Raises `CollectionNotFound`, `LibraryError`.
    """
    approve(encoder)
    started = time.monotonic()
    reports: list[FileReport] = []
    encoder = pooled(store, encoder, options.collection, options.pool)
    store.refill.begin(options.collection, encoder.info)
    is_swapped = False
    while not is_swapped and not watch.is_cancelled():
        draft = store.refill.open_next(options.collection)
        if draft is None:
            is_swapped = store.refill.swap(options.collection)
            continue
        with suppress(DocumentNotFound):  # deleted meanwhile: there is nothing to encode any more
            reports.append(fill_document(store, encoder, draft, options=options, watch=watch))
    return IngestReport(tuple(reports), time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class _InFlight:
    """What is kept of a page while the encoder works on it: its picture is compressed, 20 times smaller than pixels."""

    number: int
    picture: bytes
    shape: tuple[int, int]
    geometry: PdfGeometry | None
    text: str

    def encoded(self, embedding: PageEmbedding) -> EncodedPage:
        return EncodedPage(self.number, embedding, self.picture, *self.shape, self.geometry, self.text)


class _Filling:
    """One document on its way. The encoder may read ahead: pages wait in flight until their embedding arrives."""

    def __init__(self, store: Store, encoder: Encoder, draft: Draft, *, options: IngestOptions, watch: Watch) -> None:
        self._store, self._encoder, self._draft = store, encoder, draft
        self._options, self._watch = options, watch
        self._in_flight: deque[_InFlight] = deque()
        self._batch: list[EncodedPage] = []
        self._bytes = 0  # of the batch
        self._failed: list[tuple[int, str]] = []
        self._done = draft.row.stored + draft.row.failed
        self._failures = draft.row.failed
        self._times: deque[float] = deque([time.monotonic()], maxlen=_SPEED_PAGES + 1)
        self._committed_at = time.monotonic()
        self.stored = 0
        self.is_cancelled = False
        self.reason = ""  # why the rest of the file could not be read

    def run(self) -> None:
        self._tell()
        with closing(self._pages()) as pages:
            for embedding in self._encoder.encode_pages(pages):
                self._take(embedding)
        if self._in_flight:
            raise ValueError(
                f"encoder {self._encoder.info.name!r} left out {len(self._in_flight)} of the pages it read"
            )
        self._commit()

    def _pages(self) -> Generator[Page, None, None]:
        """What the encoder reads: failed pages pass by, and the file's end is the end, whatever its cause."""
        row = self._draft.row
        kept = self._store.original_path(row)
        items = read_pages(kept, numbers=self._draft.missing, limits=self._options.limits)
        try:
            for item in items:
                if self._watch.is_cancelled():
                    self.is_cancelled = True
                    return
                if isinstance(item, FailedPage):
                    self._failed.append((item.number, item.reason.replace(kept.name, row.name)))
                    self._failures += 1
                    self._note_page()
                    continue
                text = item.text if is_legible(item.text) else ""
                self._in_flight.append(_InFlight(item.number, picture(item.image), item.shape, item.geometry, text))
                yield replace(item, source=row.name)
        except InputError as error:
            self.reason = str(error).replace(kept.name, row.name)
        finally:
            if isinstance(items, Generator):
                items.close()  # ends the process that reads the file

    def _take(self, embedding: PageEmbedding) -> None:
        if not self._in_flight:
            raise ValueError(f"encoder {self._encoder.info.name!r} gave more embeddings than it read pages")
        page = self._in_flight.popleft().encoded(embedding)
        self._batch.append(page)
        self._bytes += embedding.vectors.nbytes + len(page.picture)
        self._note_page()
        is_due = time.monotonic() - self._committed_at >= self._options.commit_seconds
        is_large = self._bytes >= self._options.commit_bytes
        if len(self._batch) >= self._options.commit_pages or is_due or is_large:
            self._commit()

    def _commit(self) -> None:
        if self._batch or self._failed:
            failed, self._failed = self._failed, []
            self._store.writer.commit(self._draft, self._batch, self._encoder.info, failed=failed)
            self.stored += len(self._batch)
            self._batch, self._bytes = [], 0
        self._committed_at = time.monotonic()

    def _note_page(self) -> None:
        self._done += 1
        self._times.append(time.monotonic())
        self._tell()

    def _tell(self) -> None:
        pages = self._draft.row.pages
        spent = self._times[-1] - self._times[0]
        speed = (len(self._times) - 1) / spent if spent > 0 else 0.0
        left = (pages - self._done) / speed if speed else None
        self._watch.tell(Progress(self._draft.row.name, self._done, pages, self._failures, speed, left))
