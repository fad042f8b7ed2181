"""Is every byte of a library what was stored, and what of it can be put right without an encoder?

Shards and kept files have a sha256, page images a crc32, the catalogue's rows a checksum; SQLite looks after the rest
of its own file, as far as it can. Where the catalogue can be written a damaged
shard is quarantined, and a document whose file or pages are damaged is marked.
"""

import zlib
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from PIL import Image

from colvision.errors import LibraryDamaged
from colvision.store import rows
from colvision.store.catalogue import COPY_BACK, FILE_NAME, Catalogue
from colvision.store.compaction import Compactor
from colvision.store.files import Files
from colvision.store.high_water_mark import HighWaterMark
from colvision.store.records import Damage, DamageKind, DocumentRow, ShardRow
from colvision.store.shards import Shard, file_sha256
from colvision.store.writer_lock import WriterLock

_MARKED_KINDS: frozenset[DamageKind] = frozenset({"shard", "file", "entry"})  # for which a document is marked


class Verifier:
    """Finds what is damaged in a library."""

    def __init__(self, catalogue: Catalogue, files: Files) -> None:
        self._db = catalogue
        self._files = files
        self._catalogue = catalogue.folder / FILE_NAME
        self._mark = HighWaterMark(catalogue, files)

    def verify(self) -> list[Damage]:
        """All that is damaged; recorded in the catalogue, unless that cannot be written or is damaged itself."""
        try:
            found = [*self._mark.damage(), *self._check_catalogue()]
            if any(damage.kind == "catalogue" for damage in found):
                return found
            for check in (self._check_shards, self._check_originals, self._check_page_images):
                found += check()
            self._mark_documents(found)
            return found + list(self._check_page_counts())
        except LibraryDamaged as error:
            return [Damage("catalogue", self._catalogue, str(error), ())]

    def _check_catalogue(self) -> Iterator[Damage]:
        with self._db.read():
            messages = [str(row[0]) for row in self._db.all("PRAGMA integrity_check (3)")]
            orphans = self._db.all("PRAGMA foreign_key_check")
            rows.collections.select(self._db)
            rows.collections.companions(self._db)
            documents = {row.key: row for row in rows.documents.select(self._db)}
            pages = [*rows.pages.damaged(self._db), *rows.pages.damaged_texts(self._db)]
            centroids = rows.centroids.damaged(self._db)
        if messages != ["ok"] or orphans:
            detail = "; ".join(messages) if messages != ["ok"] else f"{len(orphans)} rows belong to nothing"
            yield self._catalogue_damage("catalogue", f"{self._catalogue.name} is damaged ({detail}): {COPY_BACK}")
        for row in documents.values():
            if not row.is_intact:
                reason = f"the catalogue's entry of document {row.name!r} ({row.id}) is damaged"
                yield self._catalogue_damage("entry", f"{reason}: delete it and ingest its file again", row)
        for _, key, number in pages:
            owner = [documents[key]] if key in documents else []
            name = owner[0].name if owner else "a document that there is not"
            yield self._catalogue_damage(
                "entry", f"the catalogue's entry of page {number} of {name!r} is damaged", *owner
            )
        for key in centroids:
            yield self._catalogue_damage(
                "entry",
                f"the catalogue's entry of the centroids {key} is damaged: shards with lists by them are compared as a "
                "whole",
            )
        yield from self._check_text()

    def _catalogue_damage(self, kind: DamageKind, reason: str, *documents: DocumentRow) -> Damage:
        return Damage.of(kind, self._catalogue, reason, documents)

    def _check_text(self) -> Iterator[Damage]:
        if self._db.read_only:
            return  # FTS5 checks itself only where it may write
        try:
            with self._db.write():
                rows.pages.check_text(self._db)
        except LibraryDamaged:
            yield self._catalogue_damage("text", "the lists that the pages' own text is found by are damaged")

    def _check_shards(self) -> list[Damage]:
        with self._db.read():
            shards = rows.shards.select(self._db)
        reasons = {row.key: self._shard_damage(row) for row in shards}
        for row in shards:
            if bool(reasons[row.key]) != bool(row.damage) and not self._db.read_only:
                with self._db.write():
                    rows.shards.quarantine(self._db, row, reasons[row.key])
        with self._db.read():  # again: a shard that was deleted or merged meanwhile is not damaged
            return [
                Damage.of(
                    "shard",
                    self._files.shard_path(row.file_name),
                    reasons[row.key],
                    rows.shards.documents_in(self._db, row.key),
                )
                for row in rows.shards.select(self._db)
                if reasons.get(row.key)
            ]

    def _shard_damage(self, row: ShardRow) -> str:
        path = self._files.shard_path(row.file_name)
        if not row.is_intact:
            return f"the catalogue's entry of shard {path.name} is damaged"
        try:
            shard = Shard(path)
            shard.verify(row.checksum)
        except FileNotFoundError:
            return f"shard {path.name} is missing: ingest its documents again"
        except LibraryDamaged as error:
            return str(error)
        with self._db.read():
            pages = rows.shards.pages_in(self._db, row.key)
        for place, document, number, _ in pages:
            if not shard.holds(place, document, number):
                return f"shard {path.name} and the catalogue do not agree about the page in its row {place}"
        return ""

    def _check_originals(self) -> list[Damage]:
        with self._db.read():
            files = {(row.file_name, row.sha256) for row in rows.documents.select(self._db)}
        reasons = {name: self._original_damage(name, sha256) for name, sha256 in sorted(files)}
        with self._db.read():  # again: see `_check_shards`
            documents = rows.documents.select(self._db)
        return [
            Damage.of(
                "file", self._files.original_path(name), reason, [row for row in documents if row.file_name == name]
            )
            for name, reason in reasons.items()
            if reason and any(row.file_name == name for row in documents)
        ]

    def _original_damage(self, name: str, sha256: str) -> str:
        path = self._files.original_path(name)
        if not path.is_file():
            return f"the kept file {name} is missing: ingest it again from where it came"
        if file_sha256(path) != sha256:
            return f"the kept file {name} is damaged (its sha256 is another): ingest it again from where it came"
        return ""

    def _check_page_images(self) -> list[Damage]:
        with self._db.read():
            pages = rows.pages.image_checksums(self._db)
        found = []
        for (sha256, number), group in groupby(pages, key=lambda page: page[:2]):
            path = self._files.page_image_path(sha256, number)
            owners = list(group)
            reason = _page_image_damage(path, {checksum for _, _, checksum, _ in owners})
            if reason:
                found.append((path, reason, {key for *_, key in owners}))
        with self._db.read():  # again: see `_check_shards`
            documents = {row.key: row for row in rows.documents.select(self._db)}
        return [
            Damage.of("page image", path, reason, [documents[key] for key in keys if key in documents])
            for path, reason, keys in found
            if keys & documents.keys()
        ]

    def _mark_documents(self, found: list[Damage]) -> None:
        """A document that misses a page image is not marked: its pages are found as before."""
        if self._db.read_only:
            return
        reasons = {id_: damage.reason for damage in found if damage.kind in _MARKED_KINDS for id_ in damage.ids}
        with self._db.write():
            reasons |= {
                row.id: rows.documents.missing_pages_reason(row) for row in rows.documents.with_missing_pages(self._db)
            }
            rows.documents.mark_damaged(self._db, reasons)

    def _check_page_counts(self) -> Iterator[Damage]:
        with self._db.read():
            documents = rows.documents.with_missing_pages(self._db)
        for row in documents:
            yield self._catalogue_damage("document", rows.documents.missing_pages_reason(row), row)


class Repair:
    """What can be put right without an encoder; each step is complete in itself."""

    def __init__(self, writer_lock: WriterLock, catalogue: Catalogue, files: Files, compactor: Compactor) -> None:
        self._writer_lock = writer_lock
        self._db = catalogue
        self._files = files
        self._compactor = compactor

    def reindex_catalogue(self) -> None:
        """Builds SQLite's own lists again, which helps where they and not the rows are damaged."""
        with self._writer_lock.acquire(), self._db.write():
            self._db.execute("REINDEX")

    def rebuild_text(self) -> None:
        """Builds the lists that text is found by again, from the text."""
        with self._writer_lock.acquire(), self._db.write():
            rows.pages.rebuild_text(self._db)

    def delete_damaged_entries(self) -> None:
        """Deletes the rows of pages and of centroids that have changed.

        Those pages are to be stored again; the next compaction makes the lists anew that lack centroids.
        """
        with self._writer_lock.acquire(), self._db.write():
            for key, *_ in [*rows.pages.damaged(self._db), *rows.pages.damaged_texts(self._db)]:
                rows.pages.delete(self._db, key)
            rows.centroids.delete_keys(self._db, rows.centroids.damaged(self._db))
            rows.documents.mark_missing_pages(self._db)
            for collection in [*rows.collections.select(self._db), *rows.collections.companions(self._db)]:
                rows.collections.next_generation(self._db, collection.key)

    def recover_shards(self) -> None:
        """Copies the intact pages of the quarantined shards; the others are to be stored again."""
        with self._writer_lock.acquire():
            with self._db.read():
                damaged = rows.shards.select(self._db, "damage <> ''")
            for row in damaged:
                self._compactor.recover(row)
            with self._db.write():
                rows.documents.mark_missing_pages(self._db)
            self._writer_lock.sweep()

    def write_page_images(self, sha256: str, jpegs: Mapping[int, bytes]) -> None:
        """Writes page images of a file again: JPEGs by page number."""
        with self._writer_lock.acquire():
            self._files.write_page_images(sha256, jpegs)
            with self._db.write():
                for row in rows.documents.select(self._db, "sha256 = ?", [sha256]):
                    for number, jpeg in jpegs.items():
                        rows.pages.set_image_checksum(self._db, row.key, number, zlib.crc32(jpeg))


def _page_image_damage(path: Path, checksums: set[int | None]) -> str:
    """`checksums` are the crc32s it may have: documents that share a file share its images; None: unknown."""
    name = f"the page image {path.parent.name[:12]}/{path.name}"
    if not path.is_file():
        return f"{name} is missing"
    data = path.read_bytes()
    if zlib.crc32(data) in checksums:
        return ""
    if None in checksums and _is_image(path):
        return ""
    return f"{name} is damaged"


def _is_image(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.verify()
    except (OSError, SyntaxError):
        return False
    return True
