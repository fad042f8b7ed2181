"""Numbers that only grow: with every collection, document and shard, and with every generation."""

from typing import NamedTuple

from colvision.store.catalogue import Catalogue

_COUNTED = ("collections", "documents", "shards")  # SQLite counts their keys, and gives none twice


class Growth(NamedTuple):
    """Only a writer in its turn takes `keys`; readers who quarantine a shard make `generations`, too."""

    keys: int
    generations: int


def growth(db: Catalogue) -> Growth:
    """How far the catalogue has come."""
    sql = """
        SELECT (SELECT coalesce(sum(seq), 0) FROM sqlite_sequence WHERE name IN (?, ?, ?)),
            (SELECT coalesce(sum(generation), 0) FROM collections WHERE name IS NOT NULL)"""
    return Growth(*map(int, db.one(sql, _COUNTED)))


def skip_keys(db: Catalogue, steps: int) -> None:
    """Leaves out the keys and the generations that changes which are lost may have used."""
    for table in _COUNTED:
        if not db.execute("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = ?", [steps, table]):
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [table, steps])
    db.execute("UPDATE collections SET generation = generation + ?", [steps])
