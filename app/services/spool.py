"""Uploads that wait to be read: files in the folder of the queue, which removes them when their jobs end."""

import secrets
import shutil
import time
from collections.abc import Collection
from pathlib import Path

from colvision.store.identity import extension_of

_ARRIVAL_SECONDS = 3600.0  # no upload takes longer, and no other application on this library loses one


class Spool:
    """Files under random names; what the sender called them is kept in the queue only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new(self, name: str) -> Path:
        """A path to write an upload to."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{secrets.token_hex(8)}.{extension_of(name)}"

    def keep(self, path: Path, name: str) -> Path:
        """Moves a file in, unless it was written here."""
        if path.resolve().parent == self._folder:
            return path
        kept = self.new(name)
        shutil.move(path, kept)
        return kept

    def sweep(self, waiting: Collection[Path | None]) -> None:
        """Removes old uploads that nothing waits for: what a kill left behind. Newer ones may still be arriving."""
        oldest = time.time() - _ARRIVAL_SECONDS
        for path in list(self._folder.rglob("*")):
            if path.is_file() and path not in waiting and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
