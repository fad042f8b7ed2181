"""The writer lock: one process or thread at a time changes a library, for as long as one commit takes.

Every change is: files first, each complete and durable, then one transaction of the catalogue, then the removal of
files that the catalogue no longer names. A kill between any two steps leaves files that no row names, never a row
without its file; the next writer sweeps them. Where the catalogue has lost changes it moves them to lost/ instead:
see `high_water_mark`.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from colvision.errors import DiskError, DocumentNotFound, LibraryReadOnly
from colvision.store import rows
from colvision.store.catalogue import Catalogue
from colvision.store.disk import disk_error
from colvision.store.file_lock import file_lock
from colvision.store.files import Files
from colvision.store.high_water_mark import HighWaterMark
from colvision.store.records import CollectionRow, DocumentRow

LOCK_NAME = "writer.lock"


class WriterLock:
    """The writer lock of a library, shared by all that change it."""

    def __init__(self, path: Path, catalogue: Catalogue, files: Files) -> None:
        self._path = path
        self._db = catalogue
        self._files = files
        self._mark = HighWaterMark(catalogue, files)
        self._is_swept = False

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """Holds the writer lock; the leftovers of an earlier kill or failure are removed first.

        Raises `LibraryReadOnly`, `LibraryLocked`, and `DiskError` for a disk that is full or fails.
        """
        if self._db.read_only:
            raise LibraryReadOnly(f"library {self._path} cannot be written: copy it to a disk where it can")
        try:
            with file_lock(self._path / LOCK_NAME):
                if not self._is_swept:
                    self.sweep()
                yield
                self._mark.save()
        except (OSError, sqlite3.OperationalError) as error:
            self._is_swept = False  # there may be leftovers
            raise disk_error(self._path, error) from error
        except (DiskError, LibraryReadOnly):
            self._is_swept = False
            raise

    def sweep(self) -> None:
        """Removes the files that no row names, or moves them to lost/. Only under the lock, outside a transaction."""
        with self._db.read():
            shards = {row.file_name for row in rows.shards.select(self._db)}
            files = {row.file_name for row in rows.documents.select(self._db)}
        if lag := self._mark.lag():
            self._files.move_to_lost(shards, files)
            # Killed here: the catalogue is still behind, and the next writer goes on.
            with self._db.write():
                rows.counters.skip(self._db, lag)
        self._files.sweep(shards, files)
        self._is_swept = True

    def delete_document(self, row: DocumentRow, *, successor: DocumentRow | None = None) -> None:
        """Deletes a document's rows, in the caller's transaction; its files are removed by the next sweep.

        So are its counterparts in companion collections, unless a `successor` of the same bytes takes them over.
        """
        for counterpart in rows.documents.counterparts(self._db, row.key):
            if successor is not None and successor.sha256 == counterpart.sha256:
                rows.documents.set_original(self._db, counterpart.key, successor.key)
            else:
                rows.documents.delete(self._db, counterpart.key)
            rows.collections.next_generation(self._db, counterpart.collection)
        rows.documents.delete(self._db, row.key)
        self._is_swept = False

    def delete_companion(self, row: CollectionRow) -> None:
        """Deletes a companion collection and all it holds, in the caller's transaction."""
        for counterpart in rows.documents.select(self._db, "collection = ?", [row.key]):
            self.delete_document(counterpart)
        rows.collections.delete(self._db, row.key)


def document_deleted(row: DocumentRow) -> DocumentNotFound:
    """The error for a document that was deleted or replaced since it was looked up."""
    return DocumentNotFound(f"document {row.name!r} ({row.id}) was deleted or replaced meanwhile: ingest it again")
