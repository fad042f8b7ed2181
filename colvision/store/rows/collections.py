"""Collections, as rows."""

import json
from contextlib import suppress
from dataclasses import asdict

from colvision.embedding import EncoderInfo, Link, LoadedFrom
from colvision.errors import CollectionNotFound, LibraryDamaged
from colvision.store.catalogue import COPY_BACK, FILE_NAME, Catalogue, Row
from colvision.store.records import CollectionRow
from colvision.store.schema import SEALS

_SEAL = SEALS["collections"]
_COLLECTION = f"""
SELECT key, name, refills, generation, encoder, components, clipped, keep, seal = {_SEAL} FROM collections"""


def _collection(row: Row) -> CollectionRow:
    key, name, refills, generation, encoder, components, clipped, keep, is_whole = row
    if not is_whole:
        raise LibraryDamaged(f"{FILE_NAME} is damaged (the entry of collection {name!r} has changed): {COPY_BACK}")
    info = None
    if encoder is not None:
        fields = json.loads(encoder)
        source = fields.get("loaded_from")
        parts = {"link": Link(**fields["link"]), "loaded_from": LoadedFrom(**source) if source else None}
        info = EncoderInfo(**{**fields, **parts})
    return CollectionRow(key, name, refills, generation, info, components, clipped, keep)


def _seal(db: Catalogue, key: int) -> None:
    db.execute(f"UPDATE collections SET seal = {_SEAL} WHERE key = ?", [key])


def collections(db: Catalogue) -> list[CollectionRow]:
    """Those that have a name, in the order of their making."""
    return [_collection(row) for row in db.all(f"{_COLLECTION} WHERE name IS NOT NULL ORDER BY key")]


def collection(db: Catalogue, name: str) -> CollectionRow:
    """Raises `CollectionNotFound`, naming those there are; `LibraryDamaged` where the catalogue contradicts itself."""
    found = db.all(f"{_COLLECTION} WHERE name = ?", [name])
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
    key = db.insert("INSERT INTO collections (name) VALUES (?)", [name])
    _seal(db, key)
    return key


def collection_of(db: Catalogue, key: int) -> CollectionRow:
    return _collection(db.one(f"{_COLLECTION} WHERE key = ?", [key]))


def refill_of(db: Catalogue, key: int) -> CollectionRow | None:
    """The nameless collection that is being filled to replace the collection `key`."""
    found = db.all(f"{_COLLECTION} WHERE refills = ?", [key])
    return _collection(found[0]) if found else None


def add_refill(db: Catalogue, key: int) -> int:
    """Makes the nameless collection that is to take the place of the collection `key`, and keeps what it keeps."""
    refill = db.insert("INSERT INTO collections (refills, keep) SELECT key, keep FROM collections WHERE key = ?", [key])
    _seal(db, refill)
    return refill


def take_codes(db: Catalogue, key: int, refill: int) -> None:
    """The collection `key` gets the encoder and the shards of its refill, which is no more."""
    sql = "SELECT encoder, components, clipped FROM collections WHERE key = ?"
    encoder, components, clipped = db.one(sql, [refill])
    db.execute("UPDATE shards SET collection = ? WHERE collection = ?", [key, refill])
    db.execute(f"UPDATE shards SET seal = {SEALS['shards']} WHERE collection = ?", [key])
    sql = "UPDATE collections SET encoder = ?, components = ?, clipped = ? WHERE key = ?"
    db.execute(sql, [encoder, components, clipped, key])
    _seal(db, key)
    forget_collection(db, refill)
    next_generation(db, key)


def forget_collection(db: Catalogue, key: int) -> None:
    """Removes a collection that holds nothing any more."""
    db.execute("DELETE FROM collections WHERE key = ?", [key])


def pin_encoder(db: Catalogue, key: int, info: EncoderInfo) -> None:
    """Remembers the encoder of a collection's first commit."""
    db.execute("UPDATE collections SET encoder = ? WHERE key = ?", [_encoder(info), key])
    _seal(db, key)


def _encoder(info: EncoderInfo) -> str:
    return json.dumps(asdict(info) | {"versions": dict(info.versions)})


def keep_master(db: Catalogue, key: int) -> None:
    """Vectors are kept as float16 beside their codes from now on."""
    db.execute("UPDATE collections SET keep = 'float16' WHERE key = ?", [key])
    _seal(db, key)


def next_generation(db: Catalogue, key: int) -> None:
    db.execute("UPDATE collections SET generation = generation + 1 WHERE key = ?", [key])


def count_clipped(db: Catalogue, key: int, components: int, clipped: int) -> None:
    db.execute(
        "UPDATE collections SET components = components + ?, clipped = clipped + ? WHERE key = ?",
        [components, clipped, key],
    )
