"""The further encoders of a collection read its documents: after every ingest, and when one is added.

They read the kept files, page by page as an ingest does. What is cut short is gone on with by the next run.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

from colvision.core.encoder import Encoder, EncoderInfo
from colvision.errors import CollectionNotFound, DocumentNotFound, EncoderError, MissingExtra
from colvision.ingest.ingest import complete_document, ensure_valid_encoder, report_errors
from colvision.ingest.options import Callbacks, IngestOptions
from colvision.ingest.report import FileReport, IngestReport, Progress
from colvision.store import Store
from colvision.store.records import CollectionRow

LoadEncoder = Callable[[EncoderInfo], Encoder]


def add_encoder(
    store: Store, encoder: Encoder, encoder_name: str, *, options: IngestOptions, callbacks: Callbacks
) -> IngestReport:
    """Gives a collection a further encoder, or goes on with it, and has it read all documents that it has not read.

    Cancelled or killed, it goes on when it is run again; pages that failed are tried again. Raises
    `CollectionNotFound`, `EncoderMismatch`, `EncoderError`, `LibraryError`.
    """
    ensure_valid_encoder(encoder)
    started = time.monotonic()
    companion = store.companions.add(options.collection, encoder_name, encoder.info)
    reports = tuple(_read(store, encoder, companion, options=options, callbacks=callbacks))
    return IngestReport(reports, time.monotonic() - started)


def read_by_others(store: Store, load: LoadEncoder, *, options: IngestOptions, callbacks: Callbacks) -> tuple[str, ...]:
    """Has the further encoders of a collection read what they have not read; sentences say what they could not.

    `load` is called for those alone that have something to read. Raises `LibraryError`, but for a collection that was
    deleted meanwhile.
    """
    notices: list[str] = []
    companions: list[CollectionRow] = []
    with suppress(CollectionNotFound):
        companions = store.companions.of(options.collection)
    for companion in companions:
        behind = store.companions.remaining(companion.key)
        if not behind or callbacks.is_cancelled():
            continue
        assert companion.info is not None, "a companion is made with its encoder"
        try:
            encoder = load(companion.info)
            ensure_valid_encoder(encoder)
            reports = list(_read(store, encoder, companion, options=options, callbacks=callbacks))
        except (EncoderError, MissingExtra) as error:
            count = len(store.companions.remaining(companion.key))
            documents = "1 document" if count == 1 else f"{count} documents"
            again = f"`colvision add-encoder {companion.encoder_name}` goes on"
            notices.append(f"{companion.encoder_name} has not read {documents}: {error}; {again}")
        else:
            notices += [sentence for report in reports for sentence in _unread(companion, report)]
    return tuple(notices)


def _unread(companion: CollectionRow, report: FileReport) -> Iterator[str]:
    if report.outcome == "failed":
        yield f"{companion.encoder_name} could not read {report.name}: {report.reason}"
    for page in report.failed_pages:
        yield f"{companion.encoder_name} could not read page {page.number} of {report.name}: {page.reason}"


def _read(
    store: Store, encoder: Encoder, companion: CollectionRow, *, options: IngestOptions, callbacks: Callbacks
) -> Iterator[FileReport]:
    """Each document that remains, once; one that fails does not stop the others."""

    def on_progress(progress: Progress) -> None:
        callbacks.report(replace(progress, document=f"{progress.document} ({companion.encoder_name})"))

    own = Callbacks(on_progress, callbacks.cancel)
    done: set[int] = set()
    while not own.is_cancelled():
        with suppress(DocumentNotFound):  # deleted meanwhile: there is nothing to read any more
            pending = store.companions.open_next(companion.key, done)
            if pending is None:
                return
            original = pending.replaced or pending.row
            done.add(original.key)
            failed = FileReport(original.source, original.name, "failed", original.id)

            complete = partial(complete_document, store, encoder, pending, options=options, callbacks=own)
            yield report_errors(failed, complete)
