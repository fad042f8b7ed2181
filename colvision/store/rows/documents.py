"""Documents, as rows."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from colvision.core.metadata import Metadata, metadata_text
from colvision.store.catalogue import Catalogue, Record, Value
from colvision.store.records import DAMAGED, INGESTING, READY, DocumentRow, NewDocument
from colvision.store.rows.pages import delete_page_rows
from colvision.store.rows.statements import add, change, value_of
from colvision.store.schema import DOCUMENTS

_SELECT = DOCUMENTS.select(
    # By their own names, so that `where` may name the columns of a document as they are.
    "LEFT JOIN (SELECT key AS collection, name AS collection_name FROM collections) USING (collection)",
    collection_name="coalesce(collection_name, '')",
    seen="(SELECT count(*) FROM pages WHERE document = documents.key)",
    failed="(SELECT count(*) FROM pages WHERE document = documents.key AND reason IS NOT NULL)",
)
_BROKEN = "its entry in the catalogue is damaged: delete it and ingest its file again"
_LONG_AGO = datetime.fromtimestamp(0, UTC).isoformat()


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _document(record: Record) -> DocumentRow:
    if not record["is_intact"]:  # what others compute with must be what they expect
        record |= {"bytes": 0, "pages": record["seen"], "state": DAMAGED, "reason": _BROKEN}
        record |= {"added": _LONG_AGO, "metadata": "{}"}
    return value_of(
        DocumentRow,
        record,
        metadata=json.loads(record["metadata"]),
        stored=record["seen"] - record["failed"],
        upload=bool(record["upload"]),
        visible=bool(record["visible"]),
        is_intact=bool(record["is_intact"]),
    )


def documents(db: Catalogue, where: str = "TRUE", values: Sequence[Value] = ()) -> list[DocumentRow]:
    """Documents for which the SQL condition `where` holds, in the order of their names."""
    return [_document(each) for each in db.records(f"{_SELECT} WHERE {where} ORDER BY name, key", values)]


def document(db: Catalogue, key: int) -> DocumentRow | None:
    """None when it has been deleted or replaced."""
    found = documents(db, "key = ?", [key])
    return found[0] if found else None


def add_document(db: Catalogue, new: NewDocument) -> DocumentRow:
    columns = new._asdict() | {"metadata": metadata_text(new.metadata)}
    key = add(db, DOCUMENTS, **columns, state=INGESTING, added=now())
    return documents(db, "key = ?", [key])[0]


def set_state(db: Catalogue, key: int, state: str, reason: str = "", worker: str = "") -> None:
    change(db, DOCUMENTS, key, state=state, reason=reason, worker=worker)


def set_pages(db: Catalogue, key: int, pages: int) -> None:
    change(db, DOCUMENTS, key, pages=pages)


def set_metadata(db: Catalogue, key: int, metadata: Metadata) -> None:
    change(db, DOCUMENTS, key, metadata=metadata_text(metadata))


def set_name(db: Catalogue, key: int, name: str) -> None:
    """Also of the hidden document that is to replace it."""
    for row in documents(db, "documents.key = ? OR documents.replaces = ?", [key, key]):
        change(db, DOCUMENTS, row.key, name=name)


def delete_document_rows(db: Catalogue, key: int) -> None:
    """Removes a document, its pages and its text; shards that no page lives in any more go with it."""
    delete_page_rows(db, "document = ?", [key])
    db.execute("DELETE FROM documents WHERE key = ?", [key])


def show_document(db: Catalogue, key: int) -> None:
    """Completes a document: it is visible, and replaces nothing any more."""
    change(db, DOCUMENTS, key, state=READY, reason="", worker="", visible=True, replaces=None)


def take_place(db: Catalogue, key: int, old: DocumentRow) -> None:
    """A document encoded again becomes visible under the id and the name of `old`, whose rows are gone by now."""
    change(
        db, DOCUMENTS, key, id=old.id, name=old.name, collection=old.collection, added=old.added,
        metadata=metadata_text(old.metadata), visible=True, replaces=None,
    )  # fmt: skip


def name_exists(db: Catalogue, collection: int, name: str) -> bool:
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
        if row.is_intact and (bool(reason) != (row.state == DAMAGED)):
            set_state(db, row.key, DAMAGED if reason else READY, reason)


def mark_short(db: Catalogue) -> None:
    """Notes that pages have been lost of documents that were complete."""
    for row in short_documents(db):
        set_state(db, row.key, DAMAGED, missing(row))


def missing(row: DocumentRow) -> str:
    count = row.pages - row.stored - row.failed
    return f"{count} of the {row.pages} pages of {row.name!r} are lost: ingest its file again"
