"""One writer at a time: a lock file that names its holder and that the system releases when the holder dies."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from colvision.errors import LibraryLocked

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK_SECONDS = 60.0  # a commit takes under a second; a busy disk may take longer
_POLL_SECONDS = 0.02
_LOCKED_BYTE = 1 << 20  # Windows locks bytes, not files: one beyond the text, which stays readable


@dataclass(frozen=True, slots=True)
class Holder:
    """A process: the machine, its number, and when it started (a number is used again after a while)."""

    host: str
    pid: int
    started: int

    @classmethod
    def current(cls) -> "Holder":
        pid = os.getpid()
        return cls(socket.gethostname(), pid, _start_time(pid))

    @classmethod
    def parse(cls, text: str) -> "Holder | None":
        """The holder that `str` turns into this text; None for any other text."""
        host, _, numbers = text.strip().rpartition(" process ")
        pid, _, started = numbers.partition("/")
        if not (host and pid.isdigit() and started.isdigit()):
            return None
        return cls(host, int(pid), int(started))

    def __str__(self) -> str:
        return f"{self.host} process {self.pid}/{self.started}"

    def is_local(self) -> bool:
        """Whether it runs on this machine: only then does `is_alive` know."""
        return self.host == socket.gethostname()

    def is_alive(self) -> bool:
        """False only when it is known to have ended: a process of another machine counts as alive."""
        return not self.is_local() or _is_running(self.pid, self.started)


def _is_running(pid: int, started: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, as another user
    current = _start_time(pid)
    return not (started and current) or started == current


def _start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 where the system does not say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])  # field 22 of proc(5); the name before it may hold spaces


@contextmanager
def file_lock(path: Path, *, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Holds the lock file at `path`, which names the holder; waits `seconds` for another one to finish.

    Raises `LibraryLocked`, naming the holder. Not reentrant; threads exclude each other as processes do.
    """
    with _open_lock_file(path) as file:
        deadline = time.monotonic() + seconds
        while not try_lock(file):
            if time.monotonic() > deadline:
                raise LibraryLocked(_lock_message(path, seconds))
            time.sleep(_POLL_SECONDS)
        _write_holder(file, str(Holder.current()))
        try:
            yield
        finally:
            _write_holder(file, "")
            _unlock(file)


def _open_lock_file(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)


def _write_holder(file: IO[bytes], text: str) -> None:
    """For whoever waits: a disk too full for a line keeps nobody from making room on it."""
    with suppress(OSError):
        file.seek(0)
        file.truncate()
        file.write(text.encode())


def _lock_message(path: Path, seconds: float) -> str:
    holder = path.read_text(encoding="utf-8", errors="replace").strip() or "another process"
    return (
        f"library {path.parent.name!r} is being written by {holder}; waited {seconds:.0f} s: try again when it is done"
    )


def try_lock(file: IO[bytes], *, shared: bool = False) -> bool:
    """Locks an open file; False when another holds it. Closing the file, and the death of its process, release it.

    Those who only look may do so at the same time with `shared` (but on Windows).
    """
    try:
        if sys.platform == "win32":
            os.lseek(file.fileno(), _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _unlock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        os.lseek(file.fileno(), _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_UN)
