"""Pending documents, whose pages are read: new ones, other versions, and incomplete ones of an earlier run."""

from dataclasses import dataclass, replace
from pathlib import Path

from colvision.core.encoder import EncoderInfo
from colvision.core.health import Note
from colvision.core.metadata import Metadata, merge_metadata
from colvision.errors import CollectionNotFound, DiskFull, InputError, JobCancelled, LibraryLocked
from colvision.store import rows
from colvision.store.catalogue import Catalogue
from colvision.store.disk import disk_error
from colvision.store.files import Files, IncomingFile
from colvision.store.identity import Decision, Outcome, SourceFile, decide, extension_of, new_id
from colvision.store.records import INGESTING, READY, DocumentRow, NewDocument
from colvision.store.shards import file_sha256
from colvision.store.workers import Workers, holder_of
from colvision.store.writer_lock import WriterLock, document_deleted


@dataclass(frozen=True, slots=True)
class PendingDocument:
    """A document whose pages are being stored: `missing` are those that are not, also those that failed before.

    `replaced` is the one that it takes the place of when it is complete, with its id.
    """

    outcome: Outcome
    row: DocumentRow
    missing: tuple[int, ...]
    replaced: DocumentRow | None = None

    @property
    def document_id(self) -> str:
        """The id that the document has when it is complete."""
        return (self.replaced or self.row).id

    @property
    def known(self) -> Metadata:
        """What was noted before."""
        return (self.replaced or self.row).metadata


class PendingDocuments:
    """Opens documents of a library for their pages."""

    def __init__(self, writer_lock: WriterLock, catalogue: Catalogue, files: Files, workers: Workers) -> None:
        self._writer_lock = writer_lock
        self._db = catalogue
        self._files = files
        self._workers = workers

    def find_same(self, path: Path, source_file: SourceFile, info: EncoderInfo) -> PendingDocument | None:
        """The complete document that a file already is, found without copying it; None when it may be another.

        Pages of it that failed are missing: they are tried again while it is served as it is.
        Only a file as long as a stored one is read at all. Raises `EncoderMismatch`, `InputError`.
        """
        with self._db.read():
            try:
                known = rows.collections.find(self._db, source_file.collection)
            except CollectionNotFound:
                return None
            known.check_encoder(info)
        try:
            with self._db.read():
                same_size = rows.documents.select(
                    self._db, "collection = ? AND bytes = ?", [known.key, path.stat().st_size]
                )
            if not same_size:
                return None
            sha256 = file_sha256(path)
        except OSError as error:
            raise _unreadable(source_file, error) from error
        with self._db.read():
            decision = self._decide(source_file, known.key, sha256)
        if decision.outcome != "same" or decision.existing is None or decision.obsolete:
            return None
        with self._db.read():
            return self._pending("same", decision.existing)

    def begin(
        self,
        path: Path,
        source_file: SourceFile,
        info: EncoderInfo,
        *,
        pages: int,
        renderer: str,
        notes: tuple[Note, ...] = (),
        ending: str = "",
    ) -> PendingDocument:
        """Keeps a copy of a file of so many `pages` and begins a document for it, or finds the one that it already is.

        The kept file's name ends with `ending`, which its content decides; as the source's own, where nobody looked.
        Raises `EncoderMismatch`; `LibraryLocked` while another process ingests it; `InputError` when it cannot be
        read; `JobCancelled`; `LibraryError` when the library cannot be written.
        """
        with self._writer_lock.acquire():
            incoming = self._files.incoming_file()
        try:
            sha256, size = self._copy_file(incoming, path, source_file)
            with self._writer_lock.acquire(), self._db.write():
                name = self._collection_name(source_file)
                collection = rows.collections.get(self._db, rows.collections.ensure(self._db, name))
                collection.check_encoder(info)
                decision = self._decide(source_file, collection.key, sha256)
                existing = decision.existing
                extension = existing.extension if existing else ending or extension_of(source_file.name)
                new = NewDocument(
                    id=self._new_id(source_file),
                    collection=collection.key,
                    name=decision.name,
                    source=source_file.source,
                    upload=source_file.upload,
                    sha256=sha256,
                    extension=extension,
                    bytes=size,
                    pages=pages,
                    renderer=renderer,
                    visible=decision.replaced is None,
                    replaces=decision.replaced.key if decision.replaced else None,
                    worker=self._workers.current(),
                    metadata=_metadata(source_file, decision),
                    notes=notes,
                )
                if source_file.source not in (decision.existing.paths if decision.existing else ()):
                    rows.documents.forget_copy(self._db, collection.key, source_file.source)
                if decision.outcome != "same":  # also where a document is resumed: its kept file may be damaged
                    # The file before the row that names it: a kill in between leaves a file for the next sweep.
                    incoming.keep_as(f"{sha256}.{new.extension}")
                return self._begin(decision, new)
        finally:
            incoming.discard()

    def reopen(self, row: DocumentRow, info: EncoderInfo) -> PendingDocument:
        """Begins a document again, from its kept file.

        An incomplete one is resumed; of a complete one the pages that failed are tried again, and without any it is
        served until its replacement is complete. Raises `EncoderMismatch`, `LibraryLocked`, `DocumentNotFound`.
        """
        with self._writer_lock.acquire(), self._db.write():
            current = rows.documents.get(self._db, row.key)
            if current is None:
                raise document_deleted(row)
            rows.collections.get(self._db, current.collection).check_encoder(info)
            if current.state != READY:
                return self._pending("new", self._resume(current))
            if current.failed:
                return self._pending("same", current)
            return self._pending("replaced", self._replacement(current, current.collection))

    def copy_to_shadow(self, row: DocumentRow, collection: int) -> PendingDocument:
        """Begins the counterpart of a document in the shadow collection of its own."""
        with self._writer_lock.acquire(), self._db.write():
            if rows.documents.get(self._db, row.key) is None:  # perhaps with all its collection, and this one
                raise document_deleted(row)
            return self._pending("replaced", self._replacement(row, collection))

    def open_counterpart(self, row: DocumentRow, companion: int) -> PendingDocument | None:
        """Begins the counterpart of a document in a companion collection: the stored pages that it lacks are missing.

        None where another process reads it for the same companion. Raises `DocumentNotFound`, `LibraryLocked`.
        """
        with self._writer_lock.acquire(), self._db.write():
            current = rows.documents.get(self._db, row.key)
            if current is None or companion not in rows.collections.keys(self._db):
                raise document_deleted(row)
            if any(map(self._is_taken, self._hidden(current, companion))):
                return None
            counterpart = self._replacement(current, companion)
            rows.documents.set_pages(self._db, counterpart.key, current.pages)
            known = rows.pages.known(self._db, counterpart.key)
            missing = tuple(sorted(rows.pages.numbers(self._db, current.key) - known))
            return PendingDocument("new", replace(counterpart, pages=current.pages), missing, current)

    def _replacement(self, row: DocumentRow, collection: int) -> DocumentRow:
        """The hidden document that is to replace `row` with the same bytes: an incomplete one, or a new one."""
        for other in self._hidden(row, collection):
            if other.sha256 == row.sha256:
                return self._resume(other)
            self._writer_lock.delete_document(other)
        copy = NewDocument(**{name: getattr(row, name) for name in NewDocument._fields})
        worker = self._workers.current()
        new = copy._replace(id=new_id(), collection=collection, visible=False, replaces=row.key, worker=worker)
        return rows.documents.add(self._db, new)

    def _hidden(self, row: DocumentRow, collection: int) -> list[DocumentRow]:
        return rows.documents.select(self._db, "replaces = ? AND collection = ?", [row.key, collection])

    def _collection_name(self, source_file: SourceFile) -> str:
        """Of today: a collection that is renamed takes its jobs along, one that is deleted cancels them."""
        if source_file.job is None:
            return source_file.collection
        found = self._db.all("SELECT collection FROM jobs WHERE key = ? AND NOT cancel", [source_file.job])
        if not found:
            raise JobCancelled(f"{source_file.name} is not ingested: its job was cancelled")
        return str(found[0][0])

    def _new_id(self, source_file: SourceFile) -> str:
        """The requested id, unless an earlier run has used it."""
        is_used = bool(rows.documents.select(self._db, "id = ?", [source_file.id]))
        return source_file.id if source_file.id and not is_used else new_id()

    def candidates(self, source_file: SourceFile, sha256: str) -> list[DocumentRow]:
        """The documents that `decide` looks at; none where the collection is not there yet."""
        with self._db.read():
            try:
                collection = rows.collections.find(self._db, source_file.collection).key
            except CollectionNotFound:
                return []
            return self._candidates(source_file, collection, sha256)

    def name_exists(self, collection: str, name: str) -> bool:
        with self._db.read():
            try:
                key = rows.collections.find(self._db, collection).key
            except CollectionNotFound:
                return False
            return rows.documents.name_exists(self._db, key, name)

    def _candidates(self, source_file: SourceFile, collection: int, sha256: str) -> list[DocumentRow]:
        found = rows.documents.candidates(self._db, collection, sha256, source_file.source, source_file.name)
        if source_file.replace:
            of_name = rows.documents.of_file_name(self._db, source_file.name)
            found += [row for row in of_name if row.collection == collection and row not in found]
        return found

    def _decide(self, source_file: SourceFile, collection: int, sha256: str) -> Decision:
        found = self._candidates(source_file, collection, sha256)
        return decide(source_file, sha256, found, lambda name: rows.documents.name_exists(self._db, collection, name))

    def _begin(self, decision: Decision, new: NewDocument) -> PendingDocument:
        for row in decision.obsolete:
            self._writer_lock.delete_document(row)
        if decision.existing is None:
            return self._pending(decision.outcome, rows.documents.add(self._db, new))
        if decision.outcome == "same":
            return self._pending("same", decision.existing)
        # An earlier run may have counted the pages of a file that was still growing.
        rows.documents.set_pages(self._db, decision.existing.key, new.pages)
        return self._pending(decision.outcome, self._resume(decision.existing))

    def _pending(self, outcome: Outcome, row: DocumentRow) -> PendingDocument:
        known = rows.pages.numbers(self._db, row.key)
        missing = tuple(number for number in range(1, row.pages + 1) if number not in known)
        replaced = None if row.replaces is None else rows.documents.get(self._db, row.replaces)
        return PendingDocument(outcome, row, missing, replaced)

    def _resume(self, row: DocumentRow) -> DocumentRow:
        """Prepares a document to go on: pages of a quarantined shard are read again."""
        if self._is_taken(row):
            holder = holder_of(row.worker)
            raise LibraryLocked(f"{row.name!r} is being ingested by {holder}: wait for it, or stop it first")
        rows.pages.delete_quarantined(self._db, row.key)
        rows.documents.set_state(self._db, row.key, INGESTING, worker=self._workers.current())
        return rows.documents.select(self._db, "key = ?", [row.key])[0]

    def _is_taken(self, row: DocumentRow) -> bool:
        """Whether another process works on it.

        Where nobody can know, the document goes on: of two who work on it, each leaves out what the other has stored.
        """
        is_ours = self._workers.is_current(row.worker)
        return row.state == INGESTING and not is_ours and bool(self._workers.is_alive(row.worker))

    def _copy_file(self, incoming: IncomingFile, path: Path, source_file: SourceFile) -> tuple[str, int]:
        try:
            return incoming.copy_from(path)
        except OSError as error:
            refused = disk_error(incoming.path.parents[1], error)
            raise (refused if isinstance(refused, DiskFull) else _unreadable(source_file, error)) from error


def _metadata(source_file: SourceFile, decision: Decision) -> Metadata:
    """That of the file; another version of a document keeps what is known of the old one."""
    return merge_metadata(decision.replaced.metadata if decision.replaced else {}, source_file.metadata or {})


def _unreadable(source_file: SourceFile, error: OSError) -> InputError:
    return InputError(f"{source_file.name} cannot be read ({error.strerror}): check the file and its permissions")
