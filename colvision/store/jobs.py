"""Work that waits: files to ingest, who works on them, how far they are. States survive a restart.

Each change is a short transaction of its own, outside the writer lock.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from colvision.store.catalogue import Catalogue, Row, Value
from colvision.store.lock import Holder
from colvision.store.rows import now

State = Literal["queued", "running", "ready", "failed", "cancelled"]

LEASE_SECONDS = 300.0  # silence after which a worker of another machine counts as dead: a slow page takes a minute
_COLUMNS = (
    "key, path, name, collection, replaces, state, reason, document, page, pages, failed_pages, pages_per_second, "
    "cancel, worker, queued, finished"
)


@dataclass(frozen=True, slots=True)
class Job:
    """One file to ingest, or a collection to encode again: such a job has no `path`.

    `page` of `pages` are done, `document` is the id of what a file became.
    """

    key: int
    path: str
    name: str
    collection: str
    replace: bool
    state: State
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
    def is_reencoding(self) -> bool:
        return not self.path

    @property
    def seconds_left(self) -> float | None:
        """None before the speed is known."""
        return (self.pages - self.page) / self.pages_per_second if self.pages_per_second else None


def _job(row: Row) -> Job:
    values = list(row)
    values[4], values[12] = bool(row[4]), bool(row[12])
    return Job(*values)


class Jobs:
    """The jobs of a library."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._db = catalogue

    def queue(self, path: str, name: str, *, collection: str = "default", replace: bool = False) -> Job:
        """Adds a file to the end of the queue; `name` is what the user calls it."""
        sql = "INSERT INTO jobs (path, name, collection, replaces, queued) VALUES (?, ?, ?, ?, ?)"
        with self._db.write():
            key = self._db.insert(sql, [path, name, collection, replace, now()])
        return self.get(key)

    def queue_reencoding(self, collection: str) -> Job:
        """Adds the encoding again of a whole collection, from the kept files."""
        return self.queue("", collection, collection=collection)

    def get(self, key: int) -> Job:
        """Raises `ValueError` for a job that there is not."""
        found = self._select("key = ?", [key])
        if not found:
            raise ValueError(f"no job {key} in this library")
        return found[0]

    def all(self, *, states: Sequence[State] = ()) -> list[Job]:
        """All jobs, or those in one of the `states`, oldest first."""
        return self._select(f"state IN ({', '.join('?' * len(states))})" if states else "TRUE", states)

    def claim(self, worker: str, *, lease_seconds: float = LEASE_SECONDS) -> Job | None:
        """Takes the oldest job that waits or whose worker has died; None when there is nothing to do.

        `worker` names the caller: `str(Holder.current())` lets others see at once that it died; of any other name
        only silence for `lease_seconds` tells.
        """
        with self._db.write():
            self._end_cancelled(lease_seconds)
            waiting = self._select("state = 'queued' OR state = 'running'", [])
            job = next(
                (job for job in waiting if job.state == "queued" or self._is_abandoned(job, lease_seconds)), None
            )
            if job is None:
                return None
            sql = "UPDATE jobs SET state = 'running', worker = ?, heartbeat = ?, pages_per_second = 0 WHERE key = ?"
            self._db.execute(sql, [worker, time.time(), job.key])
            return self.get(job.key)

    def progress(self, job: Job, *, page: int, pages: int, failed: int = 0, pages_per_second: float = 0.0) -> bool:
        """Notes how far a claimed job is; False asks to stop: it was cancelled, or another worker has taken it."""
        sql = """
            UPDATE jobs SET page = ?, pages = ?, failed_pages = ?, pages_per_second = ?, heartbeat = ?
            WHERE key = ? AND worker = ? AND state = 'running' AND NOT cancel"""
        values: list[Value] = [page, pages, failed, pages_per_second, time.time(), job.key, job.worker]
        with self._db.write():
            return self._db.execute(sql, values) == 1

    def finish(self, job: Job, state: State, *, reason: str = "", document: str = "") -> None:
        """Ends a claimed job as ready, failed or cancelled; does nothing when another worker has taken it."""
        sql = """
            UPDATE jobs SET state = ?, reason = ?, document = ?, finished = ?
            WHERE key = ? AND worker = ? AND state = 'running'"""
        with self._db.write():
            self._db.execute(sql, [state, reason, document, now(), job.key, job.worker])

    def cancel(self, key: int) -> None:
        """A waiting job ends at once; a running one is asked to stop; an ended one stays as it is."""
        with self._db.write():
            self._db.execute("UPDATE jobs SET cancel = 1 WHERE key = ? AND state IN ('queued', 'running')", [key])
            sql = "UPDATE jobs SET state = 'cancelled', finished = ? WHERE key = ? AND state = 'queued'"
            self._db.execute(sql, [now(), key])

    def forget(self, key: int) -> None:
        """Removes an ended job from the list."""
        with self._db.write():
            self._db.execute("DELETE FROM jobs WHERE key = ? AND state NOT IN ('queued', 'running')", [key])

    def _end_cancelled(self, lease_seconds: float) -> None:
        """Ends what was cancelled and has no worker left to end it: done again, a deleted document would come back."""
        for job in self._select("state = 'running' AND cancel", []):
            if self._is_abandoned(job, lease_seconds):
                sql = "UPDATE jobs SET state = 'cancelled', finished = ? WHERE key = ?"
                self._db.execute(sql, [now(), job.key])

    def _select(self, where: str, values: Sequence[Value]) -> list[Job]:
        return [_job(row) for row in self._db.all(f"SELECT {_COLUMNS} FROM jobs WHERE {where} ORDER BY key", values)]

    def _is_abandoned(self, job: Job, lease_seconds: float) -> bool:
        holder = Holder.parse(job.worker)
        if holder is not None and holder.is_here():
            return not holder.is_alive()
        silent = time.time() - float(self._db.one("SELECT heartbeat FROM jobs WHERE key = ?", [job.key])[0])
        return silent > lease_seconds
