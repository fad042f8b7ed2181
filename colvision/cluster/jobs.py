"""Works on a job of a cluster's queue, as `ingest.job_runner` does on one of a library's: replicas read."""

from contextlib import suppress
from typing import Any, Protocol

from colvision.errors import ColvisionError, NotInCluster
from colvision.ingest import FileReport, Upload
from colvision.ingest.job_runner import Outcome, file_outcome
from colvision.status import Document
from colvision.store.jobs import Job, JobQueue
from colvision.store.records import READY


class QueuedCluster(Protocol):
    """What of a cluster its jobs need."""

    @property
    def jobs(self) -> JobQueue: ...
    def collection(self, name: str) -> Any: ...  # noqa: ANN401  the cluster's own handle of it
    def document(self, document: str) -> Document: ...
    def delete(self, document: str) -> Document: ...
    def ingest_again(self, document: str) -> FileReport: ...


def run_job(cluster: QueuedCluster, job: Job) -> Job:
    """Works on a job that the caller has claimed; returns it as it ended.

    A file that a replica is reading is read to its end: of a job that is cancelled meanwhile it is removed again.
    """
    jobs = cluster.jobs
    job = jobs.refresh(job)  # its collection may be gone since it was claimed
    if job.cancel:
        return jobs.finish(job, "cancelled")
    work = {"file": _ingest_file, "resume": _resume, "reencode": _reencode}[job.kind]
    try:
        state, reason, document = work(cluster, job)
    except ColvisionError as error:
        jobs.finish(job, "failed", reason=str(error), keeps_file=True)
        raise
    except (KeyboardInterrupt, SystemExit):
        with suppress(ColvisionError):
            jobs.release(job)
        raise
    return jobs.finish(job, state, reason=reason, document=document)


def _ingest_file(cluster: QueuedCluster, job: Job) -> Outcome:
    assert job.path is not None
    upload = Upload(job.path, job.name, job.document)
    report = cluster.collection(job.collection).ingest(upload, replace=job.replace, metadata=job.metadata)
    [file] = report.files
    if file.outcome == "new" and cluster.jobs.refresh(job).cancel:
        cluster.delete(file.document_id)
        return "cancelled", "", ""
    return file_outcome(job, file)


def _resume(cluster: QueuedCluster, job: Job) -> Outcome:
    document = cluster.document(job.document)
    if document.state == READY and not document.failed:  # completed since it was queued: nothing is missing
        return "ready", "", document.id
    return file_outcome(job, cluster.ingest_again(document.id))


def _reencode(cluster: QueuedCluster, job: Job) -> Outcome:
    reason = NotInCluster.of(
        "a collection cannot be encoded again", "open the cluster with the encoder that filled it, or make a new one"
    )
    return "failed", str(reason), ""
