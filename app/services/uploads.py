"""What comes in: uploads, the sample manual, documents to go on with, collections to encode again; and their jobs."""

import shutil
from pathlib import Path

from colvision.core.metadata import Metadata, metadata_text
from colvision.errors import ColvisionError
from colvision.library import Job, Library
from colvision.pdf import inspect_file
from colvision.store.identity import clean_collection_name, clean_document_name

from ..settings import LimitReached, Quota, sample_files
from ..views import JobView
from .spool import Spool

_SAMPLE_MARK = ".sample"  # in the library: the sample manual was once loaded, and may have been deleted on purpose


class JobNotFound(ColvisionError):
    """No job of this key: it never was, or was taken off the list."""


class Uploads:
    """The queue of one library, as the application fills it."""

    def __init__(self, library: Library, quota: Quota) -> None:
        self._library = library
        self._quota = quota
        self.spool = Spool(library.jobs.uploads)
        self.spool.sweep({job.path for job in library.jobs.all()})

    def upload(
        self, path: Path, name: str, *, collection: str = "default", metadata: Metadata | None = None
    ) -> JobView:
        """Takes a file over (it is moved) and queues it; `metadata` is noted with the document that it becomes.

        Raises `LimitReached`, the errors of `inspect_file`, and `ValueError` for what no metadata
        and no collection's name can be.
        """
        shown = clean_document_name(name)
        wanted = self._collection_name(collection)
        self._check_metadata(metadata or {})
        self._check_room(path.stat().st_size, shown)
        inspect_file(path, name=shown, limits=self._quota.limits())
        kept = self.spool.keep(path, shown)
        return _job_view(self._library.jobs.queue(kept, shown, collection=wanted, metadata=metadata or None))

    def _check_metadata(self, metadata: Metadata) -> None:
        length, most = len(metadata_text(metadata)), self._quota.metadata_characters
        if length > most:
            raise LimitReached(
                f"what is noted with the file takes {length:,} characters as JSON, the limit is {most:,}"
            )

    def _collection_name(self, name: str) -> str:
        wanted = clean_collection_name(name)
        if len(wanted) > self._quota.name_characters:
            raise LimitReached(
                f"a collection's name has at most {self._quota.name_characters} characters; {wanted[:80]!r} has "
                f"{len(wanted):,}"
            )
        return wanted

    def _check_room(self, size: int, name: str) -> None:
        quota = self._quota
        if size > quota.file_bytes:
            raise LimitReached(
                f"{name} has {size >> 20:,} MB, the limit is {quota.file_bytes >> 20:,} MB: split it into parts"
            )
        waiting = len(self._library.jobs.active())
        if waiting >= quota.queue:
            raise LimitReached(
                f"{waiting} files are waiting, the limit is {quota.queue}: add {name} when some are done"
            )
        free = shutil.disk_usage(self._library.path).free
        if free - 2 * size < quota.free_bytes:
            raise LimitReached(f"the disk has {free >> 20:,} MB left, too little to take {name} in: make room first")

    def load_sample(self) -> list[JobView]:
        """Queues the sample manual. Raises `LimitReached` where it is not installed."""
        files = sample_files()
        if not files:
            raise LimitReached("the sample manual is not installed here: drop a PDF of your own instead")
        (self._library.path / _SAMPLE_MARK).touch()
        return [_job_view(self._library.jobs.queue(path, path.name)) for path in files]

    def load_sample_once(self) -> list[JobView]:
        """The same on the first start only: a sample manual that was deleted stays deleted."""
        if (self._library.path / _SAMPLE_MARK).exists() or not sample_files():
            return []
        return self.load_sample()

    def resume(self, document: str) -> JobView:
        """Queues the pages of a document that are missing or failed, once. Raises `DocumentNotFound`."""
        found = self._library.document(document)
        return _job_view(self._library.jobs.queue_resume(found.id, found.name, collection=found.collection))

    def reencode(self, collection: str) -> JobView:
        """Queues a collection that another encoder filled, once. Raises `CollectionNotFound`."""
        self._library.collection(collection).documents()
        return _job_view(self._library.jobs.queue_reencoding(collection))

    def cancel(self, key: int) -> JobView:
        """Raises `JobNotFound`."""
        self._library.jobs.cancel(key)
        try:
            return _job_view(self._library.jobs.get(key))
        except ValueError as error:
            raise JobNotFound(str(error)) from error

    def retry(self, key: int) -> JobView:
        """Raises `JobNotFound`, `LimitReached` for a job that cannot be tried again."""
        try:
            job = self._library.jobs.get(key)
        except ValueError as error:
            raise JobNotFound(str(error)) from error
        if not job.can_retry:
            raise LimitReached(f"{job.name} cannot be tried again: add it anew")
        return _job_view(self._library.jobs.retry(key))

    def dismiss(self, key: int) -> None:
        """Takes an ended job off the list, with the upload that it may have kept."""
        self._library.jobs.dismiss(key)

    def stop_job_of(self, document: str) -> None:
        """Stops what reads a document (an id), and tells nothing more of it."""
        for job in self._library.jobs.active():
            if job.document == document:
                self._library.jobs.cancel(job.key, dismiss=True)

    def forget_jobs_of(self, document: str) -> None:
        """Tells nothing more of what has read a document (an id)."""
        for job in self._library.jobs.all():
            if job.document == document:
                self._library.jobs.dismiss(job.key)

    def jobs(self) -> list[JobView]:
        """Jobs with something to tell: first what is worked on."""
        views = [_job_view(job) for job in self._library.jobs.all() if job.state != "ready" or job.reason]
        return sorted(views, key=lambda view: (view.state != "running", view.state != "queued"))


def _job_view(job: Job) -> JobView:
    return JobView(
        key=job.key,
        kind=job.kind,
        name=job.name,
        collection=job.collection,
        state=job.state,
        reason=job.reason,
        document=job.document,
        page=job.page,
        pages=job.pages,
        failed_pages=job.failed_pages,
        pages_per_second=round(job.pages_per_second, 2),
        seconds_left=job.seconds_left,
        can_retry=job.can_retry,
    )
