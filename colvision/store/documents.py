"""Opening a document for its pages: a new one, another version of one, or one that an earlier run left incomplete."""

import errno
from dataclasses import dataclass
from pathlib import Path

from colvision.core.encoder import EncoderInfo
from colvision.core.metadata import Metadata
from colvision.errors import InputError, LibraryLocked
from colvision.store import rows
from colvision.store.catalogue import Catalogue
from colvision.store.file_lock import Holder
from colvision.store.files import Files, Incoming
from colvision.store.identity import Decision, Outcome, SourceFile, decide, extension_of, new_id
from colvision.store.records import FAILED, INGESTING, READY, DocumentRow, NewDocument
from colvision.store.shards import file_sha256
from colvision.store.writer_lock import WriterLock, document_deleted


@dataclass(frozen=True, slots=True)
class PendingDocument:
    """A document that is being filled: `missing` are the pages that are neither stored nor known to fail."""

    outcome: Outcome
    row: DocumentRow
    missing: tuple[int, ...]


class PendingDocuments:
    """Opens documents of a library for their pages."""

    def __init__(self, writer_lock: WriterLock, catalogue: Catalogue, files: Files) -> None:
        self._writer_lock = writer_lock
        self._db = catalogue
        self._files = files

    def find_same(self, path: Path, source_file: SourceFile, info: EncoderInfo) -> PendingDocument | None:
        """The complete document that a file already is, found without copying it; None when it may be another.

        Only a file as long as a stored one is read at all. Raises `EncoderMismatch`, `InputError`.
        """
        with self._db.read():
            known = next((row for row in rows.collections(self._db) if row.name == source_file.collection), None)
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
            raise _unreadable(source_file, error) from error
        with self._db.read():
            decision = self._decide(source_file, known.key, sha256)
        if decision.outcome != "same" or decision.keep is None or decision.drop:
            return None
        return PendingDocument("same", decision.keep, ())

    def begin(
        self, path: Path, source_file: SourceFile, info: EncoderInfo, *, pages: int, renderer: str
    ) -> PendingDocument:
        """Keeps a copy of a file of so many pages and opens a document for them, or finds the one that it already is.

        Raises `EncoderMismatch`; `LibraryLocked` while another process ingests it; `InputError` when it cannot be
        read; `LibraryError` when the library cannot be written.
        """
        with self._writer_lock.acquire():
            incoming = self._files.incoming()
        try:
            sha256, size = self._fill(incoming, path, source_file)
            with self._writer_lock.acquire(), self._db.write():
                collection = rows.collection_of(self._db, rows.ensure_collection(self._db, source_file.collection))
                collection.check_encoder(info)
                decision = self._decide(source_file, collection.key, sha256)
                new = NewDocument(
                    id=self._new_id(source_file),
                    collection=collection.key,
                    name=decision.name,
                    source=source_file.source,
                    upload=source_file.upload,
                    sha256=sha256,
                    extension=extension_of(source_file.name),
                    bytes=size,
                    pages=pages,
                    renderer=renderer,
                    visible=decision.target is None,
                    replaces=decision.target.key if decision.target else None,
                    worker=str(Holder.current()),
                    metadata=_metadata(source_file, decision),
                )
                if decision.outcome != "same":  # also of a document gone on with: its kept file may be damaged
                    # The file before the row that names it: a kill in between leaves a file for the next sweep.
                    incoming.place(f"{sha256}.{new.extension}")
                return self._open(decision, new)
        finally:
            incoming.discard()

    def reopen(self, row: DocumentRow, info: EncoderInfo) -> PendingDocument:
        """Opens a document once more, to be read from its kept file.

        An incomplete one is gone on with; a complete one is served until its replacement is complete. Raises
        `EncoderMismatch`, `LibraryLocked`, `DocumentNotFound`.
        """
        with self._writer_lock.acquire(), self._db.write():
            now = rows.document(self._db, row.key)
            if now is None:
                raise document_deleted(row)
            rows.collection_of(self._db, now.collection).check_encoder(info)
            if now.state != READY:
                return self._pending("new", self._resume(now))
            return self._pending("replaced", self._copy(now, now.collection))

    def copy_to_shadow(self, row: DocumentRow, collection: int) -> PendingDocument:
        """Opens the counterpart of a document in the nameless collection that is to take the place of its own."""
        with self._writer_lock.acquire(), self._db.write():
            if rows.document(self._db, row.key) is None:  # perhaps with all its collection, and this one
                raise document_deleted(row)
            return self._pending("replaced", self._copy(row, collection))

    def _copy(self, row: DocumentRow, collection: int) -> DocumentRow:
        """The hidden document that is to replace `row` with the same bytes: gone on with, or new."""
        sql = "replaces = ? AND collection = ?"
        hidden = rows.documents(self._db, sql, [row.key, collection])
        for each in hidden:
            if each.sha256 == row.sha256:
                return self._resume(each)
            self._writer_lock.delete_document(each)
        same = NewDocument(**{name: getattr(row, name) for name in NewDocument._fields})
        worker = str(Holder.current())
        new = same._replace(id=new_id(), collection=collection, visible=False, replaces=row.key, worker=worker)
        return rows.add_document(self._db, new)

    def _new_id(self, source_file: SourceFile) -> str:
        """The one that was offered, unless an earlier run has used it."""
        is_used = bool(rows.documents(self._db, "id = ?", [source_file.id]))
        return source_file.id if source_file.id and not is_used else new_id()

    def _decide(self, source_file: SourceFile, collection: int, sha256: str) -> Decision:
        found = rows.candidates(self._db, collection, sha256, source_file.source, source_file.name)
        return decide(source_file, sha256, found, lambda name: rows.name_exists(self._db, collection, name))

    def _open(self, decision: Decision, new: NewDocument) -> PendingDocument:
        for row in decision.drop:
            self._writer_lock.delete_document(row)
        if decision.keep is None:
            return self._pending(decision.outcome, rows.add_document(self._db, new))
        if decision.outcome == "same":
            return PendingDocument("same", decision.keep, ())
        # An earlier run may have counted the pages of a file that was still growing.
        rows.set_pages(self._db, decision.keep.key, new.pages)
        return self._pending(decision.outcome, self._resume(decision.keep))

    def _pending(self, outcome: Outcome, row: DocumentRow) -> PendingDocument:
        known = rows.numbers(self._db, row.key)
        return PendingDocument(outcome, row, tuple(number for number in range(1, row.pages + 1) if number not in known))

    def _resume(self, row: DocumentRow) -> DocumentRow:
        """Goes on with a document: pages of a quarantined shard are read again, and all that failed if the file did."""
        holder = Holder.parse(row.worker)
        if row.state == INGESTING and holder and holder != Holder.current() and holder.is_alive():
            raise LibraryLocked(f"{row.name!r} is being ingested by {row.worker}: wait for it, or stop it first")
        rows.delete_damaged_pages(self._db, row.key)
        if row.state == FAILED:
            rows.delete_failed_pages(self._db, row.key)
        rows.set_state(self._db, row.key, INGESTING, worker=str(Holder.current()))
        return rows.documents(self._db, "key = ?", [row.key])[0]

    def _fill(self, incoming: Incoming, path: Path, source_file: SourceFile) -> tuple[str, int]:
        try:
            return incoming.fill(path)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise self._writer_lock.unwritable(error) from error
            raise _unreadable(source_file, error) from error


def _metadata(source_file: SourceFile, decision: Decision) -> Metadata:
    """What was given with the file; another version of a document keeps what is known of it."""
    if source_file.metadata is not None:
        return source_file.metadata
    return decision.target.metadata if decision.target else {}


def _unreadable(source_file: SourceFile, error: OSError) -> InputError:
    return InputError(f"{source_file.name} cannot be read ({error.strerror}): check the file and its permissions")
