"""What bodies on their way have taken of the queue and of the disk: before they come, so that no two take the same."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from colvision.errors import DiskFull, LibraryReadOnly, LimitExceeded, QueueFull
from colvision.library import Job
from colvision.store.disk import KEEP_FREE, check_room, kept_free

from .opened import OpenLibrary
from .settings import Busy, Quota


def disk_trouble(library: Path) -> str:
    """Why the disk of a library lets no document be read now, "" where it does."""
    try:
        check_room(library, keep_free=KEEP_FREE)
    except DiskFull:
        free = shutil.disk_usage(library).free
        return f"the disk has {free >> 20:,} MB left, too little to read documents: make room, and they are read"
    return ""


class Arrival:
    """A body on its way to the file `path`: `name` is what its sender calls it.

    Its `promised` bytes are kept free for it until it has them. One that `is_upload` has a place in the queue until it
    `is_queued`; the others are images to search with.
    """

    def __init__(
        self, budgets: "Budgets", path: Path, name: str, *, size: int | None, limit: int, is_upload: bool
    ) -> None:
        self.path = path
        self.name = name
        self.promised = size or 0
        self.is_upload = is_upload
        self.is_queued = False
        self._budgets = budgets
        self._limit = limit
        self._counted = self._last = 0
        self._check_limit(self.promised)

    @property
    def owed(self) -> int:
        """Bytes that were promised, and are not in the file for certain: those counted last may be on their way."""
        return self.promised - (self._counted - self._last)

    def count(self, size: int) -> None:
        """Call it before so many further bytes are written. Raises `LimitExceeded`, `DiskFull`."""
        self._check_limit(self._counted + size)
        self._budgets.allow(self, self._counted + size - self.promised, size)
        self._counted, self._last = self._counted + size, size

    def _check_limit(self, size: int) -> None:
        if size > self._limit:
            raise LimitExceeded(
                f"{self.name} is larger than the limit of {self._limit >> 20:,} MB: make it smaller, or split it"
            )

    def queue(self, add: Callable[[], Job]) -> Job:
        """Adds the job that reads the file: the place in the queue becomes that job, and is never counted twice."""
        return self._budgets.fill(self, add)


class Budgets:
    """Those of one server. What another one on the same library has queued, and taken of the disk, counts as well."""

    def __init__(self, library: OpenLibrary, quota: Quota) -> None:
        self._library = library
        self._quota = quota
        self._arrivals: set[Arrival] = set()
        self._lock = threading.Lock()  # for `_arrivals`, held for a moment
        self._queue_lock = threading.Lock()  # between a look at the queue and a change of it

    @contextmanager
    def admit(self, path: Path, name: str, *, size: int | None, limit: int, is_upload: bool) -> Iterator[Arrival]:
        """Takes what a body of `size` bytes needs (None: not known, it is taken as they come) while the block runs.

        The file at `path` is removed at its end, unless it was queued. Raises `Busy`, `DiskFull`, `LimitExceeded`.
        """
        self.check_writable()
        arrival = Arrival(self, path, name, size=size, limit=limit, is_upload=is_upload)
        with self._queue_lock:
            waiting = len(self._library.jobs.active()) if is_upload else 0
            with self._lock:
                self._check_count(arrival, waiting)
                self._check_disk(arrival, arrival.promised)
                self._arrivals.add(arrival)
        try:
            yield arrival
        finally:
            with self._lock:
                self._arrivals.remove(arrival)
            if not arrival.is_queued:
                path.unlink(missing_ok=True)

    def add(self, name: str, add: Callable[[], Job]) -> Job:
        """Adds a job for which no body comes. Raises `Busy`, `LibraryReadOnly`."""
        self.check_writable()
        with self._queue_lock:
            waiting = len(self._library.jobs.active())
            with self._lock:
                self._check_queue(name, waiting)
            return add()

    def check_writable(self) -> None:
        """Raises `LibraryReadOnly`."""
        if self._library.read_only:
            raise LibraryReadOnly(f"library {self._library.path} cannot be written: copy it to a disk where it can")

    def allow(self, arrival: Arrival, beyond: int, size: int) -> None:
        """Lets an arrival write `size` bytes, `beyond` of them more than were promised. Raises `DiskFull`."""
        with self._lock:
            if beyond > 0:
                self._check_disk(arrival, beyond)
                arrival.promised += beyond
            if self._free() - size < self._kept():  # another program has taken what was promised
                raise self._disk_error(arrival.name)

    def fill(self, arrival: Arrival, add: Callable[[], Job]) -> Job:
        """See `Arrival.queue`."""
        with self._queue_lock:
            try:
                job = add()
            except QueueFull as error:  # by another server on this library
                raise self._queue_error(arrival.name, error.waiting) from error
            with self._lock:
                arrival.is_queued = True
        return job

    def _check_count(self, arrival: Arrival, waiting: int) -> None:
        if arrival.is_upload:
            self._check_queue(arrival.name, waiting)
        elif sum(not each.is_upload for each in self._arrivals) >= self._quota.arriving_images:
            raise Busy(f"{self._quota.arriving_images} images are on their way: send {arrival.name} again in a moment")

    def _check_queue(self, name: str, waiting: int) -> None:
        waiting += sum(each.is_upload and not each.is_queued for each in self._arrivals)
        if waiting >= self._quota.queue:
            raise self._queue_error(name, waiting)

    def _queue_error(self, name: str, waiting: int) -> Busy:
        return Busy(f"{waiting} files are waiting, the limit is {self._quota.queue}: add {name} when some are done")

    def _check_disk(self, arrival: Arrival, more: int) -> None:
        """What is promised to others stays theirs; and what is read is copied before the upload is removed."""
        owed = sum(each.owed for each in self._arrivals)
        copied = max((each.promised for each in self._arrivals), default=0)
        if self._free() - owed - more - max(copied, arrival.promised, more) < self._kept():
            raise self._disk_error(arrival.name)

    def _free(self) -> int:
        return shutil.disk_usage(self._library.path).free

    def _kept(self) -> int:
        own = self._quota.free_bytes
        return kept_free(self._library.path) if own is None else own

    def _disk_error(self, name: str) -> DiskFull:
        return DiskFull(
            f"the disk has {self._free() >> 20:,} MB left, of which {self._kept() >> 20:,} MB stay free: "
            f"too little to take {name} in: make room first"
        )
