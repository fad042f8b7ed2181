"""The centroids of collections: trained on a sample of the pages, and again as a collection grows.

A shard keeps the lists that it was written with: those of older centroids answer as well, each shard by its own. A
rewrite gives it the lists of the newest ones.
"""

import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from colvision.core.embedding import Floats
from colvision.core.encoder import EncoderInfo
from colvision.errors import LibraryDamaged
from colvision.maxsim import dequantise
from colvision.maxsim.inverted_lists import (
    SAMPLE,
    Centroids,
    InvertedLists,
    build_lists,
    centroid_count,
    has_lists,
    join_lists,
    train_centroids,
)
from colvision.store import rows
from colvision.store.catalogue import Catalogue
from colvision.store.files import Files
from colvision.store.shards import Shard, ShardLists, ShardPage

GROWTH = 4  # times as many vectors as when they were trained, and centroids are trained again: twice as many
_PAGES_AT_ONCE = 256  # whose vectors get their lists together


class CentroidSets:
    """The centroids of a library, by their keys; safe to share between threads."""

    def __init__(self, catalogue: Catalogue, files: Files) -> None:
        self._db = catalogue
        self._files = files
        self._lock = threading.Lock()
        self._known: dict[int, Centroids] = {}

    def get(self, key: int) -> Centroids | None:
        """None for those that are gone, or damaged: shards are scanned then."""
        with self._lock:
            if key not in self._known:
                with self._db.read():
                    data = rows.centroids.data(self._db, key)
                with suppress(ValueError):
                    if data is not None:
                        self._known[key] = Centroids.from_bytes(data)
            return self._known.get(key)

    def newest(self, collection: int) -> int:
        """The key of the centroids by which new lists of a collection are made; 0 where it has none."""
        with self._db.read():
            key, _ = rows.centroids.newest(self._db, collection)
        return key if key and self.get(key) is not None else 0

    def train_due(self, collection: int) -> None:
        """Trains the centroids of a collection that has become large enough, or much larger than it was.

        The caller holds the writer lock.
        """
        with self._db.read():
            info = rows.collections.get(self._db, collection).info
            live = rows.shards.live_pages(self._db, collection)
            serving = [
                row
                for row in rows.shards.select(self._db, "collection = ?", [collection])
                if row.is_intact and not row.damage and live[row.key]
            ]
            _, trained = rows.centroids.newest(self._db, collection)
        served = sum(live[row.key] for row in serving)
        vectors = sum(row.vectors * live[row.key] // row.pages for row in serving)
        if info is None or not has_lists(info, served) or (self.newest(collection) and vectors < GROWTH * trained):
            return
        count = centroid_count(2 * vectors)  # they serve until there are four times as many
        share = SAMPLE * count / vectors
        sample = _sample((self._files.shard_path(row.file_name) for row in serving), share, info)
        if not len(sample):
            return
        data = train_centroids(sample, count).to_bytes()
        with self._db.write():
            rows.centroids.add(self._db, collection, vectors, data)

    def lists_of(self, collection: int, pages: Sequence[ShardPage], info: EncoderInfo) -> ShardLists | None:
        """The lists of pages that are to lie in one shard, by the newest centroids; None without any."""
        key = self.newest(collection)
        centroids = self.get(key) if key else None
        return None if centroids is None else ShardLists(key, _build(centroids, pages, info))

    def lists_in(
        self, collection: int, shard: Shard, kept: Sequence[int], pages: Sequence[ShardPage], info: EncoderInfo
    ) -> ShardLists | None:
        """The lists of the pages that are kept of a shard (sorted rows), copied where they are of the newest centroids.

        Raises `LibraryDamaged`.
        """
        lists = shard.lists() if shard.centroids == self.newest(collection) else None
        if lists is None:
            return self.lists_of(collection, pages, info)
        return lists._replace(entries=join_lists([(lists.entries, np.asarray(kept, np.int64))]))


def join_shard_lists(parts: Sequence[ShardLists | None]) -> ShardLists | None:
    """The lists of shards that become one, in order; None unless all have lists of the same centroids."""
    found = [each for each in parts if each is not None]
    if len(found) < len(parts) or len({each.centroids for each in found}) != 1:
        return None
    if len(found) == 1:
        return found[0]
    every = [(each.entries, np.arange(each.entries.page_count, dtype=np.int64)) for each in found]
    return found[0]._replace(entries=join_lists(every))


def lists_key(lists: ShardLists | None) -> int:
    """What the catalogue notes of the lists of a shard: the key of their centroids, 0 without any."""
    return 0 if lists is None else lists.centroids


def _build(centroids: Centroids, pages: Sequence[ShardPage], info: EncoderInfo) -> InvertedLists:
    parts = []
    for first in range(0, len(pages), _PAGES_AT_ONCE):
        some = pages[first : first + _PAGES_AT_ONCE]
        starts = np.cumsum([0, *(len(page.codes) for page in some)], dtype=np.int64)
        codes = np.concatenate([page.codes for page in some])
        lists = build_lists(centroids, codes, starts, info.quantisation_range)
        parts.append((lists, np.arange(len(some), dtype=np.int64)))
    return parts[0][0] if len(parts) == 1 else join_lists(parts)


def _sample(paths: Iterable[Path], share: float, info: EncoderInfo) -> Floats:
    """(n, dim) the vectors of about `share` of the pages, spread over all shards; of damaged ones none."""
    found = [np.zeros((0, info.dim), np.int8)]
    for path in paths:
        with suppress(FileNotFoundError, LibraryDamaged):
            shard = Shard(path)
            count = min(max(round(share * len(shard)), 1), len(shard))
            found += [shard.page(row).codes for row in np.linspace(0, len(shard) - 1, count).astype(int).tolist()]
    return dequantise(np.concatenate(found), info.quantisation_range)
