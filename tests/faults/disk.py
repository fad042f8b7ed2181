"""A disk in memory that forgets what was not flushed: what a power cut may leave of a log of file operations.

A file is what it was at its last fsync, plus writes that may have reached the disk or not, whole, torn, or as zeros
(a length that grew before its bytes came). A folder is what it was at its last fsync, plus changes of names that may
have lasted or not; a rename is one change. This is less than any file system in use promises, and all that POSIX does.
SQLite's -shm file holds nothing that lasts: after a cut it is noise, which recovery must not believe.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from tests.faults.shim import Kind, Operation

Names = Literal["kept", "dropped", "some"]
Data = Literal["kept", "dropped", "torn", "zeros", "some"]
_SECTOR = 512  # bytes: what a disk writes whole
_NOISE = b"\xa5" * 32768


@dataclass(slots=True)
class Write:
    """`data` at `offset`; None cuts the file (or lets it grow) to `offset` bytes."""

    offset: int
    data: bytes | None
    number: int  # in the log: which write was the last


@dataclass(slots=True)
class File:
    safe: bytes = b""
    pending: list[Write] = field(default_factory=list)


@dataclass(slots=True)
class Folder:
    safe: "dict[str, File | Folder]" = field(default_factory=dict)
    pending: "list[dict[str, File | Folder | None]]" = field(default_factory=list)

    def now(self) -> "dict[str, File | Folder]":
        return _named(self.safe, self.pending)


Node = File | Folder


def _named(safe: Mapping[str, Node], changes: list[dict[str, Node | None]]) -> dict[str, Node]:
    merged: dict[str, Node | None] = dict(safe)
    for change in changes:
        merged |= change
    return {name: node for name, node in merged.items() if node is not None}


def _written(data: bytes, write: Write) -> bytes:
    if write.data is None:
        return data[: write.offset].ljust(write.offset, b"\0")
    return data[: write.offset].ljust(write.offset, b"\0") + write.data + data[write.offset + len(write.data) :]


def _loaded(folder: Path) -> Folder:
    nodes = {path.name: _loaded(path) if path.is_dir() else File(path.read_bytes()) for path in folder.iterdir()}
    return Folder(dict(nodes))


class Disk:
    """Takes operations one after another; `cut` says what is left if the power goes now."""

    def __init__(self) -> None:
        self.root = Folder()
        self._open: dict[int, Node] = {}
        self._number = 0

    def load(self, folder: Path) -> None:
        """Starts from what a folder holds, all of it flushed."""
        self.root = _loaded(folder)

    def take(self, operation: Operation) -> None:
        """Raises `ValueError` for an operation that the model does not know."""
        self._number += 1
        if operation.kind is Kind.STRANGE:
            raise ValueError(f"the model of the disk does not know {operation.path}")
        action = _ACTIONS.get(operation.kind)
        if action is not None:
            action(self, operation)

    def _at(self, path: str) -> Node:
        node: Node = self.root
        for part in PurePosixPath(path).parts:
            assert isinstance(node, Folder), path
            node = node.now()[part]
        return node

    def _parent(self, path: str) -> tuple[Folder, str]:
        pure = PurePosixPath(path)
        folder = self._at(str(pure.parent))
        assert isinstance(folder, Folder), path
        return folder, pure.name

    def _opened(self, operation: Operation) -> None:
        if not operation.path:
            self._open[operation.fd] = self.root
            return
        folder, name = self._parent(operation.path)
        node = folder.now().get(name)
        if node is None:
            node = File()
            folder.pending.append({name: node})
        elif operation.flags & os.O_TRUNC and isinstance(node, File):
            node.pending.append(Write(0, None, self._number))
        self._open[operation.fd] = node

    def _closed(self, operation: Operation) -> None:
        self._open.pop(operation.fd, None)

    def _wrote(self, operation: Operation) -> None:
        node = self._open[operation.fd]
        assert isinstance(node, File)
        data = None if operation.kind is Kind.TRUNCATE else operation.data
        node.pending.append(Write(operation.offset, data, self._number))

    def _synced(self, operation: Operation) -> None:
        if operation.failed:  # the system has marked the pages clean: what they held is lost for good
            return
        node = self._open[operation.fd]
        if isinstance(node, Folder):
            node.safe, node.pending = node.now(), []
            return
        for write in node.pending:
            node.safe = _written(node.safe, write)
        node.pending = []

    def _renamed(self, operation: Operation) -> None:
        (folder, old), (target, new) = self._parent(operation.path), self._parent(os.fsdecode(operation.data))
        assert folder is target, "the model knows renames within a folder only"
        folder.pending.append({old: None, new: folder.now()[old]})

    def _removed(self, operation: Operation) -> None:
        folder, name = self._parent(operation.path)
        folder.pending.append({name: None})

    def _made(self, operation: Operation) -> None:
        folder, name = self._parent(operation.path)
        folder.pending.append({name: Folder()})

    def cut(self, names: Names, data: Data, rng: np.random.Generator) -> dict[str, bytes | None]:
        """Path -> bytes, None for a folder: what the disk holds after a power cut."""
        last = max((write.number for file in _files(self.root) for write in file.pending), default=0)
        found: dict[str, bytes | None] = {}

        def walk(folder: Folder, path: str) -> None:
            changes = [c for c in folder.pending if names == "kept" or (names == "some" and rng.random() < 0.5)]
            for name, node in sorted(_named(folder.safe, changes).items()):
                here = f"{path}/{name}" if path else name
                if isinstance(node, Folder):
                    found[here] = None
                    walk(node, here)
                else:
                    found[here] = _NOISE if name.endswith("-shm") else _left(node, data, last, rng)

        walk(self.root, "")
        return found


_ACTIONS: dict[Kind, Callable[[Disk, Operation], None]] = {
    Kind.OPEN: Disk._opened,
    Kind.CLOSE: Disk._closed,
    Kind.WRITE: Disk._wrote,
    Kind.TRUNCATE: Disk._wrote,
    Kind.SYNC: Disk._synced,
    Kind.RENAME: Disk._renamed,
    Kind.UNLINK: Disk._removed,
    Kind.RMDIR: Disk._removed,
    Kind.MKDIR: Disk._made,
}


def _files(folder: Folder) -> list[File]:
    nodes = {id(node): node for change in folder.pending for node in change.values() if node is not None}
    nodes |= {id(node): node for node in folder.safe.values()}
    below = [_files(node) for node in nodes.values() if isinstance(node, Folder)]
    return [node for node in nodes.values() if isinstance(node, File)] + sum(below, [])


def _left(file: File, data: Data, last: int, rng: np.random.Generator) -> bytes:
    """What is left of a file of which `data` says how much of its unflushed writes has arrived."""
    left = file.safe
    for write in file.pending:
        chosen = data if data != "some" else rng.choice(["kept", "dropped", "torn", "zeros"])
        if data == "torn" and write.number != last:
            chosen = "kept"
        if chosen == "kept":
            left = _written(left, write)
        elif chosen == "zeros" and write.data is not None:
            left = left.ljust(write.offset + len(write.data), b"\0")
        elif chosen == "torn" and write.data is not None:
            left = _written(left, Write(write.offset, write.data[: _torn(len(write.data), data, rng)], write.number))
    return left


def _torn(size: int, data: Data, rng: np.random.Generator) -> int:
    if data == "torn":
        return size // 2
    return min(size, int(rng.integers(0, size // _SECTOR + 1)) * _SECTOR)


def lay_out(found: Mapping[str, bytes | None], folder: Path) -> None:
    """Makes `folder` hold what a cut has left, and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path, data in found.items():
        if data is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(data)
