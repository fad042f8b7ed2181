"""Encoding a collection again: a nameless collection is filled beside it and takes its place in one transaction."""

from colvision.embedding import EncoderInfo
from colvision.store import rows
from colvision.store.catalogue import Catalogue
from colvision.store.drafts import Draft, Drafts
from colvision.store.lock import Holder
from colvision.store.records import FAILED, READY, CollectionRow, DocumentRow
from colvision.store.turn import Turn


class Refill:
    """The steps of encoding a collection again; its searches are served by the old codes until `swap`."""

    def __init__(self, turn: Turn, catalogue: Catalogue, drafts: Drafts) -> None:
        self._turn = turn
        self._db = catalogue
        self._drafts = drafts

    def begin(self, name: str, info: EncoderInfo) -> None:
        """Makes the nameless collection, or goes on with that of an earlier run of the same encoder.

        Raises `CollectionNotFound`.
        """
        with self._turn.taken(), self._db.write():
            target = rows.collection(self._db, name)
            refill = rows.refill_of(self._db, target.key)
            if refill is not None and refill.info is not None and refill.info.fingerprint != info.fingerprint:
                self._drop(refill)
                refill = None
            if refill is None:
                rows.pin_encoder(self._db, rows.add_refill(self._db, target.key), info)

    def waiting(self, name: str) -> list[DocumentRow]:
        """The documents that are yet to be encoded again: all of them before `begin`."""
        with self._db.read():
            target = rows.collection(self._db, name)
            refill = rows.refill_of(self._db, target.key)
            if refill is None:
                return rows.documents(self._db, "collection = ? AND visible", [target.key])
            return self._waiting(target, refill)

    def open_next(self, name: str) -> Draft | None:
        """The next document to encode again; None when every document has its counterpart."""
        with self._db.read():
            target = rows.collection(self._db, name)
            refill = rows.refill_of(self._db, target.key)
            waiting = self._waiting(target, refill) if refill is not None else []
        if refill is None or not waiting:
            return None
        return self._drafts.refill(waiting[0], refill.key)

    def swap(self, name: str) -> bool:
        """Puts the new codes in the place of the old, all documents at once, under the ids they had.

        False when a document has come meanwhile, which is to be encoded first. Unfinished replacements by the old
        encoder are dropped.
        """
        with self._turn.taken():
            with self._db.write():
                target = rows.collection(self._db, name)
                refill = rows.refill_of(self._db, target.key)
                if refill is None or self._waiting(target, refill):
                    return False
                self._take_over(target, refill)
            # Killed here, the old shards are still on the disk but no row names them; the next writer sweeps them.
            self._turn.sweep()
        return True

    def _waiting(self, target: CollectionRow, refill: CollectionRow) -> list[DocumentRow]:
        here = str(Holder.current())
        done = {
            (row.replaces, row.sha256)
            for row in rows.documents(self._db, "collection = ?", [refill.key])
            if row.state == READY or (row.state == FAILED and row.worker == here)
        }
        old = rows.documents(self._db, "collection = ? AND visible", [target.key])
        return [row for row in old if (row.key, row.sha256) not in done]

    def _take_over(self, target: CollectionRow, refill: CollectionRow) -> None:
        for hidden in rows.documents(self._db, "collection = ? AND NOT visible", [target.key]):
            self._turn.forget(hidden)
        old = {row.key: row for row in rows.documents(self._db, "collection = ?", [target.key])}
        for new in rows.documents(self._db, "collection = ?", [refill.key]):
            row = old.get(new.replaces) if new.replaces is not None else None
            self._turn.forget(row or new)  # a counterpart whose document was deleted meanwhile goes with it
            if row is not None:
                rows.take_place(self._db, new.key, row)
        rows.take_codes(self._db, target.key, refill.key)

    def _drop(self, refill: CollectionRow) -> None:
        for row in rows.documents(self._db, "collection = ?", [refill.key]):
            self._turn.forget(row)
        rows.forget_collection(self._db, refill.key)
