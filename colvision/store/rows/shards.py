"""Rows of shards, and which pages lie in them."""

import json
from collections.abc import Iterable, Sequence

from colvision.store.catalogue import Catalogue, Value
from colvision.store.records import DAMAGED, READY, DocumentRow, ShardRow
from colvision.store.rows import collections, documents
from colvision.store.rows.statements import insert, update, value_of
from colvision.store.schema import SHARDS

_SELECT = SHARDS.select()


def next_key(db: Catalogue) -> int:
    """The key of the next shard: beyond every key that was ever used. Only under the writer lock."""
    found = db.all("SELECT seq FROM sqlite_sequence WHERE name = 'shards'")
    return int(found[0][0]) + 1 if found else 1


def add(db: Catalogue, new: ShardRow) -> None:
    insert(db, SHARDS, **{name: getattr(new, name) for name in SHARDS.columns})


def select(db: Catalogue, where: str = "TRUE", values: Sequence[Value] = ()) -> list[ShardRow]:
    """Shards for which the SQL condition holds, oldest first."""
    found = db.records(f"{_SELECT} WHERE {where} ORDER BY key", values)
    return [value_of(ShardRow, each, is_intact=bool(each["is_intact"])) for each in found]


def live_pages(db: Catalogue, collection: int) -> dict[int, int]:
    """{shard: how many of its pages the catalogue names}; its other pages are dead."""
    sql = """
        SELECT shards.key, (SELECT count(*) FROM pages WHERE pages.shard = shards.key) FROM shards
        WHERE shards.collection = ?"""
    return {shard: count for shard, count in db.all(sql, [collection])}


def pages_in(db: Catalogue, shard: int) -> list[tuple[int, int, int, int]]:
    """(row, document, number, page key) of the pages in a shard that the catalogue names, in the order of the rows."""
    sql = "SELECT row, document, number, key FROM pages WHERE shard = ? ORDER BY row"
    return [(row, document, number, key) for row, document, number, key in db.all(sql, [shard])]


def count_pages(db: Catalogue, shard: int, documents: Iterable[int]) -> int:
    """How many pages of these documents (keys) lie in a shard."""
    sql = "SELECT count(*) FROM pages WHERE shard = ? AND document IN (SELECT value FROM json_each(?))"
    return int(db.one(sql, [shard, json.dumps(list(documents))])[0])


def move_pages(db: Catalogue, to: ShardRow, pages: Sequence[int], emptied: Iterable[int]) -> None:
    """Adds a shard that holds copies of `pages` (keys), in this order, and deletes the shards that this `emptied`."""
    add(db, to)
    db.execute_many(
        "UPDATE pages SET shard = ?, row = ? WHERE key = ?", ((to.key, row, key) for row, key in enumerate(pages))
    )
    db.execute_many("DELETE FROM shards WHERE key = ?", ([key] for key in emptied))
    collections.next_generation(db, to.collection)


def documents_in(db: Catalogue, shard: int) -> list[DocumentRow]:
    """The documents that have pages in a shard."""
    return documents.select(db, "key IN (SELECT document FROM pages WHERE shard = ?)", [shard])


def quarantine(db: Catalogue, shard: ShardRow, damage: str) -> None:
    """Takes a shard out of the answers, or with `damage` "" back into them.

    Its complete documents are `damaged` for as long as one of their shards is.
    """
    update(db, SHARDS, shard.key, damage=damage)
    for row in documents_in(db, shard.key):
        reason = db.one(
            "SELECT max(damage) FROM shards WHERE key IN (SELECT shard FROM pages WHERE document = ?)", [row.key]
        )[0]
        if reason and row.state == READY:
            documents.set_state(db, row.key, DAMAGED, reason)
        elif not reason and row.state == DAMAGED:
            documents.set_state(db, row.key, READY)
    collections.next_generation(db, shard.collection)
