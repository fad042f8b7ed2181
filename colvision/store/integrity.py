"""Is every byte of a library what was stored, and what of it can be put right without an encoder?

Shards and kept files have a sha256, page pictures a crc32, the catalogue's rows a checksum; SQLite looks after the rest
of its own file, as far as it can. What is found is noted where that can be written: a damaged shard serves no more, and
a document that something of is damaged says so.
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
from colvision.store.records import Damage, DocumentRow, ShardRow, What
from colvision.store.shards import Shard, file_sha256
from colvision.store.writer_lock import WriterLock

_LASTING: frozenset[What] = frozenset({"shard", "file", "entry"})  # damage that a document is marked for


class Verifier:
    """Finds what is damaged in a library."""

    def __init__(self, catalogue: Catalogue, files: Files) -> None:
        self._db = catalogue
        self._files = files
        self._catalogue = catalogue.folder / FILE_NAME
        self._mark = HighWaterMark(catalogue, files)

    def verify(self) -> list[Damage]:
        """All that is damaged; it is noted in the catalogue, unless that cannot be written or is damaged itself."""
        try:
            found = [*self._mark.damage(), *self._in_catalogue()]
            if any(damage.what == "catalogue" for damage in found):
                return found
            for check in (self._shards, self._originals, self._pictures):
                found += check()
            self._note(found)
            return found + list(self._short())
        except LibraryDamaged as error:
            return [Damage("catalogue", self._catalogue, str(error), ())]

    def _in_catalogue(self) -> Iterator[Damage]:
        with self._db.read():
            said = [str(row[0]) for row in self._db.all("PRAGMA integrity_check (3)")]
            strays = self._db.all("PRAGMA foreign_key_check")
            rows.collections(self._db)
            documents = {row.key: row for row in rows.documents(self._db)}
            pages = [*rows.broken_pages(self._db), *rows.broken_texts(self._db)]
        if said != ["ok"] or strays:
            detail = "; ".join(said) if said != ["ok"] else f"{len(strays)} rows belong to nothing"
            yield self._said("catalogue", f"{self._catalogue.name} is damaged ({detail}): {COPY_BACK}")
        for row in documents.values():
            if not row.is_intact:
                reason = f"the catalogue's entry of document {row.name!r} ({row.id}) is damaged"
                yield self._said("entry", f"{reason}: delete it and ingest its file again", row)
        for _, key, number in pages:
            of = [documents[key]] if key in documents else []
            name = of[0].name if of else "a document that there is not"
            yield self._said("entry", f"the catalogue's entry of page {number} of {name!r} is damaged", *of)
        yield from self._text()

    def _said(self, what: What, reason: str, *documents: DocumentRow) -> Damage:
        return Damage.of(what, self._catalogue, reason, documents)

    def _text(self) -> Iterator[Damage]:
        if self._db.read_only:
            return  # FTS5 looks at itself only where it may write
        try:
            with self._db.write():
                rows.check_text(self._db)
        except LibraryDamaged:
            yield self._said("text", "the lists that the pages' own text is found by are damaged")

    def _shards(self) -> list[Damage]:
        with self._db.read():
            shards = rows.shards(self._db)
        found = {row.key: self._damage(row) for row in shards}
        for row in shards:
            if bool(found[row.key]) != bool(row.damage) and not self._db.read_only:
                with self._db.write():
                    rows.quarantine(self._db, row, found[row.key])
        with self._db.read():  # again: a shard that was deleted or merged meanwhile is not damaged
            return [
                Damage.of(
                    "shard", self._files.shard(row.file_name), found[row.key], rows.documents_in(self._db, row.key)
                )
                for row in rows.shards(self._db)
                if found.get(row.key)
            ]

    def _damage(self, row: ShardRow) -> str:
        path = self._files.shard(row.file_name)
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
            named = rows.pages_in(self._db, row.key)
        for place, document, number, _ in named:
            if not shard.holds(place, document, number):
                return f"shard {path.name} and the catalogue do not agree about the page in its row {place}"
        return ""

    def _originals(self) -> list[Damage]:
        with self._db.read():
            files = {(row.file_name, row.sha256) for row in rows.documents(self._db)}
        found = {name: self._original_damage(name, sha256) for name, sha256 in sorted(files)}
        with self._db.read():  # again: see `_shards`
            documents = rows.documents(self._db)
        return [
            Damage.of("file", self._files.original(name), reason, [row for row in documents if row.file_name == name])
            for name, reason in found.items()
            if reason and any(row.file_name == name for row in documents)
        ]

    def _original_damage(self, name: str, sha256: str) -> str:
        path = self._files.original(name)
        if not path.is_file():
            return f"the kept file {name} is missing: ingest it again from where it came"
        if file_sha256(path) != sha256:
            return f"the kept file {name} is damaged (its sha256 is another): ingest it again from where it came"
        return ""

    def _pictures(self) -> list[Damage]:
        with self._db.read():
            pages = rows.pictures(self._db)
        found = []
        for (sha256, number), group in groupby(pages, key=lambda page: page[:2]):
            path = self._files.page_image(sha256, number)
            shown = list(group)
            reason = _picture_damage(path, {picture for _, _, picture, _ in shown})
            if reason:
                found.append((path, reason, {key for *_, key in shown}))
        with self._db.read():  # again: see `_shards`
            documents = {row.key: row for row in rows.documents(self._db)}
        return [
            Damage.of("picture", path, reason, [documents[key] for key in keys if key in documents])
            for path, reason, keys in found
            if keys & documents.keys()
        ]

    def _note(self, found: list[Damage]) -> None:
        """Documents whose pages or file are damaged say so; one that misses a picture is found as before."""
        if self._db.read_only:
            return
        reasons = {each: damage.reason for damage in found if damage.what in _LASTING for each in damage.ids}
        with self._db.write():
            reasons |= {row.id: rows.missing(row) for row in rows.short_documents(self._db)}
            rows.mark_damaged(self._db, reasons)

    def _short(self) -> Iterator[Damage]:
        with self._db.read():
            short = rows.short_documents(self._db)
        for row in short:
            yield self._said("document", rows.missing(row), row)


class Repair:
    """What can be put right without an encoder; each step is whole in itself."""

    def __init__(self, writer_lock: WriterLock, catalogue: Catalogue, files: Files, merging: Compactor) -> None:
        self._writer_lock = writer_lock
        self._db = catalogue
        self._files = files
        self._merging = merging

    def catalogue(self) -> None:
        """Makes SQLite's own lists again, which helps where they and not the rows are damaged."""
        with self._writer_lock.acquire(), self._db.write():
            self._db.execute("REINDEX")

    def text(self) -> None:
        """Makes the lists that text is found by again, from the text."""
        with self._writer_lock.acquire(), self._db.write():
            rows.rebuild_text(self._db)

    def entries(self) -> None:
        """Forgets the entries of pages that have changed: those pages are to be stored again."""
        with self._writer_lock.acquire(), self._db.write():
            for key, *_ in [*rows.broken_pages(self._db), *rows.broken_texts(self._db)]:
                rows.delete_page_row(self._db, key)
            rows.mark_short(self._db)
            for collection in rows.collections(self._db):
                rows.next_generation(self._db, collection.key)

    def shards(self) -> None:
        """Copies what is whole of the quarantined shards; what is not is to be stored again."""
        with self._writer_lock.acquire():
            with self._db.read():
                damaged = rows.shards(self._db, "damage <> ''")
            for row in damaged:
                self._merging.recover(row)
            with self._db.write():
                rows.mark_short(self._db)
            self._writer_lock.sweep()

    def pictures(self, sha256: str, drawn: Mapping[int, bytes]) -> None:
        """Puts page pictures (by number) of a file back."""
        with self._writer_lock.acquire():
            self._files.write_page_images(sha256, drawn)
            with self._db.write():
                for row in rows.documents(self._db, "sha256 = ?", [sha256]):
                    for number, data in drawn.items():
                        rows.set_picture(self._db, row.key, number, zlib.crc32(data))


def _picture_damage(path: Path, sums: set[int | None]) -> str:
    """`sums` are the crc32s it may have: documents that share a file share its pictures; None where it is not known."""
    name = f"the picture {path.parent.name[:12]}/{path.name}"
    if not path.is_file():
        return f"{name} is missing"
    data = path.read_bytes()
    if zlib.crc32(data) in sums:
        return ""
    if None in sums and _is_picture(path):
        return ""
    return f"{name} is damaged"


def _is_picture(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.verify()
    except (OSError, SyntaxError):
        return False
    return True
