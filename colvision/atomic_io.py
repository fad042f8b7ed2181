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
    """Writes one file; returns the sha256 of its bytes in hex. The folder must exist.

    Several processes may write the same file at once, and none disturbs another.
    """
    temporary = path.with_name(f"{path.name}.{uuid4().hex}{TEMPORARY_SUFFIX}")
    checksum = _write_temporary(temporary, parts)
    _keep_temporary(temporary, path)
    sync_folder(path.parent)
    return checksum


def atomic_write_many(files: Iterable[tuple[Path, Iterable[bytes | memoryview]]]) -> list[str]:
    """Writes several files, which nobody else writes; their folders are not flushed yet: that is for `sync_folder`.

    All are written before the first is flushed: a journalling file system then flushes once for most of them.
    """
    # A half that a kill leaves is written over when the file is written again.
    named = [(path.with_name(path.name + TEMPORARY_SUFFIX), path, parts) for path, parts in files]
    checksums = [_write_temporary(temporary, parts) for temporary, _, parts in named]
    for temporary, path, _ in named:
        _keep_temporary(temporary, path)
    return checksums


def _keep_temporary(temporary: Path, path: Path) -> None:
    try:
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _write_temporary(temporary: Path, parts: Iterable[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    try:
        with temporary.open("wb") as file:
            for part in parts:
                file.write(part)
                digest.update(part)
    except OSError:
        temporary.unlink(missing_ok=True)  # the disk is full: half a file must not fill it
        raise
    return digest.hexdigest()


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
