"""Documents, as rows."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from colvision.metadata import Metadata, metadata_text
from colvision.store.catalogue import Catalogue, Row, Value
from colvision.store.records import DAMAGED, INGESTING, READY, DocumentRow, NewDocument
from colvision.store.rows.pages import forget_pages
from colvision.store.schema import SEALS

_SEAL = SEALS["documents"]
_DOCUMENT = f"""
SELECT key, id, collection, name, source, upload, sha256, extension, bytes, pages, renderer, state, reason, visible,
    replaces, worker, added, metadata,
    (SELECT count(*) FROM pages WHERE document = documents.key),
    (SELECT count(*) FROM pages WHERE document = documents.key AND reason IS NOT NULL),
    seal = {_SEAL}
FROM documents"""
_BROKEN = "its entry in the catalogue is damaged: delete it and ingest its file again"
_LONG_AGO = datetime.fromtimestamp(0, UTC).isoformat()


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _document(row: Row) -> DocumentRow:
    *values, metadata, seen, failed, is_whole = row
    values[5], values[13] = bool(values[5]), bool(values[13])
    if is_whole:
        return DocumentRow(*(*values, json.loads(metadata), seen - failed, failed, True))
    # What others compute with must be what they expect.
    values[8], values[9], values[11], values[12], values[16] = 0, seen, DAMAGED, _BROKEN, _LONG_AGO
    return DocumentRow(*(*values, {}, seen - failed, failed, False))


def _seal(db: Catalogue, key: int) -> None:
    db.execute(f"UPDATE documents SET seal = {_SEAL} WHERE key = ?", [key])


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
    values = [metadata_text(value) if isinstance(value, Mapping) else value for value in new]
    key = db.insert(
        f"INSERT INTO documents ({columns}, state, added) VALUES ({marks}, ?, ?)", [*values, INGESTING, now()]
    )
    _seal(db, key)
    return documents(db, "key = ?", [key])[0]


def set_state(db: Catalogue, key: int, state: str, reason: str = "", worker: str = "") -> None:
    db.execute("UPDATE documents SET state = ?, reason = ?, worker = ? WHERE key = ?", [state, reason, worker, key])


def set_pages(db: Catalogue, key: int, pages: int) -> None:
    db.execute("UPDATE documents SET pages = ? WHERE key = ?", [pages, key])
    _seal(db, key)


def set_metadata(db: Catalogue, key: int, metadata: Metadata) -> None:
    db.execute("UPDATE documents SET metadata = ? WHERE key = ?", [metadata_text(metadata), key])
    _seal(db, key)


def forget_document(db: Catalogue, key: int) -> None:
    """Removes a document, its pages and its text; shards that no page lives in any more go with it."""
    forget_pages(db, "document = ?", [key])
    db.execute("DELETE FROM documents WHERE key = ?", [key])


def show_document(db: Catalogue, key: int) -> None:
    """Completes a document: it is visible, and replaces nothing any more."""
    sql = "UPDATE documents SET state = ?, reason = '', worker = '', visible = 1, replaces = NULL WHERE key = ?"
    db.execute(sql, [READY, key])
    _seal(db, key)


def take_place(db: Catalogue, key: int, old: DocumentRow) -> None:
    """A document encoded again becomes visible under the id and the name of `old`, whose rows are gone by now."""
    sql = """
        UPDATE documents SET id = ?, name = ?, collection = ?, visible = 1, replaces = NULL, added = ?, metadata = ?
        WHERE key = ?"""
    db.execute(sql, [old.id, old.name, old.collection, old.added, metadata_text(old.metadata), key])
    _seal(db, key)


def is_taken(db: Catalogue, collection: int, name: str) -> bool:
    """Whether a visible document of the collection has this name."""
    return bool(db.all("SELECT 1 FROM documents WHERE collection = ? AND name = ? AND visible", [collection, name]))


def candidates(db: Catalogue, collection: int, sha256: str, source: str, name: str) -> list[DocumentRow]:
    """The documents of a collection that a file could be, and all its hidden replacements."""
    where = "collection = ? AND (sha256 = ? OR source = ? OR name = ? OR replaces IS NOT NULL)"
    return documents(db, where, [collection, sha256, source, name])


def short_documents(db: Catalogue) -> list[DocumentRow]:
    """Those that were complete and miss pages: what lay in a damaged shard, or had a damaged entry."""
    sql = "state IN (?, ?) AND pages > (SELECT count(*) FROM pages WHERE document = documents.key)"
    return documents(db, sql, [READY, DAMAGED])


def mark_damaged(db: Catalogue, reasons: Mapping[str, str]) -> None:
    """Notes why documents (by id) are damaged, of those that were complete; the others are whole again."""
    for row in documents(db, "state IN (?, ?)", [READY, DAMAGED]):
        reason = reasons.get(row.id, "")
        if row.is_whole and (bool(reason) != (row.state == DAMAGED)):
            set_state(db, row.key, DAMAGED if reason else READY, reason)


def mark_short(db: Catalogue) -> None:
    """Notes that pages have been lost of documents that were complete."""
    for row in short_documents(db):
        set_state(db, row.key, DAMAGED, missing(row))


def missing(row: DocumentRow) -> str:
    count = row.pages - row.stored - row.failed
    return f"{count} of the {row.pages} pages of {row.name!r} are lost: ingest its file again"
