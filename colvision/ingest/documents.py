"""Documents into a library: new ones, those that were interrupted, and all of a collection again."""

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from colvision.doctor import approve
from colvision.embedding import Encoder, EncoderInfo
from colvision.errors import DocumentNotFound, InputError, LibraryLocked
from colvision.ingest.filling import Filling
from colvision.ingest.options import IngestOptions, Watch
from colvision.ingest.pooling import apply_pooling
from colvision.ingest.report import FileReport, IngestReport
from colvision.ingest.sources import Upload
from colvision.pdf import FailedPage, Limits, inspect_file
from colvision.store import Store
from colvision.store.drafts import Draft
from colvision.store.identity import Offer, document_name
from colvision.store.records import CANCELLED, FAILED, DocumentRow


def ingest_files(
    store: Store, encoder: Encoder, files: Iterable[Path | Upload], *, options: IngestOptions, watch: Watch
) -> IngestReport:
    """Ingests every file; one that fails never stops the others.

    Raises `EncoderMismatch`, `EncoderError` (unfit, says `doctor`) and `LibraryError` (read-only, full disk), which
    would meet every file.
    """
    approve(encoder)
    started = time.monotonic()
    encoder = apply_pooling(store, encoder, options.collection, options.pool)
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
    given = file if isinstance(file, Upload) else Upload(file, file.name)
    path, name = given.path, document_name(given.name)
    source = name if file is given else str(path.absolute())
    offer = Offer(options.collection, name, source, file is given, options.replace, options.metadata, given.document_id)
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
    filling = Filling(store, encoder, draft, options=options, watch=watch)
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
    encoder = apply_pooling(store, encoder, options.collection, options.pool)
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
    encoder = apply_pooling(store, encoder, options.collection, options.pool)
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
