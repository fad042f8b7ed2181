"""Collections, as rows."""

import json
from dataclasses import asdict

from colvision.embedding import EncoderInfo, Link
from colvision.errors import CollectionNotFound, LibraryDamaged
from colvision.store.catalogue import Catalogue, Row
from colvision.store.records import CollectionRow
from colvision.store.schema import SEALS

_SEAL = SEALS["collections"]
_COLLECTION = f"""
SELECT key, name, refills, generation, encoder, components, clipped, keep, seal = {_SEAL} FROM collections"""


def _collection(row: Row) -> CollectionRow:
    key, name, refills, generation, encoder, components, clipped, keep, is_whole = row
    if not is_whole:
        raise LibraryDamaged(
            f"the catalogue's entry of collection {name!r} is damaged: put a copy of the whole library folder back, or "
            "ingest its files/ folder into a new library"
        )
    info = None
    if encoder is not None:
        fields = json.loads(encoder)
        info = EncoderInfo(**{**fields, "link": Link(**fields["link"])})
    return CollectionRow(key, name, refills, generation, info, components, clipped, keep)


def _seal(db: Catalogue, key: int) -> None:
    db.execute(f"UPDATE collections SET seal = {_SEAL} WHERE key = ?", [key])


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
    if db.execute("INSERT INTO collections (name) VALUES (?) ON CONFLICT (name) DO NOTHING", [name]):
        db.execute(f"UPDATE collections SET seal = {_SEAL} WHERE name = ?", [name])
    return int(db.one("SELECT key FROM collections WHERE name = ?", [name])[0])


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
