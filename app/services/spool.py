"""Uploads that wait to be read: files in the folder of the queue, which removes them when their jobs end."""

import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from colvision.store.file_lock import try_lock
from colvision.store.identity import extension_of

_LOCK_SUFFIX = ".arriving"  # behind the name of an upload: the lock of the process that receives it


class Spool:
    """Files under random names; what the sender called them is kept in the queue only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new(self, name: str) -> Path:
        """A path to write an upload to."""
        return self._folder / f"{secrets.token_hex(8)}.{extension_of(name)}"

    @contextmanager
    def arriving(self, path: Path) -> Iterator[None]:
        """Within the block no other process sweeps the upload that is written to `path`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(path.name + _LOCK_SUFFIX)
        try:
            with lock.open("xb") as file:
                try_lock(file)
                yield
        finally:
            lock.unlink(missing_ok=True)

    def sweep(self, waiting: Callable[[], Collection[Path | None]]) -> None:
        """Removes what a kill left behind: uploads that nobody receives, and that, asked after that, nothing waits for.

        Where nothing can be written, nothing is removed.
        """
        arrived = [path for path in self._folder.rglob("*") if path.is_file() and not _is_arriving(path)]
        kept = waiting() if arrived else ()
        with suppress(OSError):
            for path in arrived:
                if path not in kept:
                    path.unlink(missing_ok=True)


def _is_arriving(path: Path) -> bool:
    """Also of a lock itself."""
    lock = path if path.suffix == _LOCK_SUFFIX else path.with_name(path.name + _LOCK_SUFFIX)
    try:
        with lock.open("rb") as file:
            return not try_lock(file)
    except OSError:  # there is none
        return False
