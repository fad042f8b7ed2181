"""Rows of documents."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from colvision.core.health import notes_text, parse_notes
from colvision.core.metadata import Metadata, metadata_text
from colvision.store.catalogue import Catalogue, Record, Value
from colvision.store.records import DAMAGED, INGESTING, READY, CollectionRow, DocumentRow, NewDocument
from colvision.store.rows.pages import delete_where
from colvision.store.rows.statements import insert, now, update, value_of
from colvision.store.schema import DOCUMENTS

_SELECT = DOCUMENTS.select(
    # By their own names, so that `where` may name the columns of a document as they are.
    "LEFT JOIN (SELECT key AS collection, name AS collection_name FROM collections) USING (collection)",
    collection_name="coalesce(collection_name, '')",
    known="(SELECT count(*) FROM pages WHERE document = documents.key)",
    failed="(SELECT count(*) FROM pages WHERE document = documents.key AND reason IS NOT NULL)",
)
_BROKEN = "its entry in the catalogue is damaged: delete it and ingest its file again"
_EPOCH = datetime.fromtimestamp(0, UTC).isoformat()


def _document(record: Record) -> DocumentRow:
    if not record["is_intact"]:  # its other columns may hold values that no caller expects
        record |= {"bytes": 0, "pages": record["known"], "state": DAMAGED, "reason": _BROKEN}
        record |= {"added": _EPOCH, "metadata": "{}", "notes": "[]", "copies": "[]"}
    return value_of(
        DocumentRow,
        record,
        metadata=json.loads(record["metadata"]),
        notes=parse_notes(record["notes"]),
        copies=tuple(json.loads(record["copies"])),
        stored=record["known"] - record["failed"],
        upload=bool(record["upload"]),
        visible=bool(record["visible"]),
        is_intact=bool(record["is_intact"]),
    )


def select(db: Catalogue, where: str = "TRUE", values: Sequence[Value] = ()) -> list[DocumentRow]:
    """Documents for which the SQL condition `where` holds, in the order of their names."""
    return [_document(each) for each in db.records(f"{_SELECT} WHERE {where} ORDER BY name, key", values)]


def get(db: Catalogue, key: int) -> DocumentRow | None:
    """None when it has been deleted or replaced."""
    found = select(db, "key = ?", [key])
    return found[0] if found else None


def add(db: Catalogue, new: NewDocument) -> DocumentRow:
    columns = new._asdict() | {
        "metadata": metadata_text(new.metadata),
        "notes": notes_text(new.notes),
        "copies": _json(new.copies),
    }
    key = insert(db, DOCUMENTS, **columns, state=INGESTING, added=now())
    return select(db, "key = ?", [key])[0]


def set_state(db: Catalogue, key: int, state: str, reason: str = "", worker: str = "") -> None:
    update(db, DOCUMENTS, key, state=state, reason=reason, worker=worker)


def set_pages(db: Catalogue, key: int, pages: int) -> None:
    update(db, DOCUMENTS, key, pages=pages)


def set_renderer(db: Catalogue, key: int, renderer: str) -> None:
    update(db, DOCUMENTS, key, renderer=renderer)


def set_metadata(db: Catalogue, key: int, metadata: Metadata) -> None:
    """Also of the hidden document that is to replace it."""
    for row in select(db, "key = ? OR replaces = ?", [key, key]):
        update(db, DOCUMENTS, row.key, metadata=metadata_text(metadata))


def set_name(db: Catalogue, key: int, name: str) -> None:
    """Also of the hidden document that is to replace it."""
    for row in select(db, "key = ? OR replaces = ?", [key, key]):
        update(db, DOCUMENTS, row.key, name=name)


def set_paths(db: Catalogue, key: int, paths: Sequence[str]) -> None:
    """The source of a document, and its copies; also of the hidden one that is to replace it."""
    for row in select(db, "key = ? OR replaces = ?", [key, key]):
        update(db, DOCUMENTS, row.key, source=paths[0], copies=_json(paths[1:]))


def forget_copy(db: Catalogue, collection: int, source: str) -> None:
    """What is there has other bytes now."""
    for row in select(db, "collection = ? AND copies <> '[]'", [collection]):
        if source in row.copies:
            update(db, DOCUMENTS, row.key, copies=_json([each for each in row.copies if each != source]))


def _json(paths: Sequence[str]) -> str:
    return json.dumps(list(paths), ensure_ascii=False)


def delete(db: Catalogue, key: int) -> None:
    """Deletes a document, its pages and their text, and the shards that this leaves without a page."""
    delete_where(db, "document = ?", [key])
    db.execute("DELETE FROM documents WHERE key = ?", [key])


def counterparts(db: Catalogue, key: int) -> list[DocumentRow]:
    """What companion collections hold of a document."""
    where = "replaces = ? AND collection IN (SELECT key FROM collections WHERE accompanies IS NOT NULL)"
    return select(db, where, [key])


def without_counterparts(db: Catalogue, companion: CollectionRow) -> list[DocumentRow]:
    """The visible documents with pages that a companion does not serve: not read yet, or in a quarantined shard.

    Pages that failed there, and those that are not stored themselves, are no such pages.
    """
    where = """visible AND collection = ? AND EXISTS (
        SELECT 1 FROM pages WHERE pages.document = documents.key AND pages.reason IS NULL AND NOT EXISTS (
            SELECT 1 FROM documents AS other JOIN pages AS own ON own.document = other.key
            WHERE other.sha256 = documents.sha256 AND other.replaces = documents.key AND other.collection = ?
            AND own.number = pages.number
            AND (own.reason IS NOT NULL OR own.shard IN (SELECT key FROM shards WHERE damage = ''))))"""
    return select(db, where, [companion.companion_of, companion.key])


def set_original(db: Catalogue, key: int, original: int) -> None:
    """Makes a document the counterpart of another one, of the same bytes."""
    update(db, DOCUMENTS, key, replaces=original)


def complete(db: Catalogue, key: int) -> None:
    """Makes a document ready and visible; it replaces nothing any more."""
    update(db, DOCUMENTS, key, state=READY, reason="", worker="", visible=True, replaces=None)


def take_place(db: Catalogue, key: int, old: DocumentRow) -> None:
    """Gives a complete document the id of `old`, which it replaces and whose rows are deleted by now."""
    update(db, DOCUMENTS, key, id=old.id)


def adopt_identity(db: Catalogue, key: int, old: DocumentRow) -> None:
    """Makes a document that was encoded again visible under the id and name of `old`, whose rows are deleted by now."""
    update(
        db, DOCUMENTS, key, id=old.id, name=old.name, collection=old.collection, added=old.added,
        metadata=metadata_text(old.metadata), source=old.source, copies=_json(old.copies), visible=True, replaces=None,
    )  # fmt: skip


def name_exists(db: Catalogue, collection: int, name: str) -> bool:
    """Whether a visible document of the collection has this name."""
    return bool(db.all("SELECT 1 FROM documents WHERE collection = ? AND name = ? AND visible", [collection, name]))


def of_file_name(db: Catalogue, name: str) -> list[DocumentRow]:
    """The visible documents of all collections that are named so, or came from a file of that name (and some more)."""
    name = name.encode(errors="ignore").decode()
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    likely = [f"%{each.replace('!', '!!').replace('%', '!%').replace('_', '!_')}" for each in forms]
    where = "visible AND (name = ? OR source LIKE ? ESCAPE '!' OR source LIKE ? ESCAPE '!' OR copies <> '[]')"
    return select(db, where, [name, *likely])


def candidates(db: Catalogue, collection: int, sha256: str, source: str, name: str) -> list[DocumentRow]:
    """The documents of a collection that a file could be, and all its hidden replacements."""
    where = "collection = ? AND (sha256 = ? OR source = ? OR name = ? OR replaces IS NOT NULL)"
    return select(db, where, [collection, sha256, source, name])


def with_missing_pages(db: Catalogue) -> list[DocumentRow]:
    """Documents that were complete and have lost pages: those in a damaged shard, or with a damaged entry."""
    sql = "state IN (?, ?) AND pages > (SELECT count(*) FROM pages WHERE document = documents.key)"
    return select(db, sql, [READY, DAMAGED])


def mark_damaged(db: Catalogue, reasons: Mapping[str, str]) -> None:
    """Marks complete documents as damaged for these `reasons` (by id), and all others as ready again."""
    for row in select(db, "state IN (?, ?)", [READY, DAMAGED]):
        reason = reasons.get(row.id, "")
        if row.is_intact and (bool(reason) != (row.state == DAMAGED)):
            set_state(db, row.key, DAMAGED if reason else READY, reason)


def mark_missing_pages(db: Catalogue) -> None:
    """Marks the documents that were complete and have lost pages as damaged."""
    for row in with_missing_pages(db):
        set_state(db, row.key, DAMAGED, missing_pages_reason(row))


def missing_pages_reason(row: DocumentRow) -> str:
    """Why a document is damaged that has lost pages."""
    count = row.pages - row.stored - row.failed
    return f"{count} of the {row.pages} pages of {row.name!r} are lost: ingest its file again"
