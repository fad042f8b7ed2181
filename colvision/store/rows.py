"""The SQL that reads and writes what the catalogue remembers. Callers hold the transaction."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from colvision.embedding import EncoderInfo, Link
from colvision.errors import CollectionNotFound, PageNotFound
from colvision.page import PdfGeometry
from colvision.store.catalogue import Catalogue, Row, Value
from colvision.store.records import (
    DAMAGED,
    INGESTING,
    READY,
    CollectionRow,
    DocumentRow,
    NewDocument,
    NewPage,
    PageRow,
    ShardRow,
)

_COLLECTION = "SELECT key, name, refills, generation, encoder, components, clipped FROM collections"
_DOCUMENT = """
SELECT key, id, collection, name, source, upload, sha256, extension, bytes, pages, renderer, state, reason, visible,
    replaces, worker, added,
    (SELECT count(*) FROM pages WHERE document = documents.key AND reason IS NULL),
    (SELECT count(*) FROM pages WHERE document = documents.key AND reason IS NOT NULL)
FROM documents"""
_SHARD = "SELECT key, collection, pages, vectors, bytes, checksum, damage FROM shards"


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _collection(row: Row) -> CollectionRow:
    key, name, refills, generation, encoder, components, clipped = row
    info = None
    if encoder is not None:
        fields = json.loads(encoder)
        info = EncoderInfo(**{**fields, "link": Link(**fields["link"])})
    return CollectionRow(key, name, refills, generation, info, components, clipped)


def _document(row: Row) -> DocumentRow:
    values = list(row)
    values[5], values[13] = bool(row[5]), bool(row[13])
    return DocumentRow(*values)


def collections(db: Catalogue) -> list[CollectionRow]:
    """Those that have a name, in the order of their making."""
    return [_collection(row) for row in db.all(f"{_COLLECTION} WHERE name IS NOT NULL ORDER BY key")]


def collection(db: Catalogue, name: str) -> CollectionRow:
    """Raises `CollectionNotFound`, naming those there are."""
    found = db.all(f"{_COLLECTION} WHERE name = ?", [name])
    if not found:
        names = ", ".join(repr(row.name) for row in collections(db))
        raise CollectionNotFound(f"no collection {name!r} in this library: it has {names}")
    return _collection(found[0])


def ensure_collection(db: Catalogue, name: str) -> int:
    """The key of a collection, which is made if missing."""
    db.execute("INSERT INTO collections (name) VALUES (?) ON CONFLICT (name) DO NOTHING", [name])
    return int(db.one("SELECT key FROM collections WHERE name = ?", [name])[0])


def collection_of(db: Catalogue, key: int) -> CollectionRow:
    return _collection(db.one(f"{_COLLECTION} WHERE key = ?", [key]))


def refill_of(db: Catalogue, key: int) -> CollectionRow | None:
    """The nameless collection that is being filled to replace the collection `key`."""
    found = db.all(f"{_COLLECTION} WHERE refills = ?", [key])
    return _collection(found[0]) if found else None


def add_refill(db: Catalogue, key: int) -> int:
    """Makes the nameless collection that is to take the place of the collection `key`."""
    return db.insert("INSERT INTO collections (refills) VALUES (?)", [key])


def take_codes(db: Catalogue, key: int, refill: int) -> None:
    """The collection `key` gets the encoder and the shards of its refill, which is no more."""
    sql = "SELECT encoder, components, clipped FROM collections WHERE key = ?"
    encoder, components, clipped = db.one(sql, [refill])
    db.execute("UPDATE shards SET collection = ? WHERE collection = ?", [key, refill])
    sql = "UPDATE collections SET encoder = ?, components = ?, clipped = ? WHERE key = ?"
    db.execute(sql, [encoder, components, clipped, key])
    forget_collection(db, refill)
    next_generation(db, key)


def forget_collection(db: Catalogue, key: int) -> None:
    """Removes a collection that holds nothing any more."""
    db.execute("DELETE FROM collections WHERE key = ?", [key])


def pin_encoder(db: Catalogue, key: int, info: EncoderInfo) -> None:
    """Remembers the encoder of a collection's first commit."""
    db.execute("UPDATE collections SET encoder = ? WHERE key = ?", [_encoder(info), key])


def _encoder(info: EncoderInfo) -> str:
    return json.dumps(asdict(info) | {"versions": dict(info.versions)})


def next_generation(db: Catalogue, key: int) -> None:
    db.execute("UPDATE collections SET generation = generation + 1 WHERE key = ?", [key])


def count_clipped(db: Catalogue, key: int, components: int, clipped: int) -> None:
    db.execute(
        "UPDATE collections SET components = components + ?, clipped = clipped + ? WHERE key = ?",
        [components, clipped, key],
    )


def documents(db: Catalogue, where: str = "TRUE", values: Sequence[Value] = ()) -> list[DocumentRow]:
    """Documents for which the SQL condition `where` holds, in the order of their names."""
    return [_document(row) for row in db.all(f"{_DOCUMENT} WHERE {where} ORDER BY name, key", values)]


def document(db: Catalogue, key: int) -> DocumentRow | None:
    """None when it has been deleted or replaced."""
    found = documents(db, "key = ?", [key])
    return found[0] if found else None


def add_document(db: Catalogue, new: NewDocument) -> DocumentRow:
    columns = ", ".join(NewDocument._fields)
    marks = ", ".join("?" * len(NewDocument._fields))
    key = db.insert(f"INSERT INTO documents ({columns}, state, added) VALUES ({marks}, ?, ?)", [*new, INGESTING, now()])
    return documents(db, "key = ?", [key])[0]


def set_state(db: Catalogue, key: int, state: str, reason: str = "", worker: str = "") -> None:
    db.execute("UPDATE documents SET state = ?, reason = ?, worker = ? WHERE key = ?", [state, reason, worker, key])


def set_pages(db: Catalogue, key: int, pages: int) -> None:
    db.execute("UPDATE documents SET pages = ? WHERE key = ?", [pages, key])


def forget_document(db: Catalogue, key: int) -> None:
    """Removes a document, its pages and its text; shards that no page lives in any more go with it."""
    _forget_pages(db, "document = ?", [key])
    db.execute("DELETE FROM documents WHERE key = ?", [key])


def forget_damaged_pages(db: Catalogue, key: int) -> None:
    """Removes the pages of a document that lie in quarantined shards: they can be stored again."""
    _forget_pages(db, "document = ? AND shard IN (SELECT key FROM shards WHERE damage <> '')", [key])


def forget_failed_pages(db: Catalogue, key: int) -> None:
    """Removes the pages of a document that could not be read: they can be tried again."""
    _forget_pages(db, "document = ? AND reason IS NOT NULL", [key])


def _forget_pages(db: Catalogue, where: str, values: Sequence[Value]) -> None:
    """Removes pages for which the SQL condition holds, their text, and the shards that this leaves without a page."""
    shards = [row[0] for row in db.all(f"SELECT DISTINCT shard FROM pages WHERE {where} AND shard IS NOT NULL", values)]
    db.execute(f"DELETE FROM page_text WHERE rowid IN (SELECT key FROM pages WHERE {where})", values)
    db.execute(f"DELETE FROM pages WHERE {where}", values)
    for shard in shards:
        db.execute("DELETE FROM shards WHERE key = ? AND NOT EXISTS (SELECT 1 FROM pages WHERE shard = ?)", [shard] * 2)


def show_document(db: Catalogue, key: int) -> None:
    """Completes a document: it is visible, and replaces nothing any more."""
    sql = "UPDATE documents SET state = ?, reason = '', worker = '', visible = 1, replaces = NULL WHERE key = ?"
    db.execute(sql, [READY, key])


def take_place(db: Catalogue, key: int, old: DocumentRow) -> None:
    """A document encoded again becomes visible under the id and the name of `old`, whose rows are gone by now."""
    sql = "UPDATE documents SET id = ?, name = ?, collection = ?, visible = 1, replaces = NULL, added = ? WHERE key = ?"
    db.execute(sql, [old.id, old.name, old.collection, old.added, key])


def is_taken(db: Catalogue, collection: int, name: str) -> bool:
    """Whether a visible document of the collection has this name."""
    return bool(db.all("SELECT 1 FROM documents WHERE collection = ? AND name = ? AND visible", [collection, name]))


def numbers(db: Catalogue, key: int) -> set[int]:
    """The pages of a document that are stored or known to fail."""
    return {row[0] for row in db.all("SELECT number FROM pages WHERE document = ?", [key])}


def failed_pages(db: Catalogue, key: int) -> list[tuple[int, str]]:
    """(number, reason) of the pages that could not be read."""
    sql = "SELECT number, reason FROM pages WHERE document = ? AND reason IS NOT NULL ORDER BY number"
    return [(number, reason) for number, reason in db.all(sql, [key])]


def page(db: Catalogue, row: DocumentRow, number: int) -> PageRow:
    """Raises `PageNotFound`, saying whether the page does not exist, failed, or is not read yet."""
    sql = "SELECT reason, key, number, height, width, geometry, shard, row FROM pages WHERE document = ? AND number = ?"
    found = db.all(sql, [row.key, number])
    if found and found[0][0] is None:
        _, key, number, height, width, geometry, shard, place = found[0]
        return PageRow(key, number, height, width, _geometry(geometry), shard, place)
    if found:
        raise PageNotFound(f"page {number} of {row.name!r} could not be read: {found[0][0]}")
    if 1 <= number <= row.pages:
        raise PageNotFound(f"page {number} of {row.name!r} is not read yet ({row.state}): ingest the file again")
    raise PageNotFound(f"{row.name!r} has pages 1 to {row.pages}, not {number}")


def _geometry(text: str | None) -> PdfGeometry | None:
    if text is None:
        return None
    left, bottom, right, top, rotation = json.loads(text)
    return PdfGeometry((left, bottom, right, top), int(rotation))


def add_page(db: Catalogue, new: NewPage, text: str) -> None:
    geometry = json.dumps([*new.geometry.crop, new.geometry.rotation]) if new.geometry else None
    key = db.insert(
        "INSERT INTO pages (document, number, height, width, geometry, shard, row) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [new.document, new.number, new.height, new.width, geometry, new.shard, new.row],
    )
    if text:
        db.execute("INSERT INTO page_text (rowid, text) VALUES (?, ?)", [key, text])


def add_failed_pages(db: Catalogue, key: int, failed: Iterable[tuple[int, str]]) -> None:
    for number, reason in failed:
        db.execute("INSERT INTO pages (document, number, reason) VALUES (?, ?, ?)", [key, number, reason])


def page_text(db: Catalogue, row: PageRow) -> str:
    """The page's text layer, "" where it has none."""
    found = db.all("SELECT text FROM page_text WHERE rowid = ?", [row.key])
    return str(found[0][0]) if found else ""


def candidates(db: Catalogue, collection: int, sha256: str, source: str, name: str) -> list[DocumentRow]:
    """The documents of a collection that a file could be, and all its hidden replacements."""
    where = "collection = ? AND (sha256 = ? OR source = ? OR name = ? OR replaces IS NOT NULL)"
    return documents(db, where, [collection, sha256, source, name])


def next_shard(db: Catalogue) -> int:
    """The key of the next shard: beyond every key that was ever used. Only the writer may ask."""
    found = db.all("SELECT seq FROM sqlite_sequence WHERE name = 'shards'")
    return int(found[0][0]) + 1 if found else 1


def add_shard(db: Catalogue, new: ShardRow) -> None:
    db.execute("INSERT INTO shards VALUES (?, ?, ?, ?, ?, ?, ?)", new)


def shards(db: Catalogue, where: str = "TRUE", values: Sequence[Value] = ()) -> list[ShardRow]:
    """Shards for which the SQL condition holds, oldest first."""
    return [ShardRow(*row) for row in db.all(f"{_SHARD} WHERE {where} ORDER BY key", values)]


def places(db: Catalogue, collection: int) -> list[tuple[int, int, int, int]]:
    """(shard, row, document, number) of every visible page of a collection, in the order of shards and rows."""
    sql = """
        SELECT pages.shard, pages.row, pages.document, pages.number FROM pages
        JOIN documents ON documents.key = pages.document JOIN shards ON shards.key = pages.shard
        WHERE documents.collection = ? AND documents.visible AND shards.damage = '' ORDER BY pages.shard, pages.row"""
    return [(shard, row, document, number) for shard, row, document, number in db.all(sql, [collection])]


def names_in(db: Catalogue, shard: int) -> tuple[str, ...]:
    """The names of the documents that have pages in a shard."""
    return tuple(row.name for row in documents(db, "key IN (SELECT document FROM pages WHERE shard = ?)", [shard]))


def quarantine(db: Catalogue, shard: ShardRow, damage: str) -> None:
    """Takes a shard out of serving, or with "" back into it.

    Its complete documents are `damaged` for as long as one of their shards is.
    """
    db.execute("UPDATE shards SET damage = ? WHERE key = ?", [damage, shard.key])
    for row in documents(db, "key IN (SELECT document FROM pages WHERE shard = ?)", [shard.key]):
        others = db.one(
            "SELECT max(damage) FROM shards WHERE key IN (SELECT shard FROM pages WHERE document = ?)", [row.key]
        )[0]
        if others and row.state == READY:
            set_state(db, row.key, DAMAGED, others)
        elif not others and row.state == DAMAGED:
            set_state(db, row.key, READY)
    next_generation(db, shard.collection)
