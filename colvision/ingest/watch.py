"""A folder that is looked at again and again: which of its files are new, or other than before, and complete."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from colvision.ingest.left_out import LeftOut
from colvision.ingest.paths import Stamp, stamp_of
from colvision.ingest.sources import Unreadable, find_files

RETRY_SECONDS = 600.0  # before a file that failed is tried again as it is: a disk may have room by then


class FolderLook(NamedTuple):
    """What one look at a folder has found: files that are `ready` to be read, in the order of their names, how many
    `files` there are and how many of them are `waiting` until nobody writes to them any more, those that have `gone`
    since they were read, how many are neither PDF nor image (`left_out`), and what cannot be looked at (`trouble`, ""
    if all can).
    """

    ready: tuple[Path, ...] = ()
    files: int = 0
    waiting: int = 0
    gone: tuple[Path, ...] = ()
    left_out: int = 0
    trouble: str = ""


class FolderWatch:
    """Looks at a folder; nothing is kept but in this object, as the library knows what it has read.

    A file is ready when two looks, one after the other, have found it as long and as old as it is. The first look at a
    folder therefore finds nothing ready.
    """

    def __init__(
        self, folder: Path, *, retry_seconds: float = RETRY_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder = folder
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._last: dict[Path, Stamp] = {}  # what the last look has found
        self._read: dict[Path, Stamp] = {}
        self._again: dict[Path, float] = {}  # when those that failed are tried again

    def look(self) -> FolderLook:
        """Never raises for what is in the folder, nor where there is none just now: a disk may be away for a while."""
        if not self.folder.is_dir():
            return FolderLook(trouble=f"there is no folder {self.folder} now")
        found, left_out, troubles = self._stamps()
        due = {path for path, when in self._again.items() if when <= self._clock()}
        settled = [path for path, stamp in found.items() if self._last.get(path) == stamp]
        ready = tuple(path for path in settled if path in due or self._read.get(path) != found[path])
        gone = () if troubles else tuple(path for path in self._read if path not in found)
        for path in gone:
            self._read.pop(path)
            self._again.pop(path, None)
        self._last = found
        return FolderLook(ready, len(found), len(found) - len(settled), gone, left_out, "; ".join(troubles))

    def _stamps(self) -> tuple[dict[Path, Stamp], int, list[str]]:
        found: dict[Path, Stamp] = {}
        left_out = 0
        troubles: list[str] = []
        for each in find_files([self.folder]):
            if isinstance(each, Unreadable):
                troubles.append(f"{each.path} cannot be read: {each.reason}")
            elif isinstance(each, LeftOut):
                left_out += 1
            elif isinstance(each, Path) and (stamp := stamp_of(each)) is not None:
                found[each] = stamp
        return found, left_out, troubles

    def note_read(self, path: Path, *, failed: bool = False) -> None:
        """Takes a file that was ready as read: it is ready again when it has changed or, if it `failed`, later on."""
        self._read[path] = self._last[path]
        self._again.pop(path, None)
        if failed:
            self._again[path] = self._clock() + self._retry_seconds
