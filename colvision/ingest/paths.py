"""Paths as text that can be kept and shown: on Linux a name may hold bytes that are no UTF-8."""

import os
import re
from pathlib import Path

Stamp = tuple[int, int]  # a file's length in bytes, and when it was written last in nanoseconds
_BYTE = re.compile(rb"\\x([89a-f][0-9a-f])")


def shown_path(path: Path) -> str:
    r"""The absolute path as text; bytes that are no UTF-8 are shown as `\xe9`."""
    return os.fsencode(path.absolute()).decode("utf-8", "backslashreplace")


def is_there(shown: str) -> bool:
    """Whether there is a file at a path that was shown so; False where nobody can know."""
    as_bytes = _BYTE.sub(lambda found: bytes.fromhex(found[1].decode()), shown.encode())
    return os.path.exists(shown) or os.path.exists(as_bytes)  # noqa: PTH110  never raises


def shown(text: str) -> str:
    """A text that may name such a path."""
    return text.encode("utf-8", "backslashreplace").decode()


def stamp_of(path: Path) -> Stamp | None:
    """Changes when the file is written to; None for a file that is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
