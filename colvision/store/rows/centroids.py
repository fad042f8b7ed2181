"""Rows of centroids, by which inverted lists are made."""

from collections.abc import Iterable

from colvision.store.catalogue import Catalogue
from colvision.store.rows.statements import insert, update
from colvision.store.schema import CENTROIDS


def newest(db: Catalogue, collection: int) -> tuple[int, int]:
    """(key, how many vectors the collection had then) of those that were trained last; (0, 0) where none were."""
    found = db.all("SELECT key, vectors FROM centroids WHERE collection = ? ORDER BY key DESC LIMIT 1", [collection])
    return (int(found[0][0]), int(found[0][1])) if found else (0, 0)


def data(db: Catalogue, key: int) -> bytes | None:
    """What `Centroids.to_bytes` gave; None where there is no such row, or a damaged one."""
    found = db.records(f"{CENTROIDS.select()} WHERE key = ?", [key])
    return bytes(found[0]["data"]) if found and found[0]["is_intact"] else None


def add(db: Catalogue, collection: int, vectors: int, data: bytes) -> int:
    return insert(db, CENTROIDS, collection=collection, vectors=vectors, data=data)


def move(db: Catalogue, collection: int, to: int) -> None:
    """Gives the collection `to` the centroids of another in the place of its own."""
    delete(db, to)
    for (key,) in db.all("SELECT key FROM centroids WHERE collection = ?", [collection]):
        update(db, CENTROIDS, key, collection=to)


def delete(db: Catalogue, collection: int) -> None:
    """Deletes those of a collection."""
    db.execute("DELETE FROM centroids WHERE collection = ?", [collection])


def delete_unused(db: Catalogue, collection: int) -> None:
    """Deletes those that no shard of a collection names, but for the newest."""
    db.execute(
        "DELETE FROM centroids WHERE collection = ?1 AND key <> ?2 "
        "AND key NOT IN (SELECT centroids FROM shards WHERE collection = ?1)",
        [collection, newest(db, collection)[0]],
    )


def damaged(db: Catalogue) -> list[int]:
    """The keys of rows that are not what was written."""
    return [int(key) for (key,) in db.all(f"SELECT key FROM centroids WHERE NOT {CENTROIDS.is_intact_sql}", [])]


def delete_keys(db: Catalogue, keys: Iterable[int]) -> None:
    db.execute_many("DELETE FROM centroids WHERE key = ?", ([key] for key in keys))
