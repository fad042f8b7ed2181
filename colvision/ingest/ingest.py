"""Ingesting documents: new ones, incomplete ones, and a whole collection again."""

import os
import time
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from colvision.core.encoder import Encoder, EncoderInfo
from colvision.core.metadata import changes, merge_metadata
from colvision.encoders.doctor import ensure_valid
from colvision.errors import DocumentNotFound, InputError, JobCancelled, LibraryLocked
from colvision.ingest.document_ingest import DocumentIngest
from colvision.ingest.options import Callbacks, IngestOptions
from colvision.ingest.pooling import apply_pooling
from colvision.ingest.report import FileReport, IngestReport
from colvision.ingest.sources import Upload
from colvision.pdf import FailedPage, Limits, inspect_file
from colvision.store import Store
from colvision.store.documents import PendingDocument
from colvision.store.identity import SourceFile, clean_document_name
from colvision.store.records import CANCELLED, FAILED, DocumentRow


def ingest_files(
    store: Store, encoder: Encoder, files: Iterable[Path | Upload], *, options: IngestOptions, callbacks: Callbacks
) -> IngestReport:
    """Ingests every file; one that fails never stops the others.

    Raises `EncoderMismatch`, `EncoderError` (unfit, says `doctor`) and `LibraryError` (read-only, full disk), which
    would fail every file.
    """
    ensure_valid(encoder)
    started = time.monotonic()
    encoder = apply_pooling(store, encoder, options.collection, options.pool)
    reports: list[FileReport] = []
    for file in files:
        if callbacks.is_cancelled():
            name = clean_document_name(file.name)
            reports.append(FileReport(name if isinstance(file, Upload) else str(file), name, "cancelled"))
            continue
        brought = frozenset(report.document_id for report in reports) if options.replace else frozenset()
        reports.append(_ingest_file(store, encoder, file, brought, options=options, callbacks=callbacks))
    return IngestReport(tuple(reports), time.monotonic() - started)


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
    source = name if isinstance(file, Upload) else str(file.absolute())
    document_id = file.document_id if isinstance(file, Upload) else ""
    source_file = SourceFile(
        options.collection,
        name,
        source,
        isinstance(file, Upload),
        options.replace,
        options.metadata,
        document_id,
        options.job,
        brought,
    )
    try:
        with file.open() if isinstance(file, Upload) else nullcontext(file) as path:
            return _ingest_path(store, encoder, path, source_file, options=options, callbacks=callbacks)
    except JobCancelled as error:
        return FileReport(source, name, "cancelled", reason=str(error))
    except (InputError, DocumentNotFound, LibraryLocked) as error:
        return FileReport(source, name, "failed", reason=str(error))


def _ingest_path(
    store: Store, encoder: Encoder, path: Path, source_file: SourceFile, *, options: IngestOptions, callbacks: Callbacks
) -> FileReport:
    pending = _open_pending(store, encoder.info, path, source_file, limits=options.limits)
    row = pending.row
    wanted = merge_metadata(row.metadata, options.metadata or {})
    if changes(row.metadata, wanted):
        store.writer.set_metadata(row, wanted)
    changed = changes(pending.known, wanted)
    if pending.outcome == "same":
        report = FileReport(source_file.source, row.name, "same", row.id, changes=changed)
        if row.source == source_file.source:
            return report
        is_moved = not (source_file.upload or row.upload or os.path.exists(row.source))  # noqa: PTH110 -- never raises
        paths = dict.fromkeys([source_file.source, *row.copies] if is_moved else [*row.paths, source_file.source])
        if tuple(paths) != row.paths:
            store.writer.set_paths(row, tuple(paths))
        return replace(report, same_as=row.source, is_moved=is_moved)
    report = complete_document(store, encoder, pending, options=options, callbacks=callbacks)
    return replace(report, changes=changed)


def _open_pending(
    store: Store, info: EncoderInfo, path: Path, source_file: SourceFile, *, limits: Limits
) -> PendingDocument:
    """Raises `InputError`, also for a file that is written to meanwhile: the kept copy is not what was inspected."""
    same = store.pending.find_same(path, source_file, info) if path.is_file() else None
    if same is not None:
        return same
    before = _stamp(path)
    # Messages name a file by its path, unless nobody knows that, or it cannot be shown.
    name = source_file.name if source_file.upload or source_file.name != path.name else None
    file_info = inspect_file(path, name=name, limits=limits)
    pending = store.pending.begin(
        path, source_file, info, pages=file_info.pages, renderer=file_info.renderer, notes=file_info.notes
    )
    if pending.outcome != "same" and _stamp(path) != before:
        reason = f"{source_file.name} was changed while it was read: ingest it again when it is complete"
        store.writer.stop(pending, FAILED, reason)
        raise InputError(reason)
    return pending


def _stamp(path: Path) -> tuple[int, int] | None:
    """Changes when the file is written to; None for a file that is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def complete_document(
    store: Store, encoder: Encoder, pending: PendingDocument, *, options: IngestOptions, callbacks: Callbacks
) -> FileReport:
    """Reads, encodes and stores the missing pages of a document from its kept file."""
    ingest = DocumentIngest(store, encoder, pending, options=options, callbacks=callbacks)
    ingest.run()
    row = pending.row
    report = FileReport(row.source, row.name, pending.outcome, pending.document_id, ingest.stored, row.stored)
    if ingest.reason:
        store.writer.stop(pending, FAILED, ingest.reason)
        return replace(report, outcome="failed", reason=ingest.reason)
    failed = tuple(FailedPage(number, reason) for number, reason in store.failed_pages(row))
    if ingest.is_cancelled:
        store.writer.stop(pending, CANCELLED)
        return replace(report, outcome="cancelled", failed_pages=failed)
    reason = store.writer.finish(pending)
    return replace(report, outcome="failed" if reason else pending.outcome, reason=reason, failed_pages=failed)


def ingest_again(
    store: Store, encoder: Encoder, row: DocumentRow, *, options: IngestOptions, callbacks: Callbacks
) -> FileReport:
    """Reads a document again from its kept file: all of a complete one, what is missing of another.

    Raises `EncoderMismatch`.
    """
    ensure_valid(encoder)
    encoder = apply_pooling(store, encoder, options.collection, options.pool)
    try:
        pending = store.pending.reopen(row, encoder.info)
        return complete_document(store, encoder, pending, options=options, callbacks=callbacks)
    except (InputError, DocumentNotFound, LibraryLocked) as error:
        return FileReport(row.source, row.name, "failed", row.id, reason=str(error))


def reencode_collection(
    store: Store, encoder: Encoder, *, options: IngestOptions, callbacks: Callbacks
) -> IngestReport:
    """Encodes a collection again from the kept files, by another encoder; the old codes serve until all are done.

    Cancelled or killed, it goes on when it is run again. Raises `CollectionNotFound`, `LibraryError`.
    """
    ensure_valid(encoder)
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
