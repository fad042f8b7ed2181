"""Encoding a collection again: a nameless collection is filled beside it and takes its place in one transaction."""

from colvision.core.encoder import EncoderInfo
from colvision.store import rows
from colvision.store.catalogue import Catalogue
from colvision.store.documents import PendingDocument, PendingDocuments
from colvision.store.file_lock import Holder
from colvision.store.records import FAILED, READY, CollectionRow, DocumentRow
from colvision.store.writer_lock import WriterLock


class Reencoding:
    """The steps of encoding a collection again; its searches are served by the old codes until `swap`."""

    def __init__(self, writer_lock: WriterLock, catalogue: Catalogue, pending: PendingDocuments) -> None:
        self._writer_lock = writer_lock
        self._db = catalogue
        self._pending = pending

    def begin(self, name: str, info: EncoderInfo) -> None:
        """Makes the nameless collection, or goes on with that of an earlier run of the same encoder.

        Raises `CollectionNotFound`.
        """
        with self._writer_lock.acquire(), self._db.write():
            target = rows.collection(self._db, name)
            shadow = rows.shadow_of(self._db, target.key)
            if shadow is not None and shadow.info is not None and shadow.info.fingerprint != info.fingerprint:
                self._drop(shadow)
                shadow = None
            if shadow is None:
                rows.pin_encoder(self._db, rows.add_shadow(self._db, target.key), info)

    def waiting(self, name: str) -> list[DocumentRow]:
        """The documents that are yet to be encoded again: all of them before `begin`."""
        with self._db.read():
            target = rows.collection(self._db, name)
            shadow = rows.shadow_of(self._db, target.key)
            if shadow is None:
                return rows.documents(self._db, "collection = ? AND visible", [target.key])
            return self._waiting(target, shadow)

    def open_next(self, name: str) -> PendingDocument | None:
        """The next document to encode again; None when every document has its counterpart."""
        with self._db.read():
            target = rows.collection(self._db, name)
            shadow = rows.shadow_of(self._db, target.key)
            waiting = self._waiting(target, shadow) if shadow is not None else []
        if shadow is None or not waiting:
            return None
        return self._pending.copy_to_shadow(waiting[0], shadow.key)

    def swap(self, name: str) -> bool:
        """Puts the new codes in the place of the old, all documents at once, under the ids they had.

        False when a document has come meanwhile, which is to be encoded first. Unfinished replacements by the old
        encoder are dropped. Nothing is left to do where another process has swapped, or the collection was deleted.
        """
        with self._writer_lock.acquire():
            with self._db.write():
                target = rows.collection(self._db, name)
                shadow = rows.shadow_of(self._db, target.key)
                if shadow is None:
                    return True
                if self._waiting(target, shadow):
                    return False
                self._take_over(target, shadow)
            # Killed here, the old shards are still on the disk but no row names them; the next writer sweeps them.
            self._writer_lock.sweep()
        return True

    def _waiting(self, target: CollectionRow, shadow: CollectionRow) -> list[DocumentRow]:
        here = str(Holder.current())
        done = {
            (row.replaces, row.sha256)
            for row in rows.documents(self._db, "collection = ?", [shadow.key])
            if row.state == READY or (row.state == FAILED and row.worker == here)
        }
        old = rows.documents(self._db, "collection = ? AND visible", [target.key])
        return [row for row in old if (row.key, row.sha256) not in done]

    def _take_over(self, target: CollectionRow, shadow: CollectionRow) -> None:
        for hidden in rows.documents(self._db, "collection = ? AND NOT visible", [target.key]):
            self._writer_lock.delete_document(hidden)
        old = {row.key: row for row in rows.documents(self._db, "collection = ?", [target.key])}
        for new in rows.documents(self._db, "collection = ?", [shadow.key]):
            row = old.get(new.replaces) if new.replaces is not None else None
            self._writer_lock.delete_document(
                row or new
            )  # a counterpart whose document was deleted meanwhile goes with it
            if row is not None:
                rows.take_place(self._db, new.key, row)
        rows.adopt_shadow(self._db, target.key, shadow.key)

    def _drop(self, shadow: CollectionRow) -> None:
        for row in rows.documents(self._db, "collection = ?", [shadow.key]):
            self._writer_lock.delete_document(row)
        rows.delete_collection_row(self._db, shadow.key)
