"""The queue of jobs: what each needs, which process works on it, its progress. States survive a restart.

Each change is a short transaction of its own, outside the writer lock.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from colvision.core.metadata import Metadata, check_metadata, metadata_text
from colvision.core.names import normal_name
from colvision.store import uploads
from colvision.store.catalogue import Catalogue, Row, Value
from colvision.store.file_lock import Holder
from colvision.store.identity import clean_collection_name, new_id
from colvision.store.rows.statements import now

JobKind = Literal["file", "resume", "reencode"]
JobState = Literal["queued", "running", "ready", "failed", "cancelled"]

LEASE_SECONDS = 300.0  # silence after which a worker of another machine counts as dead: a slow page takes a minute
_ACTIVE = "state IN ('queued', 'running')"
_COLUMNS = (
    *("key", "kind", "path", "name", "collection", "metadata", "replaces", "state", "reason", "document"),
    *("page", "pages", "failed_pages", "pages_per_second", "cancel", "worker", "queued", "finished"),
)


@dataclass(frozen=True, slots=True)
class Job:
    """A "file" to ingest, a document to "resume" from its kept file, or a collection to "reencode".

    `path` is that of a file, None for the others. `document` is the id of the one that is resumed, or that a file
    becomes: a new one when it is claimed, "" if it becomes none. `page` of `pages` are done. `metadata` is None where
    none was given. `cancel`: it is to stop.
    """

    key: int
    kind: JobKind
    path: Path | None
    name: str
    collection: str
    metadata: Metadata | None
    replace: bool
    state: JobState
    reason: str
    document: str
    page: int
    pages: int
    failed_pages: int
    pages_per_second: float
    cancel: bool
    worker: str
    queued: str
    finished: str

    @property
    def pid(self) -> int | None:
        """The process that works on it, if that runs on this machine."""
        holder = Holder.parse(self.worker)
        return holder.pid if holder is not None and holder.is_local() else None

    @property
    def seconds_left(self) -> float | None:
        """To its end at the speed so far; None before that is known."""
        return (self.pages - self.page) / self.pages_per_second if self.pages_per_second else None


class JobQueue:
    """The jobs of a library, in the order in which they were added.

    A file in the folder `uploads` belongs to its job: it is removed when the job ends.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._db = catalogue
        self._folder = catalogue.folder.resolve()
        self.uploads = self._folder / uploads.FOLDER

    def queue(
        self,
        path: str | Path,
        name: str,
        *,
        collection: str = "default",
        metadata: Metadata | None = None,
        replace: bool = False,
    ) -> Job:
        """Adds a file to ingest; `name` is what the user calls it. Raises `ValueError` for an unfit collection name."""
        collection, name = clean_collection_name(collection), normal_name(name)
        text = None if metadata is None else metadata_text(check_metadata(metadata))
        sql = "INSERT INTO jobs (kind, path, name, collection, metadata, replaces, queued) VALUES (?, ?, ?, ?, ?, ?, ?)"
        values = ["file", uploads.row_path(self._folder, Path(path)), name, collection, text, replace, now()]
        with self._db.write():
            key = self._db.insert(sql, values)
        return self.get(key)

    def queue_resume(self, document: str, name: str, *, collection: str = "default") -> Job:
        """Adds the missing pages of a document (an id); a job that waits or runs for them is returned instead."""
        return self._queue_once("resume", (name, collection, document), "document = ?", [document])

    def queue_reencoding(self, collection: str) -> Job:
        """Adds the re-encoding of a collection; one that waits or runs already is returned instead."""
        same = "kind = 'reencode' AND collection = ?"
        return self._queue_once("reencode", (collection, collection, ""), same, [collection])

    def _queue_once(self, kind: JobKind, columns: tuple[str, str, str], same: str, values: Sequence[Value]) -> Job:
        """`columns` are name, collection and document; of the `same` jobs (SQL) those that have ended are deleted."""
        sql = (
            "INSERT INTO jobs (kind, path, name, collection, document, replaces, queued) VALUES (?, '', ?, ?, ?, 0, ?)"
        )
        with self._db.write():
            if waiting := self._select(f"{same} AND {_ACTIVE} AND NOT cancel", values):
                return waiting[0]
            self._db.execute(f"DELETE FROM jobs WHERE {same} AND NOT {_ACTIVE}", values)
            key = self._db.insert(sql, [kind, *columns, now()])
        return self.get(key)

    def get(self, key: int) -> Job:
        """Raises `ValueError` for a job that there is not."""
        found = self._select("key = ?", [key])
        if not found:
            raise ValueError(f"no job {key} in this library")
        return found[0]

    def refresh(self, job: Job) -> Job:
        """A claimed job as it is now, still with the worker that claimed it; one that is deleted is cancelled."""
        found = self._select("key = ?", [job.key])
        return replace(found[0], worker=job.worker) if found else replace(job, cancel=True)

    def all(self) -> list[Job]:
        """All jobs, oldest first."""
        return self._select("TRUE", [])

    def active(self) -> list[Job]:
        """Those that wait or are worked on, oldest first."""
        return self._select(_ACTIVE, [])

    def claim(self, worker: str | None = None, *, lease_seconds: float = LEASE_SECONDS) -> Job | None:
        """Claims the oldest job that waits or whose worker has died; None when there is nothing to do.

        `worker` names the caller, None this process: others see at once that such a worker has died, and of any other
        name only by its silence for `lease_seconds`. A claimed job is for `Library.run_job`.
        """
        # Cancelled, and nobody has ended it, or will: claimed again, a deleted document would come back.
        for job in self._select(f"cancel AND {_ACTIVE}", []):
            if job.state == "queued" or self._is_abandoned(job, lease_seconds):
                self._end("key = ?", [job.key], "cancelled")
        with self._db.write():
            for job in self._select(f"NOT cancel AND {_ACTIVE}", []):
                if job.state == "queued" or self._is_abandoned(job, lease_seconds):
                    sql = "state = 'running', worker = ?, heartbeat = ?, document = ?, pages_per_second = 0"
                    document = new_id() if job.kind == "file" and not job.document else job.document
                    values: list[Value] = [worker or str(Holder.current()), time.time(), document, job.key]
                    self._db.execute(f"UPDATE jobs SET {sql} WHERE key = ?", values)
                    return self.get(job.key)
        return None

    def report_progress(
        self,
        job: Job,
        *,
        page: int,
        pages: int,
        failed: int = 0,
        pages_per_second: float = 0.0,
        document: str = "",
    ) -> bool:
        """Records the progress of a claimed job; False: stop, it was cancelled or claimed by another worker."""
        sql = """
            UPDATE jobs SET page = ?, pages = ?, failed_pages = ?, pages_per_second = ?, heartbeat = ?, document = ?
            WHERE key = ? AND worker = ? AND state = 'running' AND NOT cancel"""
        values: list[Value] = [page, pages, failed, pages_per_second, time.time(), document or job.document]
        with self._db.write():
            return self._db.execute(sql, [*values, job.key, job.worker]) == 1

    def finish(self, job: Job, state: JobState, *, reason: str = "", document: str | None = None) -> Job:
        """Ends a claimed job as ready, failed or cancelled, and returns it as it is then.

        `document` None keeps the one that is known. Nothing is done when another worker has claimed the job.
        """
        claimed = "key = ? AND worker = ? AND state = 'running'"
        ended = self._end(claimed, [job.key, job.worker], state, reason=reason, document=document)
        return next(iter(ended or self._select("key = ?", [job.key])), job)

    def cancel(self, key: int, *, dismiss: bool = False) -> None:
        """A waiting job ends at once; a running one is to stop; an ended one stays as it is.

        With `dismiss` it is deleted as soon as it has ended.
        """
        sql = f"UPDATE jobs SET cancel = 1, dismissed = dismissed OR ? WHERE key = ? AND {_ACTIVE}"
        with self._db.write():
            self._db.execute(sql, [dismiss, key])
        self._end("key = ? AND state = 'queued'", [key], "cancelled")
        if dismiss:
            self.dismiss(key)

    def dismiss(self, key: int) -> None:
        """Deletes a job that has ended."""
        with self._db.write():
            self._db.execute(f"DELETE FROM jobs WHERE key = ? AND NOT {_ACTIVE}", [key])

    def _end(
        self, where: str, values: Sequence[Value], state: JobState, *, reason: str = "", document: str | None = None
    ) -> list[Job]:
        """Ends the jobs that `where` (SQL) holds for, and removes their uploads; dismissed ones are deleted."""
        sql = "UPDATE jobs SET state = ?, reason = ?, document = coalesce(?, document), finished = ? WHERE key = ?"
        ended = []
        with self._db.write():
            for job in self._select(where, values):
                self._db.execute(sql, [state, reason, document, now(), job.key])
                ended.append(self.get(job.key))
                self._db.execute("DELETE FROM jobs WHERE key = ? AND dismissed", [job.key])
        for job in ended:  # a kill before this leaves a file without a job
            if job.path is not None and job.path.parent == self.uploads:
                job.path.unlink(missing_ok=True)
        return ended

    def _select(self, where: str, values: Sequence[Value]) -> list[Job]:
        found = self._db.all(f"SELECT {', '.join(_COLUMNS)} FROM jobs WHERE {where} ORDER BY key", values)
        return [self._job(row) for row in found]

    def _job(self, row: Row) -> Job:
        values = dict(zip(_COLUMNS, row, strict=True))
        path, metadata = values.pop("path"), values.pop("metadata")
        return Job(
            path=self._folder / path if path else None,
            metadata=None if metadata is None else json.loads(metadata),
            replace=bool(values.pop("replaces")),
            cancel=bool(values.pop("cancel")),
            **values,
        )

    def _is_abandoned(self, job: Job, lease_seconds: float) -> bool:
        holder = Holder.parse(job.worker)
        if holder is not None and holder.is_local():
            return not holder.is_alive()
        silence = time.time() - float(self._db.one("SELECT heartbeat FROM jobs WHERE key = ?", [job.key])[0])
        return silence > lease_seconds
