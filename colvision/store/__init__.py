"""A library on disk: a catalogue (SQLite), immutable shards, the kept files and page images.

`Store` reads; its `writer`, `pending` and `jobs` change the library. The order of a commit is in `writer`.
"""

from colvision.store.compaction import Compaction
from colvision.store.fulltext import TextScores
from colvision.store.records import Damage
from colvision.store.snapshot import Snapshot, SnapshotShard
from colvision.store.store import Store

__all__ = ["Compaction", "Damage", "Snapshot", "SnapshotShard", "Store", "TextScores"]
