"""Collections, as rows."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from typing import Any, TypeVar

from colvision.core.encoder import Calibration, CheckpointRef, EncoderInfo
from colvision.errors import CollectionNotFound, LibraryDamaged
from colvision.store.catalogue import COPY_BACK, FILE_NAME, Catalogue, Record
from colvision.store.records import DEFAULT_COLLECTION, CollectionRow
from colvision.store.rows.statements import add, change, value_of
from colvision.store.schema import COLLECTIONS, SHARDS

_SELECT = COLLECTIONS.select()
_RENAMED = {"link": "calibration", "code_range": "quantisation_range"}  # what fields were called up to format 2
_Kind = TypeVar("_Kind")


def _collection(record: Record) -> CollectionRow:
    if not record["is_intact"]:
        changed = f"the entry of collection {record['name']!r} has changed"
        raise LibraryDamaged(f"{FILE_NAME} is damaged ({changed}): {COPY_BACK}")
    info = _encoder_info(record["encoder"])
    return value_of(CollectionRow, record, info=info, shadow_of=record["refills"])


def _encoder_info(text: str | None) -> EncoderInfo | None:
    """Of what was written: the fields that this colvision knows, with defaults for those that there were not yet.

    A newer one may have written more. That is not lost: nothing rewrites what the first commit has pinned.
    """
    if text is None:
        return None
    found = {_RENAMED.get(name, name): value for name, value in json.loads(text).items()}
    source = found.get("loaded_from")
    parts = {
        "calibration": _known(Calibration, found.get("calibration") or {}),
        "loaded_from": _known(CheckpointRef, source) if source else None,
    }
    return _known(EncoderInfo, found | parts)


def _known(kind: type[_Kind], found: Mapping[str, Any]) -> _Kind:
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in found.items() if name in names})


def collections(db: Catalogue) -> list[CollectionRow]:
    """Those that have a name, in the order of their making."""
    return [_collection(each) for each in db.records(f"{_SELECT} WHERE name IS NOT NULL ORDER BY key")]


def collection(db: Catalogue, name: str) -> CollectionRow:
    """Raises `CollectionNotFound`, naming those there are; `LibraryDamaged` where the catalogue contradicts itself."""
    found = db.records(f"{_SELECT} WHERE name = ?", [name])
    if found:
        return _collection(found[0])
    names = [row.name for row in collections(db)]
    if not names:
        raise LibraryDamaged(f"{FILE_NAME} is damaged (it names no collection): {COPY_BACK}")
    if name in names:
        lost = f"it names collection {name!r} in one place and not in another"
        raise LibraryDamaged(f"{FILE_NAME} is damaged ({lost}): run `colvision verify --repair`")
    raise CollectionNotFound(f"no collection {name!r} in this library: it has {', '.join(map(repr, names))}")


def ensure_collection(db: Catalogue, name: str) -> int:
    """The key of a collection, which is made if missing. Raises `LibraryDamaged`, see `collection`."""
    with suppress(CollectionNotFound):
        return collection(db, name).key
    return add(db, COLLECTIONS, name=name)


def collection_of(db: Catalogue, key: int) -> CollectionRow:
    return _collection(db.records(f"{_SELECT} WHERE key = ?", [key])[0])


def shadow_of(db: Catalogue, key: int) -> CollectionRow | None:
    """The nameless collection that is being filled to replace the collection `key`."""
    found = db.records(f"{_SELECT} WHERE refills = ?", [key])
    return _collection(found[0]) if found else None


def add_shadow(db: Catalogue, key: int) -> int:
    """Makes the nameless collection that is to take the place of the collection `key`."""
    return add(db, COLLECTIONS, refills=key)


def adopt_shadow(db: Catalogue, key: int, shadow: int) -> None:
    """The collection `key` gets the encoder and the shards of its refill, which is no more."""
    for (shard,) in db.all("SELECT key FROM shards WHERE collection = ?", [shadow]):
        change(db, SHARDS, shard, collection=key)
    (taken,) = db.records("SELECT encoder, components, clipped FROM collections WHERE key = ?", [shadow])
    change(db, COLLECTIONS, key, **taken)
    delete_collection_row(db, shadow)
    next_generation(db, key)


def delete_collection_row(db: Catalogue, key: int) -> None:
    """Removes a collection that holds nothing any more."""
    db.execute("DELETE FROM collections WHERE key = ?", [key])


def rename_collection(db: Catalogue, row: CollectionRow, name: str) -> None:
    """Also for the jobs that are to fill it. A library always has a `default`: renamed, it leaves an empty one."""
    change(db, COLLECTIONS, row.key, name=name)
    db.execute("UPDATE jobs SET collection = ? WHERE collection = ?", [name, row.name])
    next_generation(db, row.key)
    ensure_collection(db, DEFAULT_COLLECTION)


def delete_collection(db: Catalogue, row: CollectionRow) -> None:
    """Removes a collection whose documents are gone, and its shards; asks the jobs that fill it to stop.

    `default` stays, as empty as it was made. Its generation takes in those of the others: their sum must only grow,
    since a smaller one tells of a catalogue that was set back.
    """
    db.execute("DELETE FROM shards WHERE collection = ?", [row.key])
    db.execute("UPDATE jobs SET cancel = 1 WHERE collection = ? AND state IN ('queued', 'running')", [row.name])
    if row.name != DEFAULT_COLLECTION:
        delete_collection_row(db, row.key)
        sql = "UPDATE collections SET generation = generation + ? WHERE name = ?"
        db.execute(sql, [row.generation + 1, DEFAULT_COLLECTION])
        return
    change(db, COLLECTIONS, row.key, encoder=None, components=0, clipped=0)
    next_generation(db, row.key)


def pin_encoder(db: Catalogue, key: int, info: EncoderInfo) -> None:
    """Remembers the encoder of a collection's first commit; of the later ones the text stays as it is."""
    if db.one("SELECT encoder IS NULL FROM collections WHERE key = ?", [key])[0]:
        change(db, COLLECTIONS, key, encoder=json.dumps(asdict(info) | {"versions": dict(info.versions)}))


def next_generation(db: Catalogue, key: int) -> None:
    db.execute("UPDATE collections SET generation = generation + 1 WHERE key = ?", [key])


def count_clipped(db: Catalogue, key: int, components: int, clipped: int) -> None:
    db.execute(
        "UPDATE collections SET components = components + ?, clipped = clipped + ? WHERE key = ?",
        [components, clipped, key],
    )
