"""Counters that only grow: with every collection, document and shard, and with every generation."""

from typing import NamedTuple

from colvision.store.catalogue import Catalogue

_COUNTED = ("collections", "documents", "shards")  # SQLite counts their keys, and gives none twice


class Counters(NamedTuple):
    """`keys` grow under the writer lock only, `generations` also where a reader quarantines a shard."""

    keys: int
    generations: int


def read(db: Catalogue) -> Counters:
    """The counters of this state of the catalogue."""
    sql = """
        SELECT (SELECT coalesce(sum(seq), 0) FROM sqlite_sequence WHERE name IN (?, ?, ?)),
            (SELECT coalesce(sum(generation), 0) FROM collections WHERE name IS NOT NULL)"""
    return Counters(*map(int, db.one(sql, _COUNTED)))


def skip(db: Catalogue, steps: int) -> None:
    """Skips the keys and the generations that lost changes may have used."""
    for table in _COUNTED:
        if not db.execute("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = ?", [steps, table]):
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [table, steps])
    db.execute("UPDATE collections SET generation = generation + ?", [steps])
