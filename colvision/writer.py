"""How a library changes: the order in which its files and its catalogue do (no torch).

Every change is: files first, each whole and durable, then one transaction of the catalogue, then the removal of files
that the catalogue no longer names. A kill between any two steps leaves files that no row names, never a row without
its file; the next writer sweeps them.
"""

import errno
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from colvision import rows
from colvision.catalogue import Catalogue
from colvision.embedding import EncoderInfo, PageEmbedding
from colvision.errors import (
    DocumentNotFound,
    EncoderMismatch,
    InputError,
    LibraryError,
    LibraryLocked,
    LibraryReadOnly,
)
from colvision.files import Files, Incoming
from colvision.identity import Decision, Offer, Outcome, decide, extension_of, new_id
from colvision.lock import Holder, writer_lock
from colvision.maxsim import clipped_share, quantise
from colvision.page import PdfGeometry
from colvision.rows import CollectionRow, DocumentRow, NewDocument, NewPage, ShardRow
from colvision.shard import ShardPage, file_sha256, write_shard

LOCK_NAME = "writer.lock"


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPage:
    """A page ready to be stored: its vectors, its picture as kept (see `files.picture`), height and width in pixels."""

    number: int
    embedding: PageEmbedding
    picture: bytes
    height: int
    width: int
    geometry: PdfGeometry | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A document that is being filled: `missing` are the pages that are neither stored nor known to fail."""

    outcome: Outcome
    row: DocumentRow
    missing: tuple[int, ...]


class Writer:
    """Changes a library; one at a time among all processes and threads, for as long as one commit takes."""

    def __init__(self, path: Path, catalogue: Catalogue, files: Files) -> None:
        self._path = path
        self._db = catalogue
        self._files = files
        self._swept = False

    def begin(self, path: Path, offer: Offer, info: EncoderInfo) -> Draft:
        """Keeps a copy of a file and opens a document for its pages, or finds the document that it already is.

        Raises `EncoderMismatch`; `LibraryLocked` while another process ingests it; `InputError` when it cannot be
        read; `LibraryError` when the library cannot be written.
        """
        same = self._seen_before(path, offer, info)
        if same is not None:
            return same
        with self._writing():
            incoming = self._files.incoming()
        try:
            sha256, size = self._fill(incoming, path, offer.name)
            with self._writing(), self._db.write():
                collection = rows.collection_of(self._db, rows.ensure_collection(self._db, offer.collection))
                check_encoder(collection, info)
                decision = self._decide(offer, collection.key, sha256)
                if decision.keep is None:
                    # The file before the row that names it: a kill in between leaves a file for the next sweep.
                    incoming.place(f"{sha256}.{extension_of(offer.name)}")
                return self._open(decision, _new_document(offer, decision, collection.key, sha256, size))
        finally:
            incoming.discard()

    def _fill(self, incoming: Incoming, path: Path, name: str) -> tuple[str, int]:
        try:
            return incoming.fill(path)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self._unwritable(error) from error
            raise InputError(f"{name} cannot be read ({error.strerror}): check the file and its permissions") from error

    def _seen_before(self, path: Path, offer: Offer, info: EncoderInfo) -> Draft | None:
        """The complete document that a file already is, found without copying it; None when it may be another."""
        size = path.stat().st_size
        with self._db.read():
            known = next((row for row in rows.collections(self._db) if row.name == offer.collection), None)
            if known is None:
                return None
            check_encoder(known, info)
            if not rows.documents(self._db, "collection = ? AND bytes = ?", [known.key, size]):
                return None
        sha256 = file_sha256(path)
        with self._db.read():
            decision = self._decide(offer, known.key, sha256)
        if decision.outcome != "same" or decision.keep is None or decision.drop:
            return None
        return Draft("same", decision.keep, ())

    def _decide(self, offer: Offer, collection: int, sha256: str) -> Decision:
        found = rows.candidates(self._db, collection, sha256, offer.source, offer.name)
        return decide(offer, sha256, found, lambda name: rows.is_taken(self._db, collection, name))

    def _open(self, decision: Decision, new: NewDocument) -> Draft:
        for row in decision.drop:
            self._forget(row)
        if decision.keep is None:
            row = rows.add_document(self._db, new)
        elif decision.outcome == "same":
            return Draft("same", decision.keep, ())
        else:
            row = self._reopen(decision.keep)
        known = rows.numbers(self._db, row.key)
        missing = tuple(number for number in range(1, row.pages + 1) if number not in known)
        return Draft(decision.outcome, row, missing)

    def _reopen(self, row: DocumentRow) -> DocumentRow:
        """Goes on with a document: pages of a quarantined shard are read again, and all that failed if the file did."""
        holder = Holder.parse(row.worker)
        if row.state == rows.INGESTING and holder and holder != Holder.current() and holder.is_alive():
            raise LibraryLocked(f"{row.name!r} is being ingested by {row.worker}: wait for it, or stop it first")
        rows.forget_pages(self._db, "document = ? AND shard IN (SELECT key FROM shards WHERE damage <> '')", [row.key])
        if row.state == rows.FAILED:
            rows.forget_pages(self._db, "document = ? AND reason IS NOT NULL", [row.key])
        rows.set_state(self._db, row.key, rows.INGESTING, worker=str(Holder.current()))
        self._swept = False
        return rows.document(self._db, row.key) or row

    def commit(
        self, draft: Draft, pages: Sequence[EncodedPage], info: EncoderInfo, *, failed: Sequence[tuple[int, str]] = ()
    ) -> None:
        """Adds pages to a document, durably; pages that another process has stored meanwhile are left out.

        `failed` are (number, reason). The first commit pins the collection's encoder. Raises `DocumentNotFound` when
        the document has been deleted, `EncoderMismatch` when another encoder was pinned since `begin`.
        """
        with self._writing():
            with self._db.read():
                row = self._row_of(draft)
                collection = rows.collection_of(self._db, row.collection)
                known = rows.numbers(self._db, row.key)
                shard = rows.next_shard(self._db)
            check_encoder(collection, info)
            fresh = [page for page in pages if page.number not in known]
            batch = _Batch(row, fresh, [page for page in failed if page[0] not in known], collection.info or info)
            # Killed after the pictures or after the shard: no row names them. The pages are encoded again and written
            # over them, since neither a page's name nor the next shard's key was used up.
            self._files.write_pictures(row.sha256, {page.number: page.picture for page in fresh})
            stored = self._write_shard(shard, batch) if fresh else None
            with self._db.write():
                self._record(batch, stored)

    def _write_shard(self, key: int, batch: "_Batch") -> ShardRow:
        path = self._files.shard(rows.shard_name(key))
        pages = batch.quantised()
        checksum = write_shard(path, pages, code_range=batch.info.code_range)
        vectors = sum(len(page.codes) for page in pages)
        return ShardRow(key, batch.row.collection, len(pages), vectors, path.stat().st_size, checksum, "")

    def _record(self, batch: "_Batch", shard: ShardRow | None) -> None:
        row = batch.row
        rows.add_failed_pages(self._db, row.key, batch.failed)
        if shard is None:
            return
        rows.pin_encoder(self._db, row.collection, batch.info)
        rows.add_shard(self._db, shard)
        for place, page in enumerate(batch.pages):
            new = NewPage(row.key, page.number, page.height, page.width, page.geometry, shard.key, place)
            rows.add_page(self._db, new, page.text)
        rows.count_clipped(self._db, row.collection, *batch.clipped())
        if row.visible:
            rows.next_generation(self._db, row.collection)

    def finish(self, draft: Draft) -> str:
        """Completes a document, and swaps a replacement in; returns "" or the reason why the document failed.

        A document without a single page fails: a replacement then leaves the old version as it was. Raises
        `DocumentNotFound` when it has been deleted.
        """
        with self._writing():
            with self._db.write():
                row = self._row_of(draft)
                if row.stored == 0:
                    return self._fail(row)
                target = rows.document(self._db, row.replaces) if row.replaces is not None else None
                if target is not None:
                    self._forget(target)
                rows.show_document(self._db, row.key)
                rows.next_generation(self._db, row.collection)
            # Killed before the old version's files are removed: no row names them, so the next writer sweeps them.
            if target is not None:
                self._sweep()
        return ""

    def _fail(self, row: DocumentRow) -> str:
        reasons = rows.failed_pages(self._db, row.key)
        detail = f": {reasons[0][1]}" if reasons else ""
        reason = f"none of its {row.pages} pages could be read{detail}"
        if row.visible:
            rows.set_state(self._db, row.key, rows.FAILED, reason)
        else:
            self._forget(row)
        return reason

    def stop(self, draft: Draft, state: str, reason: str = "") -> None:
        """Leaves a document incomplete (`rows.CANCELLED` or `rows.FAILED`): what is stored stays, and can be gone on
        with.
        """
        with self._writing(), self._db.write():
            rows.set_state(self._db, draft.row.key, state, reason)

    def delete(self, row: DocumentRow) -> None:
        """Removes a document and all that was made of it; its pages are out of reach when this returns.

        Vectors that share a shard with other documents stay in the file, unreachable. Raises `DocumentNotFound`.
        """
        with self._writing():
            with self._db.write():
                if rows.document(self._db, row.key) is None:
                    raise _gone(row)
                for replacement in rows.documents(self._db, "replaces = ?", [row.key]):
                    self._forget(replacement)
                self._forget(row)
                rows.next_generation(self._db, row.collection)
            # Killed here, its files are still on the disk but nothing leads to them; the next writer sweeps them.
            self._sweep()

    def _forget(self, row: DocumentRow) -> None:
        rows.forget_document(self._db, row.key)
        self._swept = False

    def _row_of(self, draft: Draft) -> DocumentRow:
        row = rows.document(self._db, draft.row.key)
        if row is None:
            raise _gone(draft.row)
        return row

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The writer lock. Its first holder in this process removes what an earlier kill left behind."""
        if self._db.read_only:
            raise LibraryReadOnly(f"library {self._path} cannot be written: copy it to a disk where it can")
        with writer_lock(self._path / LOCK_NAME):
            try:
                if not self._swept:
                    self._sweep()
                yield
            except (OSError, sqlite3.OperationalError) as error:
                raise self._unwritable(error) from error

    def _unwritable(self, error: OSError | sqlite3.OperationalError) -> LibraryError:
        return LibraryError(
            f"library {self._path} could not be written ({error}): nothing that was stored is lost; make room or "
            "give access, then ingest the same files again to go on"
        )

    def _sweep(self) -> None:
        with self._db.read():
            shards = {row.file_name for row in rows.shards(self._db)}
            files = {row.file_name for row in rows.documents(self._db)}
        self._files.sweep(shards, files)
        self._swept = True


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """What one commit adds to a document; `info` is the collection's, whose code range holds for all its shards."""

    row: DocumentRow
    pages: Sequence[EncodedPage]
    failed: Sequence[tuple[int, str]]
    info: EncoderInfo

    def quantised(self) -> list[ShardPage]:
        for page in self.pages:
            dim = page.embedding.vectors.shape[1]
            if dim != self.info.dim:
                raise ValueError(f"page {page.number} of {self.row.name!r} has dim {dim}, expected {self.info.dim}")
        return [
            ShardPage(quantise(embedding.vectors, self.info.code_range), embedding.grid, embedding.kind)
            for embedding in (page.embedding for page in self.pages)
        ]

    def clipped(self) -> tuple[int, int]:
        """(components, clipped ones) of all vectors."""
        sizes = [page.embedding.vectors.size for page in self.pages]
        shares = [clipped_share(page.embedding.vectors, self.info.code_range) for page in self.pages]
        return sum(sizes), sum(round(size * share) for size, share in zip(sizes, shares, strict=True))


def check_encoder(collection: CollectionRow, info: EncoderInfo) -> None:
    """Raises `EncoderMismatch` unless the collection is empty or was filled by an encoder of this fingerprint."""
    pinned = collection.info
    if pinned is not None and pinned.fingerprint != info.fingerprint:
        raise EncoderMismatch(
            f"collection {collection.name!r} was filled by {pinned.name} (fingerprint {pinned.fingerprint[:12]}), "
            f"not by {info.name} ({info.fingerprint[:12]}): open the library with {pinned.name}, or run "
            f"`colvision reencode` to fill the collection again with {info.name} from the kept files"
        )


def _new_document(offer: Offer, decision: Decision, collection: int, sha256: str, size: int) -> NewDocument:
    return NewDocument(
        id=new_id(),
        collection=collection,
        name=decision.name,
        source=offer.source,
        upload=offer.upload,
        sha256=sha256,
        extension=extension_of(offer.name),
        bytes=size,
        pages=offer.pages,
        renderer=offer.renderer,
        visible=decision.target is None,
        replaces=decision.target.key if decision.target else None,
        worker=str(Holder.current()),
    )


def _gone(row: DocumentRow) -> DocumentNotFound:
    return DocumentNotFound(f"document {row.name!r} ({row.id}) was deleted or replaced meanwhile: ingest it again")
