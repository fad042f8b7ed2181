"""Who works on a library, and whether they live: each opening that takes up work locks a small file of its own.

The system releases the lock when the process ends, however it ends. So neither the machine's name nor process numbers
decide, which change when a container is made anew and may be the same in two of them.
"""

import re
import secrets
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import IO

from colvision.errors import LibraryLocked
from colvision.store.file_lock import Holder, try_lock

FOLDER = "workers"  # in the library; its files are empty, and removed when their worker ends or is found dead
_NAME = re.compile(r"([0-9a-f]{16}) (.+ process (\d+)/\d+)")
_TRIES = 10  # who looks for dead workers may lock a file before its owner does


def holder_of(worker: str) -> str:
    """The process behind a worker's name, as a message shows it."""
    match = _NAME.fullmatch(worker)
    return match[2] if match else worker


def process_of(worker: str) -> int | None:
    """The number of a worker's process, as its own machine or container counts; None where its name says none."""
    holder = Holder.parse(holder_of(worker))
    return holder.pid if holder is not None else None


class Workers:
    """The workers of a library; one of them is this opening of it. Safe to share between threads."""

    def __init__(self, library: Path) -> None:
        self._folder = library / FOLDER
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._name = ""
        self._finalizer: weakref.finalize[[IO[bytes]], Workers] | None = None

    def current(self) -> str:
        """The name of this one, by which rows say who works on them; it is alive from now on, until `close`.

        Raises `OSError` where nothing can be written, `LibraryLocked` on a disk without locks.
        """
        with self._lock:
            if self._file is None:
                self._folder.mkdir(exist_ok=True)
                self._sweep()
                self._file = self._enter()
                self._name = f"{Path(self._file.name).name} {Holder.current()}"
                self._finalizer = weakref.finalize(self, _remove, self._file)  # of a library that nobody closes
                self._finalizer.atexit = False  # a forked child that ends is not this worker
            return self._name

    def _enter(self) -> IO[bytes]:
        for _ in range(_TRIES):
            file = (self._folder / secrets.token_hex(8)).open("xb")
            if try_lock(file) and Path(file.name).exists():
                return file
            file.close()
        raise LibraryLocked(f"files in {self._folder} cannot be locked: put the library on a disk that has locks")

    def is_current(self, worker: str) -> bool:
        return bool(worker) and worker == self._name

    def is_alive(self, worker: str) -> bool | None:
        """Whether somebody works under this name; None where that cannot be known.

        Up to format 3 a name was a process of a machine, which only that machine knows of.
        """
        if match := _NAME.fullmatch(worker):
            return self.is_current(worker) or not _remove_dead(self._folder / match[1])
        holder = Holder.parse(worker)
        return holder.is_alive() if holder is not None and holder.is_local() else None

    def _sweep(self) -> None:
        for path in list(self._folder.iterdir()):
            _remove_dead(path)

    def close(self) -> None:
        """Works no more."""
        with self._lock:
            if self._finalizer is not None:
                self._finalizer()
                self._file, self._name, self._finalizer = None, "", None


def _remove_dead(path: Path) -> bool:
    """Removes the file of a worker that has ended; False while it lives."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return True
    except OSError:
        return False
    if not try_lock(file, shared=True):
        file.close()
        return False
    _remove(file)
    return True


def _remove(file: IO[bytes]) -> None:
    """Under its lock, so that no owner takes it at that moment; Windows removes no open file, and gives none away."""
    path = Path(file.name)
    if sys.platform != "win32":
        with suppress(OSError):
            path.unlink()
    with suppress(OSError):
        file.close()
        path.unlink(missing_ok=True)
