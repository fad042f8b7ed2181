"""Uploads that wait to be read: a folder in the library, outside what the catalogue names."""

import json
import secrets
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from colvision.durable import write_file
from colvision.metadata import Metadata, Scalar, metadata_text
from colvision.store.identity import extension_of

_FOLDER = "uploads"
_ARRIVAL_SECONDS = 3600.0  # no upload takes longer, and no other application on this library loses one


class Spool:
    """Files under random names; what the sender called them is kept in the queue only."""

    def __init__(self, library: Path) -> None:
        self._folder = library.resolve() / _FOLDER

    def new(self, name: str) -> Path:
        """A path to write an upload to."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{secrets.token_hex(8)}.{extension_of(name)}"

    def keep(self, path: Path, name: str) -> Path:
        """Moves a file in, unless it was written here."""
        if self._holds(path):
            return path
        kept = self.new(name)
        shutil.move(path, kept)
        return kept

    def note(self, path: Path, metadata: Metadata) -> None:
        """Keeps beside an upload what its sender says of it."""
        write_file(_beside(path), [metadata_text(metadata).encode()])

    def noted(self, path: str) -> Metadata | None:
        """What was noted beside the upload of a job, None where nothing was, or where it is no upload."""
        if not path or not self._holds(Path(path)) or not _beside(Path(path)).is_file():
            return None
        noted: dict[str, Scalar] = json.loads(_beside(Path(path)).read_text(encoding="utf-8"))
        return noted

    def drop(self, path: str) -> None:
        """Removes the upload of a job that is done with; any other file is left alone, as is a job without one."""
        if path and self._holds(Path(path)):
            _beside(Path(path)).unlink(missing_ok=True)
            Path(path).unlink(missing_ok=True)

    def sweep(self, waiting: Iterable[str]) -> None:
        """Removes old uploads that nothing waits for: what a kill left behind. Newer ones may still be arriving."""
        wanted = {name for path in waiting for name in (Path(path).name, _beside(Path(path)).name)}
        oldest = time.time() - _ARRIVAL_SECONDS
        for path in list(self._folder.rglob("*")):
            if path.is_file() and path.name not in wanted and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)

    def _holds(self, path: Path) -> bool:
        return path.resolve().parent == self._folder


def _beside(path: Path) -> Path:
    """Where the metadata of an upload is."""
    return path.with_name(f"{path.name}.json")
