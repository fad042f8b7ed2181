"""Companion collections: what further encoders make of the documents of a collection, beside its own codes.

A companion has no name, and its documents are not visible: each is the counterpart of a document of the collection,
which alone has the name, the file, the page images and the text. A counterpart goes with its document, at once and in
the same transaction; where a document is replaced by one of the same bytes, it stays. See
`WriterLock.delete_document`.
"""

from collections.abc import Collection

from colvision.core.encoder import EncoderInfo
from colvision.errors import EncoderMismatch, FurtherEncoderNotFound
from colvision.store import rows
from colvision.store.catalogue import Catalogue
from colvision.store.documents import PendingDocument, PendingDocuments
from colvision.store.records import INGESTING, CollectionRow, DocumentRow, ShardRow
from colvision.store.workers import Workers
from colvision.store.writer_lock import WriterLock


class Companions:
    """Adds, fills and removes companion collections."""

    def __init__(
        self, writer_lock: WriterLock, catalogue: Catalogue, pending: PendingDocuments, workers: Workers
    ) -> None:
        self._writer_lock = writer_lock
        self._db = catalogue
        self._pending = pending
        self._workers = workers

    def of(self, collection: str) -> list[CollectionRow]:
        """The companions of a collection, the oldest first. Raises `CollectionNotFound`."""
        with self._db.read():
            return rows.collections.companions(self._db, rows.collections.find(self._db, collection).key)

    def find(self, collection: str, encoder_name: str) -> CollectionRow:
        """Raises `CollectionNotFound`; `FurtherEncoderNotFound`, naming those there are."""
        found = self.of(collection)
        for row in found:
            if row.encoder_name == encoder_name:
                return row
        named = ", ".join(repr(row.encoder_name) for row in found)
        raise FurtherEncoderNotFound(
            f"collection {collection!r} has no further encoder {encoder_name!r}: "
            + (f"it has {named}" if named else "add one with `colvision add-encoder`")
        )

    def encoder_info(self, collection: str, encoder_name: str) -> EncoderInfo:
        """What is known of a further encoder. Raises as `find` does."""
        info = self.find(collection, encoder_name).info
        assert info is not None, "a companion is made with its encoder"
        return info

    def add(self, collection: str, encoder_name: str, info: EncoderInfo) -> CollectionRow:
        """Adds a companion, or finds the one that the same encoder has begun; pages that failed are to be tried again,
        and it is loaded from where it was loaded now.

        Raises `CollectionNotFound`; `EncoderMismatch` where another encoder is called so, or this one is there already.
        """
        with self._writer_lock.acquire(), self._db.write():
            target = rows.collections.find(self._db, collection)
            known = rows.collections.companion(self._db, target.key, encoder_name)
            if known is None:
                self._check_is_another(target, encoder_name, info)
                key = rows.collections.add_companion(self._db, target.key, encoder_name)
                rows.collections.pin_encoder(self._db, key, info)
                rows.collections.next_generation(self._db, target.key)
                return rows.collections.get(self._db, key)
            if known.info is not None and known.info.fingerprint != info.fingerprint:
                raise EncoderMismatch(
                    f"{encoder_name!r} of collection {collection!r} is {known.info.name} (fingerprint "
                    f"{known.info.fingerprint[:12]}), not {info.name} ({info.fingerprint[:12]}): choose another "
                    f"name, or run `colvision remove-encoder {encoder_name}` first"
                )
            rows.collections.set_loaded_from(self._db, known, info.loaded_from)
            for counterpart in rows.documents.select(self._db, "collection = ?", [known.key]):
                rows.pages.delete_all_failed(self._db, counterpart.key)
                rows.documents.set_pages(self._db, counterpart.key, counterpart.stored)
            return rows.collections.get(self._db, known.key)

    def _check_is_another(self, target: CollectionRow, encoder_name: str, info: EncoderInfo) -> None:
        own = "the collection's own encoder"
        others = {row.encoder_name: row for row in rows.collections.companions(self._db, target.key)}
        for name, row in {own: target, **others}.items():
            if row.info is not None and row.info.fingerprint == info.fingerprint:
                what = name if name == own else repr(name)
                raise EncoderMismatch(
                    f"{info.name} (fingerprint {info.fingerprint[:12]}) is {what} already: nothing is gained by it as "
                    f"{encoder_name!r}"
                )

    def remove(self, collection: str, encoder_name: str) -> CollectionRow:
        """Removes a companion and all its codes. Raises `CollectionNotFound`, `FurtherEncoderNotFound`."""
        self.find(collection, encoder_name)
        with self._writer_lock.acquire():
            with self._db.write():
                target = rows.collections.find(self._db, collection)
                row = rows.collections.companion(self._db, target.key, encoder_name)
                if row is not None:
                    self._writer_lock.delete_companion(row)
                    rows.collections.next_generation(self._db, target.key)
            # Killed here, its shards are still on the disk but no row names them; the next writer sweeps them.
            self._writer_lock.sweep()
        return row if row is not None else self.find(collection, encoder_name)

    def remaining(self, key: int) -> list[DocumentRow]:
        """The documents that have pages which the encoder of the companion `key` has not read; none when it is gone.

        Those that are being ingested are left to whoever ingests them.
        """
        with self._db.read():
            if key not in rows.collections.keys(self._db):
                return []
            found = rows.documents.without_counterparts(self._db, rows.collections.get(self._db, key))
        return [row for row in found if row.state != INGESTING or not self._workers.is_alive(row.worker)]

    def open_next(self, key: int, done: Collection[int]) -> PendingDocument | None:
        """The next document to be read by the encoder of the companion `key`, of those whose keys are not `done`.

        None when none is left but what another process works on.
        """
        for row in self.remaining(key):
            if row.key not in done and (pending := self._pending.open_counterpart(row, key)) is not None:
                return pending
        return None

    def counts(self, key: int) -> tuple[int, int, int, int]:
        """(pages, failed pages, documents that it has read, documents that there are) of a companion."""
        with self._db.read():
            row = rows.collections.get(self._db, key)
            counterparts = rows.documents.select(self._db, "collection = ?", [key])
            behind = {each.key for each in rows.documents.without_counterparts(self._db, row)}
            documents = rows.documents.select(self._db, "collection = ? AND visible", [row.companion_of])
        pages, failed = sum(each.stored for each in counterparts), sum(each.failed for each in counterparts)
        return pages, failed, sum(each.key not in behind for each in documents), len(documents)

    def shards(self, key: int) -> list[ShardRow]:
        with self._db.read():
            return rows.shards.select(self._db, "collection = ?", [key])
