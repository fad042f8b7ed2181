"""Folders whose files are read as they come: named by the user of this machine, looked at by the process that reads."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from colvision.atomic_io import atomic_write
from colvision.ingest.paths import shown_path
from colvision.ingest.watch import FolderLook, FolderWatch

from ..opened import OpenLibrary
from ..settings import LimitReached
from ..views import WatchedFileView, WatchedFolderView

_FILE = "watched.json"  # in the library: [[folder, collection], ...]
_REPORT = "watched-report.json"  # what the last looks have found
_LOOK_SECONDS = 3.0  # between two looks at a folder
_MOST = 20  # folders


class WatchedFolder(NamedTuple):
    """The folder as it was named, and the collection that its files are for."""

    folder: str
    collection: str


class WatchedFolders:
    """Those of one library: a file in it, which the process that reads looks at as well."""

    def __init__(self, library: Path, *, may_change: bool = False) -> None:
        self._file, self._report = library / _FILE, library / _REPORT
        self._library = library
        self.may_change = may_change

    def all(self) -> tuple[WatchedFolder, ...]:
        return tuple(WatchedFolder(*each) for each in _read(self._file))

    def revision(self) -> tuple[int, ...]:
        """Other numbers after each change, by whatever process."""
        return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in (self._file, self._report))

    def views(self) -> tuple[WatchedFolderView, ...]:
        reports = {(each["folder"], each["collection"]): each for each in _read(self._report)}
        return tuple(_view(each, reports.get((each.folder, each.collection))) for each in self.all())

    def add(self, folder: str, collection: str) -> WatchedFolderView:
        """Has a folder watched, or its files go to another collection.

        Raises `LimitReached` where folders cannot be named, or there is none of this name.
        """
        self._check()
        path = Path(folder).expanduser()
        if not (path.is_absolute() and path.is_dir()):
            raise LimitReached(f"there is no folder {folder} on the server's machine: give its whole path")
        if self._library.resolve() in (path.resolve(), *path.resolve().parents):
            raise LimitReached(f"{folder} is the library itself: watch another folder")
        others = [each for each in self.all() if each.folder != str(path)]
        if len(others) >= _MOST:
            raise LimitReached(f"{_MOST} folders are watched, the limit: leave one of them first")
        added = WatchedFolder(str(path), collection)
        self._write([*others, added])
        return _view(added, None)

    def remove(self, folder: str) -> None:
        """Watches a folder no more; its documents stay. Raises `LimitReached` where folders cannot be named."""
        self._check()
        self._write([each for each in self.all() if each.folder != folder])

    def move(self, collection: str, new: str) -> None:
        """What was for a collection is for the one that it is called now; "" for one that is deleted."""
        folders = self.all()
        moved = [WatchedFolder(each.folder, new) if each.collection == collection else each for each in folders]
        if tuple(moved) != folders:
            self._write([each for each in moved if each.collection])

    def report(self, views: list[WatchedFolderView]) -> None:
        """Tells what the last looks have found, if that is something else than before."""
        if _read(self._report) != (told := json.loads(json.dumps([asdict(each) for each in views]))):
            _write(self._report, told)

    def _check(self) -> None:
        if not self.may_change:
            raise LimitReached("folders are named on the server's own machine alone: use colvision watch there")

    def _write(self, folders: list[WatchedFolder]) -> None:
        _write(self._file, folders)


class FolderReader:
    """Reads the files of the watched folders, one at a time, in the process that reads."""

    def __init__(self, library: OpenLibrary) -> None:
        self._library = library
        self._folders = WatchedFolders(library.path)
        self._watches: dict[WatchedFolder, FolderWatch] = {}
        self._failed: dict[WatchedFolder, dict[Path, str]] = {}
        self._looked_at = -_LOOK_SECONDS

    def step(self) -> bool:
        """Looks where it is time to, and reads one file that is ready; whether there was one."""
        if time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return False
        folders = self._folders.all()
        self._watches = {each: self._watches.get(each) or FolderWatch(Path(each.folder)) for each in folders}
        self._failed = {each: self._failed.get(each, {}) for each in folders}
        looks = {each: watch.look() for each, watch in self._watches.items()}
        if folders or self._folders.views():
            self._folders.report([self._view(each, look) for each, look in looks.items()])
        ready = next(((each, look.ready[0]) for each, look in looks.items() if look.ready), None)
        if ready is None:
            self._looked_at = time.monotonic()
            return False
        self._read(*ready)
        return True

    def _read(self, folder: WatchedFolder, path: Path) -> None:
        self._watches[folder].note_read(path, failed=True)  # whatever happens, not at once again
        report = self._library.collection(folder.collection).ingest(path)
        failed = {file.source: file.reason for file in report.failed}
        self._failed[folder].pop(path, None)
        if reason := failed.get(shown_path(path)):
            self._failed[folder][path] = reason
        else:
            self._watches[folder].note_read(path)

    def _view(self, folder: WatchedFolder, look: FolderLook) -> WatchedFolderView:
        for path in look.gone:
            self._failed[folder].pop(path, None)
        failed = tuple(WatchedFileView(path.name, reason) for path, reason in self._failed[folder].items())
        waiting = look.waiting + len(look.ready)
        return WatchedFolderView(*folder, look.files, waiting, failed, look.trouble)


def _view(folder: WatchedFolder, report: Mapping[str, Any] | None) -> WatchedFolderView:
    if report is None:
        return WatchedFolderView(*folder, 0, 0, (), "")
    failed = tuple(WatchedFileView(**each) for each in report["failed"])
    return WatchedFolderView(**{**report, "failed": failed})


def _read(path: Path) -> list[Any]:
    """What a file holds; nothing where nobody can read it."""
    with suppress(OSError, ValueError):
        values = json.loads(path.read_bytes())
        return values if isinstance(values, list) else []
    return []


def _write(path: Path, values: object) -> None:
    atomic_write(path, [json.dumps(values, ensure_ascii=False).encode()])
