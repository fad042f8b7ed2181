"""Rows of collections."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields, replace
from functools import lru_cache
from typing import Any, TypeVar

from colvision.core.encoder import Calibration, CheckpointRef, EncoderInfo
from colvision.core.names import normal_name
from colvision.errors import CollectionNotFound, LibraryDamaged
from colvision.store.catalogue import COPY_BACK, FILE_NAME, Catalogue, Record
from colvision.store.records import DEFAULT_COLLECTION, CollectionRow
from colvision.store.rows import centroids
from colvision.store.rows.statements import insert, update, value_of
from colvision.store.schema import COLLECTIONS, SHARDS

_SELECT = COLLECTIONS.select()
_RENAMED = {"link": "calibration", "code_range": "quantisation_range"}  # what fields were called up to format 2
_Kind = TypeVar("_Kind")


def _collection(record: Record) -> CollectionRow:
    if not record["is_intact"]:
        detail = f"the entry of collection {record['name']!r} has changed"
        raise LibraryDamaged(f"{FILE_NAME} is damaged ({detail}): {COPY_BACK}")
    info = _encoder_info(record["encoder"])
    return value_of(CollectionRow, record, info=info, shadow_of=record["refills"], companion_of=record["accompanies"])


@lru_cache(maxsize=64)  # each search reads its collection's several times
def _encoder_info(text: str | None) -> EncoderInfo | None:
    """From the JSON of the column: the fields that this colvision knows, with defaults for those that are missing.

    A newer one may have written more. That is not lost: nothing rewrites what the first commit has pinned.
    """
    if text is None:
        return None
    found = {_RENAMED.get(name, name): value for name, value in json.loads(text).items()}
    source = found.get("loaded_from")
    try:
        parts = {
            "calibration": _known(Calibration, found.get("calibration") or {}),
            "loaded_from": _known(CheckpointRef, source) if source else None,
            "versions": found.get("versions") or {},
            "pool": found.get("pool") or 1,
        }
        return _known(EncoderInfo, found | parts)
    except (TypeError, AttributeError) as error:
        raise LibraryDamaged(
            f"{FILE_NAME} is damaged (no encoder is described by {text[:80]}...): {COPY_BACK}"
        ) from error


def _known(kind: type[_Kind], found: Mapping[str, Any]) -> _Kind:
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in found.items() if name in names})


def select(db: Catalogue) -> list[CollectionRow]:
    """Every collection that has a name, the oldest first: no shadow or companion collections."""
    return [_collection(each) for each in db.records(f"{_SELECT} WHERE name IS NOT NULL ORDER BY key")]


def keys(db: Catalogue) -> set[int]:
    """Of all collections, also of those without a name."""
    return {key for (key,) in db.all("SELECT key FROM collections", [])}


def find(db: Catalogue, name: str) -> CollectionRow:
    """Raises `CollectionNotFound`, naming those there are; `LibraryDamaged` where the catalogue contradicts itself."""
    for each in (name, normal_name(name)):  # an older library may hold both forms of a name
        if found := db.records(f"{_SELECT} WHERE name = ?", [each]):
            return _collection(found[0])
    names = [row.name for row in select(db)]
    if not names:
        raise LibraryDamaged(f"{FILE_NAME} is damaged (it names no collection): {COPY_BACK}")
    if name in names:
        detail = f"it names collection {name!r} in one place and not in another"
        raise LibraryDamaged(f"{FILE_NAME} is damaged ({detail}): run `colvision verify --repair`")
    raise CollectionNotFound(f"no collection {name!r} in this library: it has {', '.join(map(repr, names))}")


def ensure(db: Catalogue, name: str) -> int:
    """The key of a collection, which is added if missing. Raises `LibraryDamaged`, see `find`."""
    with suppress(CollectionNotFound):
        return find(db, name).key
    return insert(db, COLLECTIONS, name=name)


def get(db: Catalogue, key: int) -> CollectionRow:
    """The collection of a key that exists."""
    return _collection(db.records(f"{_SELECT} WHERE key = ?", [key])[0])


def shadow_of(db: Catalogue, key: int) -> CollectionRow | None:
    """The shadow collection that is to take the place of the collection `key`."""
    found = db.records(f"{_SELECT} WHERE refills = ?", [key])
    return _collection(found[0]) if found else None


def add_shadow(db: Catalogue, key: int) -> int:
    """Adds a shadow collection, which has no name, to the collection `key`; returns its key."""
    return insert(db, COLLECTIONS, refills=key)


def companions(db: Catalogue, key: int | None = None) -> list[CollectionRow]:
    """The companion collections of the collection `key`, None for those of all; the oldest first."""
    where = "accompanies IS NOT NULL" if key is None else "accompanies = ?"
    found = db.records(f"{_SELECT} WHERE {where} ORDER BY key", [] if key is None else [key])
    return [_collection(each) for each in found]


def companion(db: Catalogue, key: int, encoder_name: str) -> CollectionRow | None:
    """The companion of the collection `key` whose encoder is called so."""
    return next((row for row in companions(db, key) if row.encoder_name == encoder_name), None)


def add_companion(db: Catalogue, key: int, encoder_name: str) -> int:
    """Adds a companion to the collection `key`; returns its own key."""
    return insert(db, COLLECTIONS, accompanies=key, encoder_name=encoder_name)


def adopt_shadow(db: Catalogue, key: int, shadow: int) -> None:
    """Gives the collection `key` the encoder and the shards of its shadow collection, which is deleted."""
    for (shard,) in db.all("SELECT key FROM shards WHERE collection = ?", [shadow]):
        update(db, SHARDS, shard, collection=key)
    centroids.move(db, shadow, key)
    (encoder,) = db.records("SELECT encoder, components, clipped FROM collections WHERE key = ?", [shadow])
    update(db, COLLECTIONS, key, **encoder)
    delete(db, shadow)
    next_generation(db, key)


def delete(db: Catalogue, key: int) -> None:
    """Deletes an empty collection."""
    centroids.delete(db, key)
    db.execute("DELETE FROM collections WHERE key = ?", [key])


def rename(db: Catalogue, row: CollectionRow, name: str) -> None:
    """Also for the jobs that are to fill it. A library always has a `default`: renamed, it leaves an empty one."""
    update(db, COLLECTIONS, row.key, name=name)
    db.execute("UPDATE jobs SET collection = ? WHERE collection = ?", [name, row.name])
    next_generation(db, row.key)
    ensure(db, DEFAULT_COLLECTION)


def give_way(db: Catalogue, row: CollectionRow, other: CollectionRow) -> bool:
    """Deletes `row` if it is the `default` that nothing is in, so that `other` can take its name; whether it did.

    Its generation goes to `other`: see `remove`.
    """
    is_used = db.all("SELECT key FROM documents WHERE collection = ? LIMIT 1", [row.key]) or companions(db, row.key)
    if row.name != DEFAULT_COLLECTION or is_used:
        return False
    db.execute("DELETE FROM shards WHERE collection = ?", [row.key])
    delete(db, row.key)
    db.execute("UPDATE collections SET generation = generation + ? WHERE key = ?", [row.generation, other.key])
    return True


def remove(db: Catalogue, row: CollectionRow) -> None:
    """Deletes the shards of a collection whose documents are deleted, and the collection; its jobs are to stop.

    `default` stays, as empty as it was made. Its generation takes in those of the others: their sum must only grow,
    since a smaller one tells of a catalogue that was set back.
    """
    db.execute("DELETE FROM shards WHERE collection = ?", [row.key])
    db.execute("UPDATE jobs SET cancel = 1 WHERE collection = ? AND state IN ('queued', 'running')", [row.name])
    if row.name != DEFAULT_COLLECTION:
        delete(db, row.key)
        sql = "UPDATE collections SET generation = generation + ? WHERE name = ?"
        db.execute(sql, [row.generation + 1, DEFAULT_COLLECTION])
        return
    centroids.delete(db, row.key)
    update(db, COLLECTIONS, row.key, encoder=None, components=0, clipped=0)
    next_generation(db, row.key)


def pin_encoder(db: Catalogue, key: int, info: EncoderInfo) -> None:
    """Stores the encoder of a collection's first commit; later commits change nothing."""
    if db.one("SELECT encoder IS NULL FROM collections WHERE key = ?", [key])[0]:
        update(db, COLLECTIONS, key, encoder=_encoder_text(info))


def set_loaded_from(db: Catalogue, row: CollectionRow, reference: CheckpointRef | None) -> None:
    """Where the encoder of a collection is loaded from now; None, of one that a program has made, changes nothing."""
    if row.info is not None and reference is not None and reference != row.info.loaded_from:
        update(db, COLLECTIONS, row.key, encoder=_encoder_text(replace(row.info, loaded_from=reference)))


def _encoder_text(info: EncoderInfo) -> str:
    return json.dumps(asdict(replace(info, former={})) | {"versions": dict(info.versions)})


def next_generation(db: Catalogue, key: int) -> None:
    """Counts a change that a search can see."""
    db.execute("UPDATE collections SET generation = generation + 1 WHERE key = ?", [key])


def count_clipped(db: Catalogue, key: int, components: int, clipped: int) -> None:
    """Adds the components of new vectors, and how many of them lie beyond the quantisation range."""
    db.execute(
        "UPDATE collections SET components = components + ?, clipped = clipped + ? WHERE key = ?",
        [components, clipped, key],
    )
