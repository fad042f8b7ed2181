"""The preloaded library that sees, fails or cuts short the file operations of this process: see shim.c."""

import ctypes
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("shim.c")
_NAME = "COLVISION_SHIM"  # where a process that was started with the library finds it again
_KILL = -1
_RECORD = struct.Struct("=IIiiqII")


class Kind(IntEnum):
    OPEN, CLOSE, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, RMDIR, MKDIR, MARK, STRANGE, READ = range(1, 13)


class Operation(NamedTuple):
    """One line of the log; `data` is what was written, the new name, or what was marked."""

    kind: Kind
    failed: bool
    fd: int
    flags: int
    offset: int
    path: str
    data: bytes


def missing() -> str:
    """Why this machine cannot build or load the library; "" when it can."""
    if not sys.platform.startswith("linux"):
        return "file operations are watched on Linux only"
    return "" if shutil.which("gcc") else "no gcc here: file operations cannot be watched"


def build(folder: Path) -> Path:
    """Compiles the library into a folder."""
    library = folder / "shim.so"
    command = ["gcc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl", "-lpthread"]
    subprocess.run(command, check=True)
    return library


def environment(library: Path) -> dict[str, str]:
    """The variables with which a process starts that has the library loaded."""
    return {"LD_PRELOAD": str(library), _NAME: str(library)}


class Shim:
    """The loaded library; `arm` watches what this process (and no child of it) does below a folder."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(os.environ[_NAME])
        self._library.arm.argtypes = [ctypes.c_char_p] + [ctypes.c_int] * 4 + [ctypes.c_long]
        self._library.calm.restype = ctypes.c_long
        self._library.mark.argtypes = [ctypes.c_char_p, ctypes.c_size_t]

    def arm(
        self, root: Path, *, log: int = -1, error: int = _KILL, sticky: bool = False, reads: bool = False, at: int = 0
    ) -> None:
        """Logs to the descriptor `log`; operation number `at` (from 1) fails with `error`, by default kills.

        `sticky`: so do all later ones that need room, until `calm`. `reads` counts only what reads.
        """
        self._library.arm(os.fsencode(root), log, error, sticky, reads, at)

    def calm(self) -> int:
        """Ends the failing; returns how many operations there were."""
        return int(self._library.calm())

    def is_past(self) -> bool:
        """Whether the operation that was to fail has been."""
        return bool(self._library.past())

    def mark(self, data: bytes) -> None:
        """Puts a line of our own between the operations."""
        self._library.mark(data, len(data))


def read_log(path: Path) -> Iterator[Operation]:
    data, at = path.read_bytes(), 0
    while at < len(data):
        kind, failed, fd, flags, offset, names, size = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        name = os.fsdecode(data[at : at + names])
        at += names
        yield Operation(Kind(kind), bool(failed), fd, flags, offset, name, data[at : at + size])
        at += size
