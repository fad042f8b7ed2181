"""What a disk refuses, as errors that say what to do; and the room that is kept free on it."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from colvision.errors import DiskError, DiskFull, LibraryError, LibraryLocked, LibraryReadOnly

KEEP_FREE = 2**30  # bytes of the disk that an ingest leaves to others
_KEEP_FREE_SHARE = 0.05  # of a small disk: no more than this
_RESERVE_NAME = "catalog.reserve"
_RESERVE_BYTES = 4 << 20  # SQLite's log of a deleted document: its rows, and the words of 10,000 pages
_LENT_BYTES = 128 << 10  # the files that SQLite makes beside an open catalogue
_MEANINGS: Mapping[int, type[LibraryError]] = {  # of the system's errors
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), DiskFull),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), LibraryReadOnly),
}
_SQLITE_MEANINGS: Mapping[int, type[LibraryError]] = {
    sqlite3.SQLITE_FULL: DiskFull,
    sqlite3.SQLITE_READONLY: LibraryReadOnly,
    sqlite3.SQLITE_BUSY: LibraryLocked,
}
_ADVICE: Mapping[type[LibraryError], str] = {
    DiskFull: "the disk is full: make room, by deleting documents for example",
    LibraryReadOnly: "give access, or copy it to a disk that can be written",
    DiskError: "make room or look after the disk",
}
_PRIMARY = 0xFF  # SQLite's error codes carry details above the lowest byte
SQLITE_TROUBLE = {
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR),
    *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL),
}


def sqlite_code(error: sqlite3.Error) -> int:
    """SQLite's primary code of an error."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY


def meaning_of(error: OSError | sqlite3.Error) -> type[LibraryError]:
    """What the system or SQLite means: `DiskFull`, `LibraryReadOnly`, `LibraryLocked`; `DiskError` for all else."""
    if isinstance(error, sqlite3.Error):
        return _SQLITE_MEANINGS.get(sqlite_code(error), DiskError)
    return _MEANINGS.get(error.errno or 0, DiskError)


def disk_error(folder: Path, error: OSError | sqlite3.Error) -> LibraryError:
    """The same as an error that says what to do about the library in a folder."""
    meaning = meaning_of(error)
    if meaning is LibraryLocked:
        return LibraryLocked(f"library {folder} is busy ({error}): try again in a moment")
    return meaning(
        f"library {folder} could not be written ({error}): nothing that was stored is lost; {_ADVICE[meaning]}, "
        "then do the same again"
    )


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Raises what `disk_error` says for what the system refuses within the block."""
    try:
        yield
    except OSError as error:
        raise disk_error(folder, error) from error


def kept_free(folder: Path, keep_free: int = KEEP_FREE) -> int:
    """How many bytes of the disk stay free: `keep_free`, and at most 5 % of it."""
    return min(keep_free, int(shutil.disk_usage(folder).total * _KEEP_FREE_SHARE))


def check_room(folder: Path, *, keep_free: int, needed: int = 0) -> None:
    """Raises `DiskFull` unless `keep_free` bytes stay free (at most 5 % of the disk) when `needed` are written."""
    with disk_errors(folder):
        free, kept = shutil.disk_usage(folder).free, kept_free(folder, keep_free)
    if free - needed < kept:
        raise DiskFull(
            f"the disk of library {folder} has {free >> 20:,} MB left; {kept >> 20:,} MB are to stay "
            f"free, beside {needed / 2**20:,.1f} MB to be stored: make room, or keep less free (--keep-free), then do "
            "the same again; what was stored stays"
        )


class Reserve:
    """A file that holds some room of the disk, to be given up when documents are deleted to make room."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _RESERVE_NAME

    def make(self) -> None:
        """Unless it is there, or there is no room for it."""
        with suppress(OSError):
            if not self._path.exists():
                try:
                    self._path.write_bytes(os.urandom(_RESERVE_BYTES))  # zeros might take no room
                except OSError:
                    self._path.unlink(missing_ok=True)

    @contextmanager
    def released(self) -> Iterator[None]:
        """Gives it up for the length of the block."""
        if not self._path.exists():
            yield
            return
        with suppress(OSError):
            self._path.unlink()
        try:
            yield
        finally:
            self.make()

    def lend(self) -> bool:
        """A little of it, to open the library with; False where there is none."""
        try:
            with self._path.open("r+b") as file:
                size = self._path.stat().st_size
                file.truncate(max(0, size - _LENT_BYTES))
        except OSError:
            return False
        return size > 0
