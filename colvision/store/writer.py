"""Storing and deleting pages: the order in which files and catalogue change.

Comments between two steps say what a kill there leaves; the rule is that of `colvision.store.writer_lock`.
"""

import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from colvision.core.embedding import PageEmbedding
from colvision.core.encoder import EncoderInfo
from colvision.core.health import Note
from colvision.core.metadata import Metadata
from colvision.core.page import PdfGeometry
from colvision.errors import DiskError
from colvision.maxsim import clipped_share, quantise
from colvision.store import rows
from colvision.store.catalogue import Catalogue
from colvision.store.centroids import CentroidSets, lists_key
from colvision.store.compaction import Compactor
from colvision.store.disk import Reserve
from colvision.store.documents import PendingDocument
from colvision.store.files import Files
from colvision.store.records import (
    FAILED,
    READY,
    CollectionRow,
    DocumentRow,
    NewPage,
    PageText,
    ShardRow,
    shard_name,
)
from colvision.store.shards import SHARD_FORMAT, PageRef, ShardPage, write_shard
from colvision.store.writer_lock import WriterLock, document_deleted


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPage:
    """A page ready to be stored: its vectors, its image as a JPEG (see `encode_jpeg`), height and width in pixels."""

    number: int
    embedding: PageEmbedding
    jpeg: bytes
    height: int
    width: int
    geometry: PdfGeometry | None = None
    text: PageText = PageText()
    notes: tuple[Note, ...] = ()


class Writer:
    """Stores pages, completes and deletes documents."""

    def __init__(
        self, writer_lock: WriterLock, catalogue: Catalogue, files: Files, compactor: Compactor, centroids: CentroidSets
    ) -> None:
        self._writer_lock = writer_lock
        self._db = catalogue
        self._files = files
        self._compactor = compactor
        self._centroids = centroids
        self._reserve = Reserve(catalogue.folder)

    def keep_room(self) -> None:
        """Keeps some room of the disk, so that a `delete` can make room when there is none."""
        self._reserve.make()

    def commit(
        self,
        pending: PendingDocument,
        pages: Sequence[EncodedPage],
        info: EncoderInfo,
        *,
        failed: Sequence[tuple[int, str]] = (),
    ) -> None:
        """Adds pages to a document, durably; pages that another process has stored meanwhile are left out.

        `failed` are (number, reason); pages may have failed before. The first commit pins the collection's encoder.
        Raises `DocumentNotFound` when the document has been deleted, `EncoderMismatch` when another encoder was pinned
        since `begin`.
        """
        with self._writer_lock.acquire():
            with self._db.read():
                row = self._current_row(pending)
                collection = rows.collections.get(self._db, row.collection)
                known = rows.pages.numbers(self._db, row.key)
                is_companion = collection.companion_of is not None
                wanted = rows.pages.numbers(self._db, row.replaces or row.key) if is_companion else None
                shard = rows.shards.next_key(self._db)
            collection.check_encoder(info)
            new_pages = [
                page for page in pages if page.number not in known and (wanted is None or page.number in wanted)
            ]
            new_failed = [page for page in failed if page[0] not in known]
            batch = _Batch(row, new_pages, new_failed, collection.info or info, is_companion=is_companion)
            # Killed after the page images or after the shard: no row names them. The pages are encoded again and
            # written over them, since neither an image's name nor the next shard's key is in use.
            if not is_companion:  # the page images of a companion are those of its collection
                self._files.write_page_images(row.sha256, {page.number: page.jpeg for page in new_pages})
            stored = self._write_shard(shard, batch) if new_pages else None
            with self._db.write():
                self._record(batch, stored)
            self._merge(row.collection)

    def _merge(self, collection: int) -> None:
        """The pages are stored by now: a disk too full for merging does not fail the commit."""
        with suppress(OSError, DiskError):
            self._compactor.compact_due(collection)

    def _write_shard(self, key: int, batch: "_Batch") -> ShardRow:
        path = self._files.shard_path(shard_name(key))
        pages = batch.quantise()
        owners = [PageRef(batch.row.key, page.number) for page in batch.pages]
        lists = self._centroids.lists_of(batch.row.collection, pages, batch.info)
        checksum = write_shard(path, pages, owners, quantisation_range=batch.info.quantisation_range, lists=lists)
        vectors, size, centroids = sum(len(page.codes) for page in pages), path.stat().st_size, lists_key(lists)
        return ShardRow(key, batch.row.collection, len(pages), vectors, size, checksum, "", SHARD_FORMAT, centroids)

    def _record(self, batch: "_Batch", shard: ShardRow | None) -> None:
        row = batch.row
        tried = [*(page.number for page in batch.pages), *(number for number, _ in batch.failed)]
        rows.pages.delete_failed(self._db, row.key, tried)
        rows.pages.add_failed(self._db, row.key, batch.failed)
        if shard is None:
            return
        rows.collections.pin_encoder(self._db, row.collection, batch.info)
        rows.shards.add(self._db, shard)
        for place, page in enumerate(batch.pages):
            checksum = None if batch.is_companion else zlib.crc32(page.jpeg)
            new = NewPage(
                row.key,
                page.number,
                page.height,
                page.width,
                page.geometry,
                shard.key,
                place,
                checksum,
                page.notes,
            )
            rows.pages.add(self._db, new, PageText() if batch.is_companion else page.text)
        rows.collections.count_clipped(self._db, row.collection, *batch.count_clipped())
        if row.visible or batch.is_companion:
            rows.collections.next_generation(self._db, row.collection)

    def finish(self, pending: PendingDocument) -> str:
        """Completes a document, and swaps a replacement in; returns "" or the reason why the document failed.

        A document without a single page fails: a replacement then leaves the old version as it was. In a shadow
        collection documents wait for the swap of all, in a companion they are never visible. Raises `DocumentNotFound`
        when it has been deleted.
        """
        if pending.outcome == "same":
            return ""
        with self._writer_lock.acquire():
            with self._db.write():
                row = self._current_row(pending)
                collection = rows.collections.get(self._db, row.collection)
                reason = "" if row.stored else self._empty_reason(row)
                target = rows.documents.get(self._db, row.replaces) if row.replaces is not None else None
                if collection.companion_of is not None:  # its pages are those that it was to read, and no more
                    rows.documents.set_pages(self._db, row.key, row.stored + row.failed)
                if collection.name is None:
                    rows.documents.set_state(self._db, row.key, FAILED if reason else READY, reason, row.worker)
                    return reason
                if reason and not row.visible:
                    self._writer_lock.delete_document(row)
                elif reason:
                    rows.documents.set_state(self._db, row.key, FAILED, reason)
                else:
                    self._complete(row, target)
            # Killed before the old version's files are removed: no row names them, so the next writer sweeps them.
            if not row.visible:
                self._writer_lock.sweep()
                self._merge(row.collection)
        return reason

    def _complete(self, row: DocumentRow, target: DocumentRow | None) -> None:
        if target is not None:
            self._writer_lock.delete_document(target, successor=row)
            rows.documents.take_place(self._db, row.key, target)
        rows.documents.complete(self._db, row.key)
        rows.judgements.delete_orphans(self._db)
        rows.collections.next_generation(self._db, row.collection)

    def _empty_reason(self, row: DocumentRow) -> str:
        failed = rows.pages.failed(self._db, [row.key])[row.key]
        what = "its only page could not" if row.pages == 1 else f"none of its {row.pages} pages could"
        return f"{what} be read" + (f": it {failed[0].reason}" if failed else "")

    def stop(self, pending: PendingDocument, state: str, reason: str = "") -> None:
        """Ends an incomplete document as `CANCELLED`, `INTERRUPTED` or `FAILED`; what is stored stays, for a later run.

        One that was complete before stays so: only pages that failed were tried again.
        """
        if pending.outcome == "same":
            return
        with self._writer_lock.acquire(), self._db.write():
            rows.documents.set_state(self._db, pending.row.key, state, reason, pending.row.worker)

    def set_metadata(self, row: DocumentRow, metadata: Metadata) -> None:
        """Replaces the metadata of a document. Raises `DocumentNotFound`, `ValueError` for what no metadata can be."""
        with self._writer_lock.acquire(), self._db.write():
            if rows.documents.get(self._db, row.key) is None:
                raise document_deleted(row)
            rows.documents.set_metadata(self._db, row.key, metadata)
            rows.collections.next_generation(self._db, row.collection)

    def set_texts(self, row: DocumentRow, texts: Mapping[int, PageText], failed: Mapping[int, Note]) -> int:
        """Gives stored pages of a document the texts that OCR has read on them, and notes where it `failed`.

        They are those of its file, in whatever collection it is. What a further encoder of text has made of a page
        without text is deleted: it has not read that page. Pages that are gone by now are left out. Returns how many
        pages the encoder of the document's own collection has read without the text that they have now.
        """
        with self._writer_lock.acquire(), self._db.write():
            changed, behind = set(), 0
            for number, text in texts.items():
                for key, collection, is_companion in rows.pages.of_file(self._db, row.sha256, number):
                    if not is_companion:
                        behind += rows.pages.set_text(self._db, key, text) and collection == row.collection
                        changed.add(collection)
                    elif text.text.strip() and rows.pages.is_textless(self._db, key):
                        rows.pages.delete_where(self._db, "key = ?", [key])
                        changed.add(collection)
            for number, note in failed.items():
                for key, _, is_companion in rows.pages.of_file(self._db, row.sha256, number):
                    if not is_companion:
                        rows.pages.set_ocr_note(self._db, key, note)
            for collection in changed:
                rows.collections.next_generation(self._db, collection)
        return behind

    def set_renderer(self, row: DocumentRow, renderer: str) -> None:
        """What draws a document's pages, and its version. Raises `DocumentNotFound`."""
        if row.renderer == renderer:
            return
        with self._writer_lock.acquire(), self._db.write():
            if rows.documents.get(self._db, row.key) is None:
                raise document_deleted(row)
            rows.documents.set_renderer(self._db, row.key, renderer)

    def set_paths(self, row: DocumentRow, paths: Sequence[str]) -> None:
        """Where the file of a document comes from, and where copies of it do. Raises `DocumentNotFound`."""
        with self._writer_lock.acquire(), self._db.write():
            if rows.documents.get(self._db, row.key) is None:
                raise document_deleted(row)
            rows.documents.set_paths(self._db, row.key, paths)
            rows.collections.next_generation(self._db, row.collection)

    def rename(self, row: DocumentRow, name: str) -> None:
        """Raises `DocumentNotFound`; `ValueError` for a name that another document of its collection has."""
        with self._writer_lock.acquire(), self._db.write():
            now = rows.documents.get(self._db, row.key)
            if now is None:
                raise document_deleted(row)
            if name != now.name and rows.documents.name_exists(self._db, now.collection, name):
                raise ValueError(f"another document of its collection is named {name!r}: choose another name")
            rows.documents.set_name(self._db, row.key, name)
            rows.collections.next_generation(self._db, now.collection)

    def rename_collection(self, name: str, new: str) -> None:
        """Raises `CollectionNotFound`; `ValueError` for a name that another collection has that is not empty."""
        with self._writer_lock.acquire(), self._db.write():
            row = rows.collections.find(self._db, name)
            same = [each for each in rows.collections.select(self._db) if each.name == new and each.key != row.key]
            if same and not rows.collections.give_way(self._db, same[0], row):
                raise ValueError(f"there is a collection {new!r} already: choose another name, or delete that one")
            rows.collections.rename(self._db, row, new)

    def delete_collection(self, name: str) -> None:
        """Removes a collection with all its documents, as `delete` does with one. Raises `CollectionNotFound`."""
        with self._reserve.released(), self._writer_lock.acquire():
            with self._db.write():
                row = rows.collections.find(self._db, name)
                for companion in rows.collections.companions(self._db, row.key):
                    self._writer_lock.delete_companion(companion)
                shadow = rows.collections.shadow_of(self._db, row.key)
                for each in [row, shadow] if shadow is not None else [row]:
                    for document in rows.documents.select(self._db, "collection = ?", [each.key]):
                        self._writer_lock.delete_document(document)
                if shadow is not None:
                    rows.collections.delete(self._db, shadow.key)
                rows.collections.remove(self._db, row)
                rows.judgements.delete_orphans(self._db)
                rows.pages.purge_text(self._db)
            # Killed here, its files are still on the disk but nothing leads to them; the next writer sweeps them.
            self._writer_lock.sweep()
            self._db.checkpoint()

    def delete(self, row: DocumentRow) -> None:
        """Deletes a document and all that was made of it; its pages are out of reach when this returns.

        Its file, page images and text are off the disk as well. Its codes in a shard with other documents are when that
        is rewritten: at once where a quarter of it is dead. Raises `DocumentNotFound`.
        """
        with self._reserve.released(), self._writer_lock.acquire():
            with self._db.write():
                if rows.documents.get(self._db, row.key) is None:
                    raise document_deleted(row)
                deleted = [row, *rows.documents.select(self._db, "replaces = ?", [row.key])]
                has_text = any(rows.pages.has_text(self._db, each.key) for each in deleted)
                for each in deleted:
                    self._writer_lock.delete_document(each)
                rows.judgements.delete_orphans(self._db)
                if has_text:
                    rows.pages.purge_text(self._db)
                rows.collections.next_generation(self._db, row.collection)
            # Killed here, its files are still on the disk but nothing leads to them; the next writer sweeps them.
            self._writer_lock.sweep()
            self._merge(row.collection)
            for companion in self._companions(row.collection):
                self._merge(companion.key)
            self._db.checkpoint()

    def _companions(self, collection: int) -> list[CollectionRow]:
        with self._db.read():
            return rows.collections.companions(self._db, collection)

    def _current_row(self, pending: PendingDocument) -> DocumentRow:
        row = rows.documents.get(self._db, pending.row.key)
        if row is None:
            raise document_deleted(pending.row)
        return row


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """What one commit adds to a document; `info` is the collection's: its quantisation range holds for all shards."""

    row: DocumentRow
    pages: Sequence[EncodedPage]
    failed: Sequence[tuple[int, str]]
    info: EncoderInfo
    is_companion: bool = False

    def quantise(self) -> list[ShardPage]:
        for page in self.pages:
            dim = page.embedding.vectors.shape[1]
            if dim != self.info.dim:
                raise ValueError(f"page {page.number} of {self.row.name!r} has dim {dim}, expected {self.info.dim}")
        return [
            ShardPage(quantise(each.vectors, self.info.quantisation_range), each.grid, each.kind)
            for each in (page.embedding for page in self.pages)
        ]

    def count_clipped(self) -> tuple[int, int]:
        """(components, clipped components) of all vectors."""
        sizes = [page.embedding.vectors.size for page in self.pages]
        shares = [clipped_share(page.embedding.vectors, self.info.quantisation_range) for page in self.pages]
        return sum(sizes), sum(round(size * share) for size, share in zip(sizes, shares, strict=True))
