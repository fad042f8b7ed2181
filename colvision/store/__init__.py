"""A library on disk: a catalogue (SQLite), immutable shards, the kept files and page pictures (no torch).

`Store` is what readers ask; its `writer`, `pending` and `jobs` are the ways in. A commit's order stands in `writer`.
"""

from colvision.store.fulltext import TextScores
from colvision.store.records import Damage
from colvision.store.snapshot import Part, Snapshot
from colvision.store.store import Compaction, Store

__all__ = ["Compaction", "Damage", "Part", "Snapshot", "Store", "TextScores"]
