"""Ingesting documents: new ones, incomplete ones, and a whole collection again."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from colvision.core.encoder import Encoder, EncoderInfo
from colvision.core.metadata import changes, merge_metadata
from colvision.errors import (
    ColvisionError,
    DiskError,
    DocumentNotFound,
    EncoderError,
    InputError,
    JobCancelled,
    LibraryError,
    LibraryLocked,
)
from colvision.ingest.document_ingest import DocumentIngest
from colvision.ingest.left_out import LeftOut
from colvision.ingest.ocr import read_texts
from colvision.ingest.options import Callbacks, IngestOptions
from colvision.ingest.paths import is_there, shown, shown_path, stamp_of
from colvision.ingest.pooling import apply_pooling
from colvision.ingest.report import FileReport, IngestReport
from colvision.ingest.sources import Found, Unreadable, Upload
from colvision.ocr import choose_engine
from colvision.pdf import FailedPage, inspect_file, renderer_of_record
from colvision.store import Store
from colvision.store.disk import check_room
from colvision.store.documents import PendingDocument
from colvision.store.identity import SourceFile, clean_document_name
from colvision.store.records import CANCELLED, FAILED, INTERRUPTED, DocumentRow

_log = logging.getLogger(__name__)


def ingest_files(
    store: Store, encoder: Encoder, files: Iterable[Found], *, options: IngestOptions, callbacks: Callbacks
) -> IngestReport:
    """Ingests every file; one that fails, whatever the reason, never stops the others.

    Raises `EncoderMismatch`, `EncoderError` (unfit, says `doctor`) and `LibraryError` (read-only, full disk), which
    would fail every file.
    """
    _ensure_valid(encoder, options)
    started = time.monotonic()
    encoder = apply_pooling(store, encoder, options.collection, options.pool)
    reports: list[FileReport] = []
    left_out: list[LeftOut] = []
    for file in files:
        if isinstance(file, LeftOut):
            left_out.append(file)
        elif isinstance(file, Unreadable):
            source = shown_path(file.path)
            failed = FileReport(source, source, "failed", reason=f"the folder cannot be read: {file.reason}")
            reports.append(callbacks.file_done(failed))
        else:
            brought = frozenset(report.document_id for report in reports) if options.replace else frozenset()
            report = _ingest_file(store, encoder, file, brought, options=options, callbacks=callbacks)
            reports.append(callbacks.file_done(report))
    return IngestReport(tuple(reports), time.monotonic() - started, tuple(left_out))


def _ensure_valid(encoder: Encoder, options: IngestOptions) -> None:
    if options.ocr is not None:
        choose_engine(options.ocr)  # before anything is read
    ensure_valid_encoder(encoder)


def ensure_valid_encoder(encoder: Encoder) -> None:
    """Raises `EncoderError` for one that is not fit to fill a library: see `ensure_valid`."""
    # Here for PIL's fonts and numpy.random: a process that only searches need not wait for them.
    from colvision.encoders.doctor import ensure_valid

    ensure_valid(encoder)


def _ingest_file(
    store: Store,
    encoder: Encoder,
    file: Path | Upload,
    brought: frozenset[str],
    *,
    options: IngestOptions,
    callbacks: Callbacks,
) -> FileReport:
    name = clean_document_name(file.name)
    source = (file.path or name) if isinstance(file, Upload) else shown_path(file)
    if callbacks.is_cancelled():
        return FileReport(source, name, "cancelled")
    document_id = file.document_id if isinstance(file, Upload) else ""
    source_file = SourceFile(
        options.collection,
        name,
        source,
        isinstance(file, Upload) and not file.path,
        options.replace,
        options.metadata,
        document_id,
        options.job,
        brought,
    )

    def ingest() -> FileReport:
        with file.open() if isinstance(file, Upload) else nullcontext(file) as path:
            return _ingest_path(store, encoder, path, source_file, options=options, callbacks=callbacks)

    return report_errors(FileReport(source, name, "failed"), ingest, is_job=options.job is not None)


def report_errors(failed: FileReport, work: Callable[[], FileReport], *, is_job: bool = False) -> FileReport:
    """What `work` returns, or `failed` with the reason: whatever one file does to what reads it, the others are read.

    Raises `EncoderError` and `LibraryError` where they would fail every file.
    """
    try:
        return work()
    except JobCancelled as error:
        return replace(failed, outcome="cancelled", reason=str(error))
    except (InputError, DocumentNotFound, LibraryLocked) as error:
        if isinstance(error, LibraryLocked) and is_job:
            raise  # the job can be done later
        return replace(failed, reason=shown(str(error)))
    except (EncoderError, LibraryError):
        raise
    except Exception as error:  # noqa: BLE001  logged, and in the report
        _log.exception("%s was not read to its end", failed.source)
        return replace(failed, reason=_unexpected(error))


def _unexpected(error: BaseException) -> str:
    return shown(f"an error that was not expected ({type(error).__name__}: {error})")


def _ingest_path(
    store: Store, encoder: Encoder, path: Path, source_file: SourceFile, *, options: IngestOptions, callbacks: Callbacks
) -> FileReport:
    pending = _open_pending(store, encoder.info, path, source_file, options=options)
    row = pending.row
    wanted = merge_metadata(row.metadata, options.metadata or {})
    if changes(row.metadata, wanted):
        store.writer.set_metadata(row, wanted)
    if pending.outcome == "same" and not pending.missing:
        (health,) = store.health([row])
        report = FileReport(source_file.source, row.name, "same", row.id, notes=health.notes)
        if options.ocr is not None:
            report = _with_texts(store, row, report, options=options, callbacks=callbacks)
    else:
        report = complete_document(store, encoder, pending, options=options, callbacks=callbacks)
    report = replace(report, changes=changes(pending.known, wanted))
    return _note_path(store, source_file, row, report) if pending.outcome == "same" else report


def _with_texts(
    store: Store, row: DocumentRow, report: FileReport, *, options: IngestOptions, callbacks: Callbacks
) -> FileReport:
    """The text of pages that were stored without it."""
    assert options.ocr is not None
    texts = read_texts(store, [row], choose_engine(options.ocr), options=options, callbacks=callbacks)
    (health,) = store.health([row])
    return replace(report, read_by_ocr=texts.pages, notes=health.notes)


def _note_path(store: Store, source_file: SourceFile, row: DocumentRow, report: FileReport) -> FileReport:
    """Keeps in mind where else the file of a document lies, or where it lies now."""
    report = replace(report, source=source_file.source)
    if row.source == source_file.source:
        return report
    is_moved = not (source_file.upload or row.upload or is_there(row.source))
    paths = dict.fromkeys([source_file.source, *row.copies] if is_moved else [*row.paths, source_file.source])
    if tuple(paths) != row.paths:
        store.writer.set_paths(row, tuple(paths))
    return replace(report, same_as=row.source, is_moved=is_moved)


def _open_pending(
    store: Store, info: EncoderInfo, path: Path, source_file: SourceFile, *, options: IngestOptions
) -> PendingDocument:
    """Raises `InputError`, also for a file that is written to meanwhile: the kept copy is not what was inspected."""
    same = store.pending.find_same(path, source_file, info) if os.path.isfile(path) else None  # noqa: PTH113
    if same is not None:
        return same
    check_room(store.path, keep_free=options.keep_free, needed=path.stat().st_size if path.is_file() else 0)
    store.writer.keep_room()
    before = stamp_of(path)
    # Messages name a file by its path, unless nobody knows that, or it cannot be shown.
    name = source_file.name if source_file.upload or source_file.name != path.name else None
    file_info = inspect_file(path, name=name, limits=options.limits, renderer=options.renderer)
    pending = store.pending.begin(
        path,
        source_file,
        info,
        pages=file_info.pages,
        renderer=file_info.renderer,
        notes=file_info.notes,
        ending=file_info.ending,
    )
    if pending.outcome != "same" and stamp_of(path) != before:
        reason = f"{source_file.name} was changed while it was read: ingest it again when it is complete"
        store.writer.stop(pending, FAILED, reason)
        raise InputError(reason)
    return pending


def complete_document(
    store: Store, encoder: Encoder, pending: PendingDocument, *, options: IngestOptions, callbacks: Callbacks
) -> FileReport:
    """Reads, encodes and stores the missing pages of a document from its kept file."""
    if not pending.row.stored:  # all of it is drawn again
        store.writer.set_renderer(pending.row, renderer_of_record(pending.row.renderer, options.renderer))
    ingest = DocumentIngest(store, encoder, pending, options=options, callbacks=callbacks)
    with _interruption_noted(store, pending, ingest):
        ingest.run()
    row = pending.row
    report = FileReport(row.source, row.name, pending.outcome, pending.document_id, ingest.stored, row.stored)
    if ingest.reason:
        store.writer.stop(pending, FAILED, ingest.reason)
        return replace(report, outcome="failed", reason=ingest.reason)
    (health,) = store.health([row])
    failed = tuple(FailedPage(each.page, each.reason) for each in health.failed)
    report = replace(report, failed_pages=failed, notes=health.notes, read_by_ocr=ingest.read_by_ocr)
    if ingest.is_cancelled:
        store.writer.stop(pending, CANCELLED)
        return replace(report, outcome="cancelled")
    reason = store.writer.finish(pending)
    return replace(report, outcome="failed" if reason else pending.outcome, reason=reason)


@contextmanager
def _interruption_noted(store: Store, pending: PendingDocument, ingest: DocumentIngest) -> Iterator[None]:
    """Ctrl+C, a full disk, an encoder that fails: what was read is kept, and the document waits to be gone on with."""
    try:
        yield
    except BaseException as error:
        with suppress(ColvisionError):
            if isinstance(error, KeyboardInterrupt | SystemExit | DiskError):
                ingest.keep()
        with suppress(ColvisionError):
            store.writer.stop(pending, INTERRUPTED, _reason(error))
        raise


def _reason(error: BaseException) -> str:
    if isinstance(error, ColvisionError):
        return shown(str(error))
    return _unexpected(error) if isinstance(error, Exception) else ""


def ingest_again(
    store: Store, encoder: Encoder, row: DocumentRow, *, options: IngestOptions, callbacks: Callbacks
) -> FileReport:
    """Reads a document again from its kept file: what is missing or failed of it, all of one that is whole.

    Raises `EncoderMismatch`.
    """
    _ensure_valid(encoder, options)
    encoder = apply_pooling(store, encoder, options.collection, options.pool)

    def ingest() -> FileReport:
        pending = store.pending.reopen(row, encoder.info)
        return complete_document(store, encoder, pending, options=options, callbacks=callbacks)

    return report_errors(FileReport(row.source, row.name, "failed", row.id), ingest)


def reencode_collection(
    store: Store, encoder: Encoder, *, options: IngestOptions, callbacks: Callbacks
) -> IngestReport:
    """Encodes a collection again from the kept files, by another encoder; the old codes serve until all are done.

    Cancelled or killed, it goes on when it is run again. Raises `CollectionNotFound`, `LibraryError`.
    """
    _ensure_valid(encoder, options)
    started = time.monotonic()
    reports: list[FileReport] = []
    encoder = apply_pooling(store, encoder, options.collection, options.pool)
    key = store.reencoding.begin(options.collection, encoder.info)
    is_swapped = False
    while not is_swapped and not callbacks.is_cancelled():
        with suppress(DocumentNotFound):  # deleted meanwhile: there is nothing to encode any more
            pending = store.reencoding.open_next(key)
            if pending is None:
                is_swapped = store.reencoding.swap(key)
            else:
                reports.append(complete_document(store, encoder, pending, options=options, callbacks=callbacks))
    return IngestReport(tuple(reports), time.monotonic() - started)
