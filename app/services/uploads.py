"""What comes in: uploads, the sample manual, documents to go on with, collections to encode again; and their jobs."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace as changed
from functools import partial
from pathlib import Path

from colvision.core.metadata import Metadata, merge_metadata, metadata_text
from colvision.errors import ColvisionError
from colvision.library import Job
from colvision.pdf import inspect_file
from colvision.store.identity import clean_document_name

from ..budgets import Arrival, Budgets
from ..opened import OpenLibrary
from ..settings import LimitReached, Quota, sample_files
from ..views import JobView
from .spool import Spool

_SAMPLE_MARK = ".sample"  # in the library: the sample manual was once loaded, and may have been deleted on purpose
_WAITING = ("queued", "running")


class JobNotFound(ColvisionError):
    """No job of this key: it never was, or was taken off the list."""


class AlreadyHere(ColvisionError):
    """A file has the bytes of a document that is here already, and whole."""


class Uploads:
    """The queue of one library, as the application fills it."""

    def __init__(self, library: OpenLibrary, quota: Quota, budgets: Budgets) -> None:
        self._library = library
        self._quota = quota
        self._budgets = budgets
        self.spool = Spool(library.jobs.uploads)
        self.spool.sweep(lambda: {job.path for job in library.jobs.all()})

    @contextmanager
    def admit(self, name: str, size: int | None) -> Iterator[Arrival]:
        """Takes a place in the queue, and room for `size` bytes (None: not known), before a file comes.

        Write to the `path` of what is given, after its `count`, then `upload` it, all within the block. Raises `Busy`,
        `DiskFull`, `LimitExceeded`, `LibraryReadOnly`.
        """
        shown, limit = clean_document_name(name), self._quota.file_bytes
        path = self.spool.new(shown)
        with (
            self._budgets.admit(path, shown, size=size, limit=limit, is_upload=True) as arrival,
            self.spool.arriving(path),
        ):
            yield arrival

    def check_metadata(self, metadata: Metadata) -> None:
        """Raises `LimitReached` for more than may be noted with a file."""
        length, most = len(metadata_text(metadata)), self._quota.metadata_characters
        if length > most:
            raise LimitReached(
                f"what is noted with the file takes {length:,} characters as JSON, the limit is {most:,}"
            )

    def upload(
        self,
        arrival: Arrival,
        *,
        collection: str = "default",
        metadata: Metadata | None = None,
        replace: bool = False,
    ) -> JobView:
        """Queues a file that has arrived; `metadata` is noted with the document that it becomes.

        Raises the errors of `inspect_file`, `AlreadyHere` for a file that is a whole document here already, and
        `ValueError` for what no metadata and no collection's name can be.
        """
        inspect_file(arrival.path, name=arrival.name, limits=self._quota.limits())
        self._check_new(arrival, collection, metadata or {}, replace=replace)
        return self._queue(arrival, collection, metadata, replace=replace)

    def _check_new(self, arrival: Arrival, collection: str, metadata: Metadata, *, replace: bool) -> None:
        """A file is read once: that it is here is told before it waits for that, unless it has something to add."""
        found = self._library.collection(collection).find_file(arrival.path)
        if found is None or found.state != "ready" or found.failed:
            return
        takes_another_place = replace and clean_document_name(arrival.name) != found.name
        if not takes_another_place and merge_metadata(found.metadata, metadata) == found.metadata:
            called = "" if found.name == arrival.name else f", as {found.name}"
            raise AlreadyHere(f"the same file is here already{called}: nothing is to be read")

    def _queue(self, arrival: Arrival, collection: str, metadata: Metadata | None, *, replace: bool) -> JobView:
        job = arrival.queue(
            lambda: self._library.jobs.queue(
                arrival.path,
                arrival.name,
                collection=collection,
                metadata=metadata or None,
                replace=replace,
                max_waiting=self._quota.queue,
            )
        )
        return _job_view(job)

    def load_sample(self) -> list[JobView]:
        """Queues the sample manual. Raises `LimitReached` where it is not installed."""
        files = sample_files()
        if not files:
            raise LimitReached("the sample manual is not installed here: drop a PDF of your own instead")
        queued = [self.add_file(path) for path in files]
        (self._library.path / _SAMPLE_MARK).touch()
        return queued

    def add_file(self, path: Path, *, collection: str = "default", replace: bool = False) -> JobView:
        """Queues a copy of a file of this machine: its path does not stand in the queue. Raises what an upload does."""
        with self.admit(path.name, path.stat().st_size) as arrival:
            shutil.copyfile(path, arrival.path)
            return self.upload(arrival, collection=collection, replace=replace)

    def _add(self, name: str, add: Callable[[], Job]) -> JobView:
        return _job_view(self._budgets.add(name, add))

    def load_sample_once(self) -> list[JobView]:
        """The same on the first start only: a sample manual that was deleted stays deleted."""
        if (self._library.path / _SAMPLE_MARK).exists() or not sample_files():
            return []
        return self.load_sample()

    def resume(self, document: str) -> JobView:
        """Queues the pages of a document that are missing or failed, once. Raises `DocumentNotFound`."""
        found = self._library.document(document)
        resume = partial(self._library.jobs.queue_resume, found.id, found.name, collection=found.collection)
        return self._add(found.name, resume)

    def reencode(self, collection: str) -> JobView:
        """Queues a collection that another encoder filled, once. Raises `CollectionNotFound`."""
        self._library.collection(collection).documents()
        return self._add(collection, partial(self._library.jobs.queue_reencoding, collection))

    def cancel(self, key: int) -> JobView:
        """Raises `JobNotFound`."""
        self._library.jobs.cancel(key)
        return _job_view(self._job(key))

    def _job(self, key: int) -> Job:
        try:
            return self._library.jobs.get(key)
        except ValueError as error:
            raise JobNotFound(str(error)) from error

    def retry(self, key: int) -> JobView:
        """Raises `JobNotFound`, `LimitReached` for a job that cannot be tried again."""
        job = self._job(key)
        if not job.can_retry:
            raise LimitReached(f"{job.name} cannot be tried again: add it anew")
        return self._add(job.name, partial(self._library.jobs.retry, key))

    def dismiss(self, key: int) -> None:
        """Takes an ended job off the list, with the upload that it may have kept. Raises `JobNotFound`."""
        self._job(key)
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

    def forget_jobs_for(self, collection: str) -> None:
        """Tells nothing more of what a collection that is gone was to be filled with."""
        for job in self._library.jobs.all():
            if job.collection == collection and job.state not in _WAITING:
                self._library.jobs.dismiss(job.key)

    def jobs(self, trouble: str = "") -> list[JobView]:
        """Jobs with something to tell: first what is worked on. `trouble` is why none is at present."""
        told = [job for job in self._library.jobs.all() if job.state != "ready" or job.reason]
        views = [_job_view(changed(job, reason=trouble) if trouble and job.state in _WAITING else job) for job in told]
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
        replace=job.replace,
    )
