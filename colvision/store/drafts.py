"""Opening a document for its pages: a new one, another version of one, or one that an earlier run left incomplete."""

import errno
from dataclasses import dataclass
from pathlib import Path

from colvision.embedding import EncoderInfo
from colvision.errors import InputError, LibraryLocked
from colvision.metadata import Metadata
from colvision.shard import file_sha256
from colvision.store import rows
from colvision.store.catalogue import Catalogue
from colvision.store.files import Files, Incoming
from colvision.store.identity import Decision, Offer, Outcome, decide, extension_of, new_id
from colvision.store.lock import Holder
from colvision.store.records import FAILED, INGESTING, READY, DocumentRow, NewDocument
from colvision.store.turn import Turn, gone


@dataclass(frozen=True, slots=True)
class Draft:
    """A document that is being filled: `missing` are the pages that are neither stored nor known to fail."""

    outcome: Outcome
    row: DocumentRow
    missing: tuple[int, ...]


class Drafts:
    """Opens documents of a library for their pages."""

    def __init__(self, turn: Turn, catalogue: Catalogue, files: Files) -> None:
        self._turn = turn
        self._db = catalogue
        self._files = files

    def same(self, path: Path, offer: Offer, info: EncoderInfo) -> Draft | None:
        """The complete document that a file already is, found without copying it; None when it may be another.

        Only a file as long as a stored one is read at all. Raises `EncoderMismatch`, `InputError`.
        """
        with self._db.read():
            known = next((row for row in rows.collections(self._db) if row.name == offer.collection), None)
            if known is None:
                return None
            known.check_encoder(info)
        try:
            with self._db.read():
                seen = rows.documents(self._db, "collection = ? AND bytes = ?", [known.key, path.stat().st_size])
            if not seen:
                return None
            sha256 = file_sha256(path)
        except OSError as error:
            raise _unreadable(offer, error) from error
        with self._db.read():
            decision = self._decide(offer, known.key, sha256)
        if decision.outcome != "same" or decision.keep is None or decision.drop:
            return None
        return Draft("same", decision.keep, ())

    def begin(self, path: Path, offer: Offer, info: EncoderInfo, *, pages: int, renderer: str) -> Draft:
        """Keeps a copy of a file of so many pages and opens a document for them, or finds the one that it already is.

        Raises `EncoderMismatch`; `LibraryLocked` while another process ingests it; `InputError` when it cannot be
        read; `LibraryError` when the library cannot be written.
        """
        with self._turn.taken():
            incoming = self._files.incoming()
        try:
            sha256, size = self._fill(incoming, path, offer)
            with self._turn.taken(), self._db.write():
                collection = rows.collection_of(self._db, rows.ensure_collection(self._db, offer.collection))
                collection.check_encoder(info)
                decision = self._decide(offer, collection.key, sha256)
                new = NewDocument(
                    id=self._new_id(offer),
                    collection=collection.key,
                    name=decision.name,
                    source=offer.source,
                    upload=offer.upload,
                    sha256=sha256,
                    extension=extension_of(offer.name),
                    bytes=size,
                    pages=pages,
                    renderer=renderer,
                    visible=decision.target is None,
                    replaces=decision.target.key if decision.target else None,
                    worker=str(Holder.current()),
                    metadata=_metadata(offer, decision),
                )
                if decision.outcome != "same":  # also of a document gone on with: its kept file may be damaged
                    # The file before the row that names it: a kill in between leaves a file for the next sweep.
                    incoming.place(f"{sha256}.{new.extension}")
                return self._open(decision, new)
        finally:
            incoming.discard()

    def again(self, row: DocumentRow, info: EncoderInfo) -> Draft:
        """Opens a document once more, to be read from its kept file.

        An incomplete one is gone on with; a complete one is served until its replacement is complete. Raises
        `EncoderMismatch`, `LibraryLocked`, `DocumentNotFound`.
        """
        with self._turn.taken(), self._db.write():
            now = rows.document(self._db, row.key)
            if now is None:
                raise gone(row)
            rows.collection_of(self._db, now.collection).check_encoder(info)
            if now.state != READY:
                return self._draft("new", self._reopen(now))
            return self._draft("replaced", self._copy(now, now.collection))

    def refill(self, row: DocumentRow, collection: int) -> Draft:
        """Opens the counterpart of a document in the nameless collection that is to take the place of its own."""
        with self._turn.taken(), self._db.write():
            return self._draft("replaced", self._copy(row, collection))

    def _copy(self, row: DocumentRow, collection: int) -> DocumentRow:
        """The hidden document that is to replace `row` with the same bytes: gone on with, or new."""
        sql = "replaces = ? AND collection = ?"
        hidden = rows.documents(self._db, sql, [row.key, collection])
        for each in hidden:
            if each.sha256 == row.sha256:
                return self._reopen(each)
            self._turn.forget(each)
        same = NewDocument(**{name: getattr(row, name) for name in NewDocument._fields})
        worker = str(Holder.current())
        new = same._replace(id=new_id(), collection=collection, visible=False, replaces=row.key, worker=worker)
        return rows.add_document(self._db, new)

    def _new_id(self, offer: Offer) -> str:
        """The one that was offered, unless an earlier run has used it."""
        is_used = bool(rows.documents(self._db, "id = ?", [offer.id]))
        return offer.id if offer.id and not is_used else new_id()

    def _decide(self, offer: Offer, collection: int, sha256: str) -> Decision:
        found = rows.candidates(self._db, collection, sha256, offer.source, offer.name)
        return decide(offer, sha256, found, lambda name: rows.is_taken(self._db, collection, name))

    def _open(self, decision: Decision, new: NewDocument) -> Draft:
        for row in decision.drop:
            self._turn.forget(row)
        if decision.keep is None:
            return self._draft(decision.outcome, rows.add_document(self._db, new))
        if decision.outcome == "same":
            return Draft("same", decision.keep, ())
        # An earlier run may have counted the pages of a file that was still growing.
        rows.set_pages(self._db, decision.keep.key, new.pages)
        return self._draft(decision.outcome, self._reopen(decision.keep))

    def _draft(self, outcome: Outcome, row: DocumentRow) -> Draft:
        known = rows.numbers(self._db, row.key)
        return Draft(outcome, row, tuple(number for number in range(1, row.pages + 1) if number not in known))

    def _reopen(self, row: DocumentRow) -> DocumentRow:
        """Goes on with a document: pages of a quarantined shard are read again, and all that failed if the file did."""
        holder = Holder.parse(row.worker)
        if row.state == INGESTING and holder and holder != Holder.current() and holder.is_alive():
            raise LibraryLocked(f"{row.name!r} is being ingested by {row.worker}: wait for it, or stop it first")
        rows.forget_damaged_pages(self._db, row.key)
        if row.state == FAILED:
            rows.forget_failed_pages(self._db, row.key)
        rows.set_state(self._db, row.key, INGESTING, worker=str(Holder.current()))
        return rows.documents(self._db, "key = ?", [row.key])[0]

    def _fill(self, incoming: Incoming, path: Path, offer: Offer) -> tuple[str, int]:
        try:
            return incoming.fill(path)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise self._turn.unwritable(error) from error
            raise _unreadable(offer, error) from error


def _metadata(offer: Offer, decision: Decision) -> Metadata:
    """What was given with the file; another version of a document keeps what is known of it."""
    if offer.metadata is not None:
        return offer.metadata
    return decision.target.metadata if decision.target else {}


def _unreadable(offer: Offer, error: OSError) -> InputError:
    return InputError(f"{offer.name} cannot be read ({error.strerror}): check the file and its permissions")
