"""Encoding a collection again: a shadow collection is filled beside it and takes its place in one transaction.

A shadow collection has no name, and its documents are not visible.
"""

from colvision.core.encoder import EncoderInfo
from colvision.store import rows
from colvision.store.catalogue import Catalogue
from colvision.store.documents import PendingDocument, PendingDocuments
from colvision.store.records import FAILED, READY, CollectionRow, DocumentRow
from colvision.store.workers import Workers
from colvision.store.writer_lock import WriterLock


class Reencoding:
    """The steps of encoding a collection again; its searches are served by the old codes until `swap`."""

    def __init__(
        self, writer_lock: WriterLock, catalogue: Catalogue, pending: PendingDocuments, workers: Workers
    ) -> None:
        self._writer_lock = writer_lock
        self._db = catalogue
        self._pending = pending
        self._workers = workers

    def begin(self, name: str, info: EncoderInfo) -> int:
        """Adds the shadow collection, or goes on with that of an earlier run of the same encoder.

        Returns the key of the collection, for `open_next` and `swap`: its name may change meanwhile. Raises
        `CollectionNotFound`.
        """
        with self._writer_lock.acquire(), self._db.write():
            target = rows.collections.find(self._db, name)
            shadow = rows.collections.shadow_of(self._db, target.key)
            if shadow is not None and shadow.info is not None and shadow.info.fingerprint != info.fingerprint:
                self._delete(shadow)
                shadow = None
            if shadow is None:
                rows.collections.pin_encoder(self._db, rows.collections.add_shadow(self._db, target.key), info)
            return target.key

    def remaining(self, name: str) -> list[DocumentRow]:
        """The documents that are yet to be encoded again: all of them before `begin`."""
        with self._db.read():
            target = rows.collections.find(self._db, name)
            shadow = rows.collections.shadow_of(self._db, target.key)
            if shadow is None:
                return rows.documents.select(self._db, "collection = ? AND visible", [target.key])
            return self._remaining(target.key, shadow)

    def open_next(self, key: int) -> PendingDocument | None:
        """The next document to encode again; None when every document has its counterpart, or none is left."""
        with self._db.read():
            shadow = rows.collections.shadow_of(self._db, key)
            remaining = self._remaining(key, shadow) if shadow is not None else []
        if shadow is None or not remaining:
            return None
        return self._pending.copy_to_shadow(remaining[0], shadow.key)

    def swap(self, key: int) -> bool:
        """Replaces the old codes by the new ones, all documents at once; they keep their ids.

        False when a document was added meanwhile, which is to be encoded first. Incomplete replacements by the old
        encoder are deleted. Nothing is left to do where another process has swapped, or the collection was deleted.
        """
        with self._writer_lock.acquire():
            with self._db.write():
                shadow = rows.collections.shadow_of(self._db, key)
                if shadow is None:
                    return True
                if self._remaining(key, shadow):
                    return False
                self._adopt(key, shadow)
            # Killed here, the old shards are still on the disk but no row names them; the next writer sweeps them.
            self._writer_lock.sweep()
        return True

    def _remaining(self, target: int, shadow: CollectionRow) -> list[DocumentRow]:
        done = {
            (row.replaces, row.sha256)
            for row in rows.documents.select(self._db, "collection = ?", [shadow.key])
            if row.state == READY or (row.state == FAILED and self._workers.is_current(row.worker))
        }
        old = rows.documents.select(self._db, "collection = ? AND visible", [target])
        return [row for row in old if (row.key, row.sha256) not in done]

    def _adopt(self, target: int, shadow: CollectionRow) -> None:
        for hidden in rows.documents.select(self._db, "collection = ? AND NOT visible", [target]):
            self._writer_lock.delete_document(hidden)
        old = {row.key: row for row in rows.documents.select(self._db, "collection = ?", [target])}
        for new in rows.documents.select(self._db, "collection = ?", [shadow.key]):
            row = old.get(new.replaces) if new.replaces is not None else None
            # A counterpart whose document was deleted meanwhile is deleted, too.
            self._writer_lock.delete_document(row or new, successor=new)
            if row is not None:
                rows.documents.adopt_identity(self._db, new.key, row)
        rows.collections.adopt_shadow(self._db, target, shadow.key)

    def _delete(self, shadow: CollectionRow) -> None:
        for row in rows.documents.select(self._db, "collection = ?", [shadow.key]):
            self._writer_lock.delete_document(row)
        rows.collections.delete(self._db, shadow.key)
