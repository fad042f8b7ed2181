"""Works on one job of the queue: reads a file in, or encodes a collection again; notes how far it is, and ends it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from colvision.embedding import Encoder
from colvision.errors import ColvisionError
from colvision.ingest.documents import encode_again, ingest_files
from colvision.ingest.options import IngestOptions, Watch
from colvision.ingest.report import FileOutcome, FileReport, IngestReport, Progress
from colvision.ingest.sources import Upload
from colvision.metadata import Metadata
from colvision.store import Store
from colvision.store.jobs import Job, State

_NOTE_SECONDS = 0.5  # between two notes of a job's progress: each one is flushed to the disk
_STATES: Mapping[FileOutcome, State] = {
    "new": "ready",
    "replaced": "ready",
    "same": "ready",
    "failed": "failed",
    "cancelled": "cancelled",
}


def run_job(store: Store, encoder: Callable[[], Encoder], job: Job, *, metadata: Metadata | None = None) -> Job:
    """Works on a job that the caller has claimed; returns it as it ended. `encoder` is called when it is needed.

    `metadata` is noted with the document that a file becomes. An error of the library itself fails the job with its
    message and is raised again.
    """
    note = _Note(store, job)
    try:
        if job.is_reencoding:
            state, reason, document = _reencode(store, encoder(), job, note)
        else:
            options = IngestOptions(job.collection, job.replace, metadata)
            state, reason, document = _ingest(store, encoder(), job, options, note)
    except ColvisionError as error:
        store.jobs.finish(job, "failed", reason=str(error))
        raise
    store.jobs.finish(job, state, reason=reason, document=document)
    return store.jobs.get(job.key)


class _Note:
    """Writes down how far a job is, and hears that it was cancelled."""

    def __init__(self, store: Store, job: Job) -> None:
        self._store, self._job = store, job
        self._told = 0.0
        self.is_stopped = False

    def tell(self, progress: Progress) -> None:
        page, pages = progress.page, progress.pages
        if time.monotonic() - self._told < _NOTE_SECONDS and page < pages:
            return
        self._told = time.monotonic()
        speed = progress.pages_per_second
        goes_on = self._store.jobs.progress(
            self._job, page=page, pages=pages, failed=progress.failed, pages_per_second=speed
        )
        self.is_stopped |= not goes_on

    def watch(self, tell: Callable[[Progress], None]) -> Watch:
        return Watch(tell, lambda: self.is_stopped)


def _ingest(store: Store, encoder: Encoder, job: Job, options: IngestOptions, note: _Note) -> tuple[State, str, str]:
    upload = Upload(Path(job.path), job.name)
    file = ingest_files(store, encoder, [upload], options=options, watch=note.watch(note.tell)).files[0]
    noted = ": what was noted with it is now known of that" if file.metadata_changed else ""
    reason = f"the same bytes as a document that is already here{noted}" if file.outcome == "same" else file.reason
    return _STATES[file.outcome], reason, file.document_id


def _reencode(store: Store, encoder: Encoder, job: Job, note: _Note) -> tuple[State, str, str]:
    pages = sum(row.pages for row in store.refill.waiting(job.collection))
    done: dict[str, Progress] = {}  # by document

    def tell(progress: Progress) -> None:
        """As of the whole collection, not of the document at hand."""
        done[progress.document] = progress
        page = sum(each.page for each in done.values())
        failed = sum(each.failed for each in done.values())
        note.tell(replace(progress, page=page, pages=max(pages, page), failed=failed))

    options = IngestOptions(collection=job.collection)
    report = encode_again(store, encoder, options=options, watch=note.watch(tell))
    if note.is_stopped:
        return "cancelled", "", ""
    return "ready", _left_out(report), ""


def _left_out(report: IngestReport) -> str:
    failed: list[FileReport] = [file for file in report.files if file.outcome == "failed"]
    return "; ".join(f"{file.name} could not be encoded again: {file.reason}" for file in failed)
