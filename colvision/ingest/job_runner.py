"""Runs one job of the queue: ingests a file, resumes a document or encodes a collection again; and ends the job."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from colvision.core.encoder import Encoder
from colvision.errors import ColvisionError
from colvision.ingest.ingest import ingest_again, ingest_files, reencode_collection
from colvision.ingest.options import Callbacks, IngestOptions
from colvision.ingest.others import LoadEncoder, read_by_others
from colvision.ingest.report import FileOutcome, FileReport, IngestReport, Progress
from colvision.ingest.sources import Upload
from colvision.store import Store
from colvision.store.jobs import Job, JobState
from colvision.store.records import READY

_REPORT_SECONDS = 0.5  # between two reports of a job's progress: each is flushed to the disk
_STATES: Mapping[FileOutcome, JobState] = {
    "new": "ready",
    "replaced": "ready",
    "same": "ready",
    "failed": "failed",
    "cancelled": "cancelled",
}


Outcome = tuple[JobState, str, str]  # of a job, with the reason and the document's id


def file_outcome(job: Job, file: FileReport) -> Outcome:
    """How a job ends whose file was read so."""
    reason = file.reason
    if (
        file.outcome == "same" and job.kind == "file"
    ):  # of one that goes on, that no page could be read this time either
        called = "" if file.name == job.name else f", {file.name}"
        reason = "; ".join([f"the same bytes as a document that is already here{called}", *map(str, file.changes)])
    return _STATES[file.outcome], reason, file.document_id


def run_job(
    store: Store, encoder: Callable[[], Encoder], job: Job, *, options: IngestOptions, others: LoadEncoder
) -> Job:
    """Works on a job that the caller has claimed; returns it as it ended. `encoder` is called when it is needed, and
    `others` loads the further encoders of its collection, which read what it has brought.

    `options` are the library's; collection, `replace` and metadata are the job's. An error of the library itself fails
    the job with its message and is raised again; interrupted, the job waits again.
    """
    run = {"file": _ingest_file, "resume": _resume, "reencode": _reencode}[job.kind]
    try:
        loaded = encoder()
        job = store.jobs.refresh(job)  # its collection may have another name since it was claimed, or be gone
        if job.cancel:
            return store.jobs.finish(job, "cancelled")
        options = replace(options, collection=job.collection, replace=job.replace, metadata=job.metadata, job=job.key)
        state, reason, document = run(store, loaded, job, options)
        if state == "ready":
            callbacks = _JobProgress(store, job).callbacks()
            notices = read_by_others(store, others, options=options, callbacks=callbacks)
            reason = "; ".join(filter(None, (reason, *notices)))
    except ColvisionError as error:
        store.jobs.finish(job, "failed", reason=str(error), keeps_file=True)  # which is not what is wrong
        raise
    except (KeyboardInterrupt, SystemExit):
        with suppress(ColvisionError):
            store.jobs.release(job)
        raise
    return store.jobs.finish(job, state, reason=reason, document=document)


class _JobProgress:
    """Reports a job's progress to the queue, and learns from it that the job was cancelled."""

    def __init__(self, store: Store, job: Job) -> None:
        self._store, self._job = store, job
        self._reported_at = 0.0
        self.is_stopped = False

    def report(self, progress: Progress) -> None:
        page, pages = progress.page, progress.pages
        if time.monotonic() - self._reported_at < _REPORT_SECONDS and page < pages:
            return
        self._reported_at = time.monotonic()
        speed = progress.pages_per_second
        is_claimed = self._store.jobs.report_progress(
            self._job,
            page=page,
            pages=pages,
            failed=progress.failed,
            pages_per_second=speed,
            document=progress.document_id,
        )
        self.is_stopped |= not is_claimed

    def callbacks(self, on_progress: Callable[[Progress], None] | None = None) -> Callbacks:
        return Callbacks(on_progress or self.report, lambda: self.is_stopped)


def _ingest_file(store: Store, encoder: Encoder, job: Job, options: IngestOptions) -> Outcome:
    assert job.path is not None
    uploads, callbacks = [Upload(job.path, job.name, job.document)], _JobProgress(store, job).callbacks()
    return file_outcome(job, ingest_files(store, encoder, uploads, options=options, callbacks=callbacks).files[0])


def _resume(store: Store, encoder: Encoder, job: Job, options: IngestOptions) -> Outcome:
    row = store.find(job.document)
    if row.state == READY and not row.failed:  # completed since it was queued: nothing is missing
        return "ready", "", row.id
    file = ingest_again(store, encoder, row, options=options, callbacks=_JobProgress(store, job).callbacks())
    return file_outcome(job, file)


def _reencode(store: Store, encoder: Encoder, job: Job, options: IngestOptions) -> Outcome:
    pages = sum(row.pages for row in store.reencoding.remaining(job.collection))
    job_progress = _JobProgress(store, job)
    done: dict[str, Progress] = {}  # by document

    def on_progress(progress: Progress) -> None:
        """Reports pages of the whole collection, not of one document."""
        done[progress.document] = progress
        page = sum(each.page for each in done.values())
        failed = sum(each.failed for each in done.values())
        job_progress.report(replace(progress, page=page, pages=max(pages, page), failed=failed, document_id=""))

    report = reencode_collection(store, encoder, options=options, callbacks=job_progress.callbacks(on_progress))
    if job_progress.is_stopped or store.jobs.refresh(job).cancel:
        return "cancelled", "", ""
    return "ready", _failures(report), ""


def _failures(report: IngestReport) -> str:
    failed: list[FileReport] = [file for file in report.files if file.outcome == "failed"]
    return "; ".join(f"{file.name} could not be encoded again: {file.reason}" for file in failed)
