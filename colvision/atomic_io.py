"""Files that are either complete or not there at all, also after a power cut.

A file is written under a temporary name, flushed to the disk, renamed, and its folder flushed: a name without
the ending `.tmp` is a complete file.
"""

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

TEMPORARY_SUFFIX = ".tmp"


def atomic_write(path: Path, parts: Iterable[bytes | memoryview]) -> str:
    """Writes one file; returns the sha256 of its bytes in hex. The folder must exist."""
    checksum = atomic_write_many([(path, parts)])[0]
    sync_folder(path.parent)
    return checksum


def atomic_write_many(files: Iterable[tuple[Path, Iterable[bytes | memoryview]]]) -> list[str]:
    """Writes several files; their folders are not flushed yet, which is for `sync_folder`.

    All are written before the first is flushed: a journalling file system then flushes once for most of them.
    """
    written = [(path, *_write_temporary(path, parts)) for path, parts in files]
    for path, temporary, _ in written:
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    return [checksum for _, _, checksum in written]


def _write_temporary(path: Path, parts: Iterable[bytes | memoryview]) -> tuple[Path, str]:
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    digest = hashlib.sha256()
    try:
        with temporary.open("wb") as file:
            for part in parts:
                file.write(part)
                digest.update(part)
    except OSError:
        temporary.unlink(missing_ok=True)  # the disk is full: half a file must not fill it
        raise
    return temporary, digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Flushes the names in a folder to the disk; Windows cannot."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Makes a folder and flushes its name, unless it exists; its parent must exist."""
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to: renamed to `path` at the end of the block, removed after an error.

    Several processes may write the same file, and none disturbs another; it is not flushed to the disk.
    """
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
