"""Files that are either wholly there or not there at all, also after a power cut.

A file is written under a temporary name, flushed to the disk, renamed, and its folder flushed: a name without
the ending `.tmp` is a whole file.
"""

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

TEMPORARY = ".tmp"


def atomic_write(path: Path, parts: Iterable[bytes | memoryview]) -> str:
    """Writes one file whole; returns the sha256 of its bytes in hex. The folder must exist."""
    checksum = atomic_write_many([(path, parts)])[0]
    sync_folder(path.parent)
    return checksum


def atomic_write_many(files: Iterable[tuple[Path, Iterable[bytes | memoryview]]]) -> list[str]:
    """Writes several files, each whole; their folders are not flushed yet: `sync_folder` makes the names last.

    All are written before the first is flushed: a journalling file system then flushes once for most of them.
    """
    written = [(path, *_write_temporary(path, parts)) for path, parts in files]
    for path, temporary, _ in written:
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    return [checksum for _, _, checksum in written]


def _write_temporary(path: Path, parts: Iterable[bytes | memoryview]) -> tuple[Path, str]:
    temporary = path.with_name(path.name + TEMPORARY)
    digest = hashlib.sha256()
    try:
        with temporary.open("wb") as file:
            for part in parts:
                file.write(part)
                digest.update(part)
    except OSError:
        temporary.unlink(missing_ok=True)  # the disk is full: what is no use must not fill it
        raise
    return temporary, digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` last; a folder cannot be flushed on Windows."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """A folder whose name lasts, like `mkdir -p` for one level."""
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A name of one's own to write to, beside `path`; left without an error the file takes that name, else it goes.

    Several processes may make the same file, and none disturbs another; it is not flushed to the disk.
    """
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
