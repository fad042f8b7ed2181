"""A library on disk, opened: reading it, and what changes it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeVar

from colvision.core.health import Health, group_notes
from colvision.core.names import path_parts
from colvision.core.page import Box, PrintedWord
from colvision.errors import (
    CollectionNotFound,
    DocumentAmbiguous,
    DocumentNotFound,
    FurtherEncoderNotFound,
    LibraryDamaged,
    LibraryError,
    LibraryFormat,
    PageNotFound,
)
from colvision.store import rows
from colvision.store.catalogue import FILE_NAME, Catalogue
from colvision.store.centroids import CentroidSets
from colvision.store.compaction import Compaction, Compactor
from colvision.store.companions import Companions
from colvision.store.disk import disk_errors
from colvision.store.documents import PendingDocuments
from colvision.store.files import Files
from colvision.store.fulltext import TextLayers, TextScores, TextStatistics
from colvision.store.high_water_mark import HighWaterMark
from colvision.store.identity import comes_from, has_copy_named, shown_folders, shown_name
from colvision.store.integrity import Repair, Verifier
from colvision.store.jobs import JobQueue
from colvision.store.judgements import Judgements
from colvision.store.records import (
    INGESTING,
    INTERRUPTED,
    CollectionRow,
    Damage,
    DocumentRow,
    PageRow,
    PageText,
    ShardRow,
)
from colvision.store.reencoding import Reencoding
from colvision.store.shards import ShardPage, file_sha256
from colvision.store.snapshot import Snapshot, Snapshots
from colvision.store.workers import Workers
from colvision.store.writer import Writer
from colvision.store.writer_lock import WriterLock, document_deleted

_Result = TypeVar("_Result")


class Store:
    """An open library folder, for use from several threads; other processes may read and write it meanwhile.

    Raises `LibraryFormat` for a folder that is not a library and cannot become one: missing while `create` is False,
    or holding other things. A disk that cannot be written opens for reading.
    """

    def __init__(self, path: Path, *, create: bool = True, read_only: bool = False) -> None:
        self.path = path
        _check_folder(path, create=create and not read_only)
        self._db = Catalogue(path, create=create, read_only=read_only)
        self.files = Files(path)
        self._workers = Workers(path)
        self.jobs = JobQueue(self._db, self._workers)
        self.judgements = Judgements(self._db)
        centroids = CentroidSets(self._db, self.files)
        self._snapshots = Snapshots(self._db, self.files, centroids)
        self._text_layers = TextLayers(self._db)
        writer_lock = self._writer_lock = WriterLock(path, self._db, self.files)
        self.pending = PendingDocuments(writer_lock, self._db, self.files, self._workers)
        self.reencoding = Reencoding(writer_lock, self._db, self.pending, self._workers)
        self.companions = Companions(writer_lock, self._db, self.pending, self._workers)
        self._compactor = Compactor(writer_lock, self._db, self.files, centroids)
        self.writer = Writer(writer_lock, self._db, self.files, self._compactor, centroids)
        self.repair = Repair(writer_lock, self._db, self.files, self._compactor)
        self._verifier = Verifier(self._db, self.files)
        if not self.read_only:
            try:
                with disk_errors(path):
                    self.files.make_folders()
            except LibraryError:
                self.close()
                raise

    def close(self) -> None:
        self._snapshots.close()
        self._text_layers.close()
        self._workers.close()
        self._db.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def read_only(self) -> bool:
        return self._db.read_only

    @property
    def revision(self) -> str:
        """See `Catalogue.revision`."""
        return self._db.revision

    def collections(self) -> list[CollectionRow]:
        with self._db.read():
            return rows.collections.select(self._db)

    def collection(self, name: str) -> CollectionRow:
        """Raises `CollectionNotFound`."""
        with self._db.read():
            return rows.collections.find(self._db, name)

    def snapshot(self, collection: str) -> Snapshot:
        """The newest generation of a collection. Raises `CollectionNotFound`."""
        return self._snapshots.take(collection)

    def companion_snapshot(self, of: Snapshot, encoder_name: str) -> Snapshot | None:
        """See `Snapshots.take_companion`."""
        return self._snapshots.take_companion(of, encoder_name)

    def serve(self, collection: str, work: Callable[[Snapshot], _Result]) -> _Result:
        """The result of `work` on the newest generation of a collection.

        A shard that it finds damaged is quarantined, and the work is done again with the others.
        """
        while True:
            snapshot = self.snapshot(collection)
            try:
                return work(snapshot)
            except LibraryDamaged as error:
                if not self._quarantine(snapshot.collection, error):
                    raise

    def _quarantine(self, collection: CollectionRow, error: LibraryDamaged) -> bool:
        """Takes the shard that an error is about out of the answers; False where it is about none of a collection."""
        with self._db.read():
            keys = [collection.key, *(row.key for row in rows.collections.companions(self._db, collection.key))]
            shards = [row for key in keys for row in rows.shards.select(self._db, "collection = ?", [key])]
        damaged = [row for row in shards if self.files.shard_path(row.file_name) == error.path and not row.damage]
        return any([self._snapshots.quarantine(row, error) for row in damaged])

    def text_scores(self, collection: str, text: str, statistics: TextStatistics | None = None) -> TextScores:
        """BM25 scores of a text on the pages of a collection, see `fulltext`. Raises `CollectionNotFound`."""
        return self._text_layers.scores(collection, text, statistics)

    def text_statistics(self, collection: str, text: str) -> TextStatistics:
        """What the BM25 scores of a text ask of a collection. Raises `CollectionNotFound`."""
        return self._text_layers.statistics(collection, text)

    def text_holds(self, pages: Sequence[tuple[str, int]], words: Sequence[str]) -> list[frozenset[str]]:
        """Which of the words the text layer of each page (id of its document, number) holds, see `fulltext`."""
        return self._text_layers.holds(pages, words)

    def text_boxes(self, row: DocumentRow, number: int, words: Sequence[str]) -> dict[str, tuple[Box, ...]]:
        """Where the text layer of a page has the words, as far as it knows where its words stand, see `fulltext`."""
        printed = self.page_words(row, number) if words else ()
        found = self._text_layers.places([word.text for word in printed], words)
        return {word: tuple(printed[place].box for place in places) for word, places in found.items()}

    def documents(self, collection: str) -> list[DocumentRow]:
        """The visible documents of a collection, in the order of their names."""
        with self._db.read():
            key = rows.collections.find(self._db, collection).key
            return rows.documents.select(self._db, "collection = ? AND visible", [key])

    def shown_folder(self, row: DocumentRow) -> str:
        """What is shown of where a document came from: see `shown_folders`."""
        if row.upload:
            return ""
        with self._db.read():
            likely = rows.documents.of_file_name(self._db, "".join(path_parts(row.source)[-1:]))
        same_collection = {each.key: each for each in likely if each.collection == row.collection} | {row.key: row}
        return shown_folders(same_collection.values())[row.key]

    def find(self, document: str, *, collection: str | None = None) -> DocumentRow:
        """The document of an id, of a name, or of the end of the path that it came from, such as `press/manual.pdf`.

        Names and paths are those of one collection or, with None, of all of them. Raises `DocumentNotFound`;
        `DocumentAmbiguous` for a name or a path that several documents have.
        """
        meant = self.meant_by(document)
        if collection is not None and not any(each.level == 0 for each in meant):
            self.collection(collection)
        return choose_document(document, meant, collection)

    def meant_by(self, document: str) -> "list[MeantDocument]":
        """The documents that a text means most plainly, in all collections: by id, by name, or by a path's end."""
        as_typed = document.encode(errors="ignore").decode()
        with self._db.read():
            found = rows.documents.select(self._db, "id = ? AND visible", [shown_name(document)])
            if found:
                return [MeantDocument(0, row) for row in found]
            # An older library may hold both forms of a name.
            for level, name in enumerate((as_typed, shown_name(document)), start=1):
                if found := rows.documents.select(self._db, "name = ? AND visible", [name]):
                    return [MeantDocument(level, row) for row in found]
            likely = rows.documents.of_file_name(self._db, "".join(path_parts(document)[-1:]))
        return [MeantDocument(3, row) for row in likely if comes_from(row, document) or has_copy_named(row, document)]

    def same_file(self, path: Path, collection: str) -> DocumentRow | None:
        """The document of a collection that has the bytes of a file. Raises `OSError` for one that cannot be read."""
        with self._db.read():
            try:
                key = rows.collections.find(self._db, collection).key
            except CollectionNotFound:
                return None
            size = path.stat().st_size
            alike = rows.documents.select(self._db, "collection = ? AND bytes = ? AND visible", [key, size])
        sha256 = file_sha256(path) if alike else ""  # only a file as long as a stored one is read
        return next((row for row in alike if row.sha256 == sha256), None)

    def seen(self, row: DocumentRow) -> DocumentRow:
        """As it is to be shown: one whose worker has died is not being read any more."""
        is_left = row.state == INGESTING and not self._workers.is_alive(row.worker)
        return replace(row, state=INTERRUPTED, reason="") if is_left else row

    def page(self, row: DocumentRow, number: int) -> PageRow:
        """Raises `PageNotFound`, saying why; `DocumentNotFound` when the document was deleted or replaced meanwhile."""
        with self._db.read():
            return rows.pages.find(self._db, self._current_row(row), number)

    def page_text(self, row: DocumentRow, number: int) -> str:
        """The page's own text layer, or what OCR has read on it; "" where it has none. Raises as `page` does."""
        with self._db.read():
            return rows.pages.text(self._db, rows.pages.find(self._db, self._current_row(row), number))

    def page_words(self, row: DocumentRow, number: int) -> tuple[PrintedWord, ...]:
        """The words of `page_text` with their places, none where nobody knows them. Raises as `page` does."""
        with self._db.read():
            return rows.pages.page_words(self._db, rows.pages.find(self._db, self._current_row(row), number))

    def read_by_ocr(self, row: DocumentRow, number: int) -> PageText | None:
        """What OCR has read on a page of a document before, wherever its file is in the library; None for nothing."""
        with self._db.read():
            return rows.pages.read_by_ocr(self._db, row.sha256, number)

    def page_numbers(self, row: DocumentRow) -> list[int]:
        """The pages that are stored."""
        with self._db.read():
            return sorted(rows.pages.numbers(self._db, self._current_row(row).key))

    def pages_without_text(self, row: DocumentRow, *, again: bool = False) -> list[int]:
        """The stored pages that have no text and that no OCR has read; with `again` also those that it has."""
        with self._db.read():
            return rows.pages.without_text(self._db, row.key, again=again)

    def stored_page(self, row: DocumentRow, number: int, *, encoder_name: str | None = None) -> ShardPage:
        """The page's codes and grid, of the collection's own encoder or of the further one that is called so.

        Raises as `page` does; `LibraryDamaged` when its shard is quarantined; `FurtherEncoderNotFound`.
        """
        while True:
            with self._db.read():
                row = self._current_row(row)
                if encoder_name is not None:
                    row = self._counterpart(row, number, encoder_name)
                page = rows.pages.find(self._db, row, number)
                shards = rows.shards.select(self._db, "key = ?", [page.shard])
            if not shards or shards[0].damage:
                reason = shards[0].damage if shards else "the catalogue does not know its shard"
                raise LibraryDamaged(f"page {number} of {row.name!r} cannot be read: {reason}")
            try:
                shard = self._snapshots.shard(shards[0])
                if shard.holds(page.row, row.key, number):
                    return shard.page(page.row)
            except (FileNotFoundError, LibraryDamaged) as error:
                if self._snapshots.quarantine(shards[0], error):
                    raise LibraryDamaged(f"page {number} of {row.name!r} cannot be read: {error}") from error
                continue  # merged meanwhile: the page lies elsewhere
            raise LibraryDamaged(f"the catalogue's entry of page {number} of {row.name!r} is damaged")

    def _counterpart(self, row: DocumentRow, number: int, encoder_name: str) -> DocumentRow:
        """What a further encoder has made of a document, with this page of it."""
        companion = rows.collections.companion(self._db, row.collection, encoder_name)
        for each in rows.documents.counterparts(self._db, row.key):
            is_of_it = companion is not None and each.collection == companion.key and each.sha256 == row.sha256
            if is_of_it and number in rows.pages.numbers(self._db, each.key):
                return each
        if companion is None:
            raise FurtherEncoderNotFound(f"collection {row.collection_name!r} has no further encoder {encoder_name!r}")
        raise PageNotFound(
            f"{encoder_name} has not read page {number} of {row.name!r}: run `colvision add-encoder {encoder_name}`"
        )

    def _current_row(self, row: DocumentRow) -> DocumentRow:
        """A document that was encoded again since `row` was read has its id and another key; so has another version."""
        same = "key = ? OR (id = ? AND sha256 = ? AND visible)"
        found = rows.documents.select(self._db, same, [row.key, row.id, row.sha256])
        if not found:
            raise document_deleted(row)
        return found[0]

    def page_image_path(self, row: DocumentRow, number: int) -> Path:
        """The page image, a JPEG. Raises as `page` does."""
        self.page(row, number)
        return self.files.page_image_path(row.sha256, number)

    def original_path(self, row: DocumentRow) -> Path:
        """The file that the document was made from."""
        return self.files.original_path(row.file_name)

    def health(self, documents: Sequence[DocumentRow]) -> list[Health]:
        """What of each of these documents was not read; one statement for all that failed, and one for all notes."""
        keys = [row.key for row in documents]
        with self._db.read():
            failed, noted = rows.pages.failed(self._db, keys), rows.pages.noted(self._db, keys)
        return [
            Health(tuple(failed.get(row.key, ())), group_notes(row.notes, noted.get(row.key, ()))) for row in documents
        ]

    def shards(self, collection: str) -> list[ShardRow]:
        with self._db.read():
            return rows.shards.select(self._db, "collection = ?", [rows.collections.find(self._db, collection).key])

    def live_pages(self, collection: str) -> dict[int, int]:
        """{shard: how many of its pages are not dead}."""
        with self._db.read():
            return rows.shards.live_pages(self._db, rows.collections.find(self._db, collection).key)

    @property
    def catalogue_bytes(self) -> int:
        return self._db.bytes

    def compact(self) -> Compaction:
        """Drops the bytes of what was deleted, merges small shards, and brings those of older formats to this one.

        Needs room on the disk for a copy of the largest shard. Raises `LibraryReadOnly`, `LibraryLocked`,
        `LibraryError`.
        """
        return self._compactor.compact()

    def verify(self) -> list[Damage]:
        """Reads every byte of the library and names what is damaged, with the documents it belongs to.

        A damaged shard is quarantined; one that is intact again (put back from a copy) serves again.
        """
        return self._verifier.verify()

    def known_damage(self) -> list[Damage]:
        """What is known to be damaged, without reading the files: a lost log, and the shards that are quarantined.

        Each shard with the names of the documents that have pages in it.
        """
        with self._db.read():
            shards = [
                Damage.of(
                    "shard",
                    self.files.shard_path(row.file_name),
                    row.damage,
                    rows.shards.documents_in(self._db, row.key),
                )
                for row in rows.shards.select(self._db, "damage <> ''")
            ]
        return [*HighWaterMark(self._db, self.files).damage(), *shards]


class MeantDocument(NamedTuple):
    """A document that is meant by its id (`level` 0), its name (1 as typed, 2) or the end of a path (3)."""

    level: int
    row: DocumentRow


def choose_document(document: str, meant: Sequence[MeantDocument], collection: str | None) -> DocumentRow:
    """The one of those that a text means most plainly; names and paths are those of a collection, or of all.

    Raises `DocumentNotFound`, `DocumentAmbiguous`.
    """
    level = min((each.level for each in meant), default=0)
    everywhere = [each.row for each in meant if each.level == level]
    found = [row for row in everywhere if not level or collection in (None, row.collection_name)]
    if not found:
        where = "this library" if collection is None else f"collection {collection!r}"
        others = " and ".join(sorted({repr(row.collection_name) for row in everywhere}))
        why = f"there is one in {others}" if others else "it was deleted or replaced, or is named otherwise"
        raise DocumentNotFound(f"no document {document!r} in {where}: {why}; the list of documents shows all")
    if len(found) > 1:
        ids = ", ".join(f"{row.id} (from {row.source}, in {row.collection_name!r})" for row in found)
        raise DocumentAmbiguous(
            f"{len(found)} documents are named {document!r}: name the collection, its folder, or an id: {ids}"
        )
    return found[0]


def _check_folder(path: Path, *, create: bool) -> None:
    try:
        is_there = path.exists()
    except OSError as error:  # a folder above it is locked, its name is too long
        raise LibraryFormat(f"{path} cannot be opened ({error.strerror}): choose another folder") from error
    if is_there and not path.is_dir():
        raise LibraryFormat(f"{path} is a file, not a library: give a folder")
    if not is_there:
        if not create:
            raise LibraryFormat(f"there is no library at {path}: check the path, or ingest into it to make one")
        with disk_errors(path):
            path.mkdir(parents=True, exist_ok=True)
    # A power cut while it was made may have left a log of SQLite's without its catalogue: that is no library.
    ignored = (".", f"{FILE_NAME}-")
    other = next((entry.name for entry in path.iterdir() if not entry.name.startswith(ignored)), None)
    if other is not None and not (path / FILE_NAME).exists():
        raise LibraryFormat(
            f"{path} is not a library: it holds {other!r} but no {FILE_NAME}; give an empty or a new folder"
        )
