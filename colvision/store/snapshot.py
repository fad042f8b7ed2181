"""What a search reads: one generation of one collection, its shards open."""

import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colvision.core.text import Forms
from colvision.errors import LibraryDamaged
from colvision.maxsim.inverted_lists import Centroids
from colvision.store import rows
from colvision.store.catalogue import FILE_NAME, Catalogue
from colvision.store.centroids import CentroidSets
from colvision.store.files import Files
from colvision.store.identity import shown_folders
from colvision.store.records import CollectionRow, DocumentRow, ShardRow
from colvision.store.shards import Shard

if sys.platform != "win32":
    import resource

_OPEN_FILES = 10_240  # of a megabyte or more each: 10 GB at least; macOS allows no more files than this
_NO_DOCUMENT = -1  # the document of a stored page that no row names


@dataclass(frozen=True, slots=True, eq=False)
class SnapshotShard:
    """One shard of a snapshot: for each of its pages the document's key, the page's number, and whether it is live.

    `live` is False for deleted pages and for those of a replacement that is not complete: no search sees them.
    `centroids` are those of its inverted lists, None where it has none.
    """

    shard: Shard
    document: NDArray[np.int64]
    page: NDArray[np.int32]
    live: NDArray[np.bool_]
    centroids: Centroids | None = None


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One generation of a collection: it does not change, whatever is committed later.

    `documents` are the visible ones by key, `folders` what is shown of where they came from: see `shown_folders`. Of a
    companion collection (see `companions`) they are those of its collection, and so are the keys in `shards`. `derived`
    is what searches compute of it once.
    """

    collection: CollectionRow
    documents: Mapping[int, DocumentRow]
    shards: tuple[SnapshotShard, ...]
    folders: Mapping[int, str]
    derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def generation(self) -> int:
        return self.collection.generation

    @cached_property
    def names(self) -> Forms:
        """The names of the documents as they are compared, in the order of `documents`."""
        return Forms(row.name_form for row in self.documents.values())

    @property
    def pages(self) -> int:
        """How many pages a search of it goes through."""
        return sum(int(each.live.sum()) for each in self.shards)


class Snapshots:
    """Takes snapshots and remembers the newest of each collection; safe to share between threads."""

    def __init__(self, catalogue: Catalogue, files: Files, centroids: CentroidSets) -> None:
        self._db = catalogue
        self._files = files
        self._centroids = centroids
        self._lock = threading.Lock()
        self._newest: dict[int, Snapshot] = {}
        self._companions: dict[int, tuple[Snapshot, Snapshot]] = {}  # that of its collection, and its own
        self._shards: dict[int, dict[int, Shard]] = {}  # by collection and key
        self._quarantined: dict[int, str] = {}  # {shard: why}, where the catalogue cannot be written
        _allow_open_files()

    def take(self, name: str) -> Snapshot:
        """The newest generation. A shard that cannot be opened is quarantined, and the rest is served.

        Raises `CollectionNotFound`.
        """
        with self._lock:
            while True:
                collection, newest, shards = self._find(name)
                if newest is not None:
                    return newest
                opened = self._open(shards)
                if opened is not None:
                    with self._db.read():
                        documents = rows.documents.select(self._db, "collection = ? AND visible", [collection.key])
                    visible = MappingProxyType({row.key: row for row in documents if row.is_intact})
                    snapshot = self._build(collection, opened, visible)
                    if snapshot is not None:
                        self._forget(collection.key)
                        self._newest[collection.key] = snapshot
                        return snapshot

    def take_companion(self, of: Snapshot, encoder_name: str) -> Snapshot | None:
        """What a companion of a snapshot's collection holds of its documents, see `companions`; None without one.

        Pages of documents that the snapshot does not have, or has another version of, are none of it.
        """
        with self._lock:
            while True:
                with self._db.read():
                    collection = rows.collections.companion(self._db, of.collection.key, encoder_name)
                if collection is None:
                    return None
                original, newest = self._companions.get(collection.key, (None, None))
                if newest is not None and original is of and newest.generation == collection.generation:
                    return newest
                opened = self._open(self._serving_shards(collection))
                if opened is None:
                    continue
                with self._db.read():
                    found = rows.documents.select(self._db, "collection = ?", [collection.key])
                counterparts = {row.key: row for row in found if row.is_intact and _is_counterpart(row, of.documents)}
                snapshot = self._build(collection, opened, counterparts)
                if snapshot is not None:
                    snapshot = _with_documents_of(snapshot, of)
                    self._forget(collection.key)
                    self._companions[collection.key] = of, snapshot
                    return snapshot

    def shard(self, row: ShardRow) -> Shard:
        """Raises `LibraryDamaged` for a shard that cannot be opened, `FileNotFoundError` for one that was deleted."""
        found = self._shards.get(row.collection, {}).get(row.key)
        return found if found is not None else Shard(self._files.shard_path(row.file_name))

    def _forget(self, collection: int) -> None:
        """An older snapshot lets go of its shards when it is dropped: what was derived of it refers to it."""
        if collection in self._newest:
            self._newest[collection].derived.clear()
        if collection in self._companions:
            self._companions[collection][1].derived.clear()

    def close(self) -> None:
        with self._lock:
            for collection in {*self._newest, *self._companions}:
                self._forget(collection)
            self._newest.clear()
            self._companions.clear()
            self._shards.clear()

    def _find(self, name: str) -> tuple[CollectionRow, Snapshot | None, list[ShardRow]]:
        with self._db.read():
            collection = rows.collections.find(self._db, name)
            for deleted in self._shards.keys() - rows.collections.keys(self._db):
                self._forget(deleted)
                self._newest.pop(deleted, None)
                self._companions.pop(deleted, None)
                self._shards.pop(deleted)
            newest = self._newest.get(collection.key)
            if newest is not None and newest.generation == collection.generation:
                return collection, newest, []
        return collection, None, self._serving_shards(collection)

    def _serving_shards(self, collection: CollectionRow) -> list[ShardRow]:
        with self._db.read():
            shards = [
                row for row in rows.shards.select(self._db) if not row.damage and row.key not in self._quarantined
            ]
        for row in shards:
            if not row.is_intact:
                self.quarantine(row, LibraryDamaged(f"the catalogue's entry of shard {row.file_name} is damaged"))
        return [row for row in shards if row.is_intact and row.collection == collection.key]

    def _open(self, shards: list[ShardRow]) -> dict[int, Shard] | None:
        """None when one could not be opened: the catalogue is to be read again, without it."""
        opened = {}
        for row in shards:
            try:
                opened[row.key] = self.shard(row)
            except (FileNotFoundError, LibraryDamaged) as error:
                self.quarantine(row, error)
                return None
        return opened

    def quarantine(self, row: ShardRow, error: Exception) -> bool:
        """Takes a shard out of the answers; False when a writer has just deleted it."""
        with self._db.read():
            if not rows.shards.select(self._db, "key = ?", [row.key]):
                return False
        if self._db.read_only:
            self._quarantined[row.key] = str(error)
            self._forget(row.collection)
            self._newest.pop(row.collection, None)
            self._companions.pop(row.collection, None)
            return True
        with self._db.write():
            rows.shards.quarantine(self._db, row, str(error))
        return True

    def _build(
        self, collection: CollectionRow, opened: dict[int, Shard], visible: Mapping[int, DocumentRow]
    ) -> Snapshot | None:
        """With the pages of these documents; None when the collection has changed since its shards were opened."""
        with self._db.read():
            if self._has_changed(collection):
                return None
            live = rows.shards.live_pages(self._db, collection.key)
            # A shard names the owners of its pages. The catalogue is read where it does not, or where some are dead.
            listed = {
                key: rows.shards.pages_in(self._db, key)
                for key, shard in opened.items()
                if shard.owners is None or live.get(key) != len(shard)
            }
        keys = np.fromiter(visible, dtype=np.int64, count=len(visible))
        sets = {key: self._centroids.get(key) for key in {shard.centroids for shard in opened.values()} - {0}}
        shards = [
            _snapshot_shard(shard, listed.get(key), keys, sets.get(shard.centroids)) for key, shard in opened.items()
        ]
        folders = MappingProxyType(shown_folders(visible.values()))
        snapshot = Snapshot(collection, visible, tuple(each for each in shards if each.live.any()), folders)
        self._check_pages(snapshot, opened)
        self._shards[collection.key] = opened
        return snapshot

    def _has_changed(self, collection: CollectionRow) -> bool:
        """In the caller's transaction: whether it is of another generation now, or gone."""
        is_there = collection.key in rows.collections.keys(self._db)
        return not is_there or rows.collections.get(self._db, collection.key).generation != collection.generation

    def _check_pages(self, snapshot: Snapshot, opened: Mapping[int, Shard]) -> None:
        """Raises `LibraryDamaged` for pages that a damaged catalogue has lost: no answer leaves them out in silence."""
        missing = sum(row.stored for row in snapshot.documents.values()) - snapshot.pages
        if not missing:
            return
        with self._db.read():
            if self._has_changed(snapshot.collection):
                return  # the next snapshot is newer
            quarantined = {row.key for row in rows.shards.select(self._db, "damage <> ''")} | self._quarantined.keys()
            unavailable = sum(
                rows.shards.count_pages(self._db, shard, snapshot.documents) for shard in quarantined - opened.keys()
            )
        if missing != unavailable:
            row = snapshot.collection
            name = f"collection {row.name!r}" if row.name is not None else f"encoder {row.encoder_name!r}"
            raise LibraryDamaged(
                f"{missing - unavailable} pages of {name} are not where {FILE_NAME} "
                "says: run `colvision verify --repair`"
            )


def _snapshot_shard(
    shard: Shard,
    listed: list[tuple[int, int, int, int]] | None,
    visible: NDArray[np.int64],
    centroids: Centroids | None,
) -> SnapshotShard:
    """`listed` (row, document, number, key) are the pages that the catalogue names; None: all that the shard holds."""
    owners = shard.owners if shard.owners is not None else _listed_owners(len(shard), listed or [])
    document, page = owners[:, 0], owners[:, 1].astype(np.int32)
    live = np.isin(document, visible)
    if listed is not None:
        is_listed = np.zeros(len(shard), dtype=np.bool_)
        is_listed[[row for row, document, number, _ in listed if shard.holds(row, document, number)]] = True
        live &= is_listed
    return SnapshotShard(shard, np.where(live, document, _NO_DOCUMENT), page, live, centroids)


def _is_counterpart(row: DocumentRow, documents: Mapping[int, DocumentRow]) -> bool:
    original = documents.get(row.replaces) if row.replaces is not None else None
    return original is not None and original.sha256 == row.sha256


def _with_documents_of(companion: Snapshot, of: Snapshot) -> Snapshot:
    """With the documents of its collection in the place of their counterparts."""
    original = {key: row.replaces for key, row in companion.documents.items()} | {_NO_DOCUMENT: _NO_DOCUMENT}
    shards = tuple(
        replace(part, document=np.array([original[key] for key in part.document.tolist()], np.int64))
        for part in companion.shards
    )
    return replace(companion, documents=of.documents, shards=shards, folders=of.folders)


def _listed_owners(pages: int, listed: list[tuple[int, int, int, int]]) -> NDArray[np.int64]:
    owners = np.full((pages, 2), _NO_DOCUMENT, dtype=np.int64)
    for row, document, number, _ in listed:
        if isinstance(row, int) and 0 <= row < pages:  # else the catalogue is damaged
            owners[row] = document, number
    return owners


@cache
def _allow_open_files() -> None:
    """Raises the limit of open files, once: each large shard is one, and 1,000 is a usual limit."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # some systems refuse: the limit stays
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
