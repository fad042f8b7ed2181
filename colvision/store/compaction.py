"""Rewriting shards: small ones into larger, and those with dead pages without them. Codes are copied, never made again.

A shard is as large as the commit that made it. As soon as there are many of about one size they are merged into one of
the next size, so that a page is copied a few times at most, however slowly a library grows. A page is dead when its
document was deleted: nothing leads to it, but its bytes are there until its shard is rewritten.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from colvision.core.encoder import EncoderInfo
from colvision.errors import LibraryDamaged
from colvision.store import rows
from colvision.store.catalogue import Catalogue
from colvision.store.centroids import CentroidSets, join_shard_lists, lists_key
from colvision.store.files import Files
from colvision.store.records import ShardRow, shard_name
from colvision.store.shards import SHARD_FORMAT, PageRef, Shard, ShardLists, ShardPage, write_shard
from colvision.store.writer_lock import WriterLock

TARGET_PAGES = 4096  # of a shard that is merged no more: 400 MB at 700 vectors a page
TARGET_BYTES = 1 << 29
MAX_SHARDS_OF_A_SIZE = 16  # before they are merged: each is a file to open, and a commit makes one
SIZE_STEP = 16  # from one size to the next
DEAD_SHARE = 0.25  # of a shard's pages, above which it is rewritten by itself


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A shard that could be rewritten, and how many of its pages are not dead."""

    row: ShardRow
    live: int

    @property
    def bytes(self) -> float:
        """Of what would be copied."""
        return self.row.bytes * self.live / self.row.pages

    @property
    def is_full(self) -> bool:
        return self.live >= TARGET_PAGES or self.bytes >= TARGET_BYTES

    @property
    def size(self) -> int:
        """0 for some pages, 1 for tens, 2 for hundreds and more."""
        size = 0
        while self.live >= SIZE_STEP ** (size + 1):
            size += 1
        return size


@dataclass(frozen=True, slots=True)
class Compaction:
    """Shards, and bytes of shards and catalogue, before and after a compaction."""

    shards_before: int
    shards: int
    bytes_before: int
    bytes: int


class Compactor:
    """Rewrites the shards of a library."""

    def __init__(self, writer_lock: WriterLock, catalogue: Catalogue, files: Files, centroids: CentroidSets) -> None:
        self._writer_lock = writer_lock
        self._db = catalogue
        self._files = files
        self._centroids = centroids

    def compact(self) -> Compaction:
        """See `Store.compact`."""
        before, shards_before = self._size()
        with self._db.read():
            collections = [*rows.collections.select(self._db), *rows.collections.companions(self._db)]
        for collection in collections:
            while self.compact_next(collection.key):
                pass
        with self._writer_lock.acquire():
            with self._db.write():
                rows.pages.purge_text(self._db)
            self._db.compact()
        after, shards_after = self._size()
        return Compaction(shards_before, shards_after, before, after)

    def _size(self) -> tuple[int, int]:
        """(bytes, shards) of catalogue and shards."""
        with self._db.read():
            shards = rows.shards.select(self._db)
        return sum(row.bytes for row in shards) + self._db.bytes, len(shards)

    def compact_due(self, collection: int) -> None:
        """Merges shards of which there are many, drops dead pages, and gives one more shard the newest lists.

        The caller holds the writer lock.
        """
        self._centroids.train_due(collection)
        self._rewrite_all(_due_runs(self._candidates(collection), self._centroids.newest(collection)))

    def compact_next(self, collection: int) -> bool:
        """Drops the dead pages of one run of shards and merges it, with the newest lists; False when nothing is to be
        done any more.

        The writer lock is released after each run: others may commit in between.
        """
        with self._writer_lock.acquire():
            self._centroids.train_due(collection)
            newest = self._centroids.newest(collection)
            runs = (
                run
                for run in _runs(self._candidates(collection))
                if len(run) > 1 or self._needs_rewrite(run[0], newest)
            )
            run = next(runs, None)
            if run is not None:
                self._rewrite_all([run])
        return run is not None

    def _needs_rewrite(self, candidate: _Candidate, centroids: int) -> bool:
        if candidate.live < candidate.row.pages or candidate.row.centroids != centroids:
            return True
        try:
            return not Shard(self._files.shard_path(candidate.row.file_name)).is_current
        except (FileNotFoundError, LibraryDamaged):
            return True  # `_rewrite` meets it again, and quarantines it

    def _candidates(self, collection: int) -> list[_Candidate]:
        with self._db.read():
            live = rows.shards.live_pages(self._db, collection)
            shards = rows.shards.select(self._db, "collection = ?", [collection])
        serving = [row for row in shards if row.is_intact and not row.damage]
        return [_Candidate(row, live[row.key]) for row in serving if live[row.key]]

    def _rewrite_all(self, runs: Iterable[Sequence[_Candidate]]) -> None:
        for run in list(runs):
            self._rewrite([candidate.row for candidate in run])
            # Killed here, the old shards are still on the disk but no row names them; the next writer sweeps them.
            self._writer_lock.sweep()

    def _rewrite(self, run: Sequence[ShardRow]) -> None:
        """Makes one shard of several. A damaged one is quarantined, and the others are left to the next rewrite."""
        collection = run[0].collection
        info = self._info(collection)
        parts: list[_LivePages] = []
        lists: list[ShardLists | None] = []
        for row in run:
            try:
                part = self._live_pages(row)
                lists.append(self._centroids.lists_in(collection, part.shard, part.places, part.pages, info))
                parts.append(part)
            except (FileNotFoundError, LibraryDamaged) as error:
                with self._db.write():
                    rows.shards.quarantine(self._db, row, str(error))
                return
        pages = [page for part in parts for page in part.pages]
        owners = [owner for part in parts for owner in part.owners]
        keys = [key for part in parts for key in part.keys]
        new = self._write(collection, pages, owners, info, join_shard_lists(lists))
        # Killed before this is committed: no row names the new shard, and the old ones are as they were.
        with self._db.write():
            rows.shards.move_pages(self._db, new, keys, [row.key for row in run])
            rows.centroids.delete_unused(self._db, collection)

    def _info(self, collection: int) -> EncoderInfo:
        with self._db.read():
            info = rows.collections.get(self._db, collection).info
        assert info is not None, "a collection with a shard has an encoder"
        return info

    def _write(
        self,
        collection: int,
        pages: Sequence[ShardPage],
        owners: Sequence[PageRef],
        info: EncoderInfo,
        lists: ShardLists | None,
    ) -> ShardRow:
        with self._db.read():
            key = rows.shards.next_key(self._db)
        path = self._files.shard_path(shard_name(key))
        checksum = write_shard(path, pages, owners, quantisation_range=info.quantisation_range, lists=lists)
        vectors, size, centroids = sum(len(page.codes) for page in pages), path.stat().st_size, lists_key(lists)
        return ShardRow(key, collection, len(pages), vectors, size, checksum, "", SHARD_FORMAT, centroids)

    def recover(self, row: ShardRow) -> None:
        """Copies the intact pages of a damaged shard; the others are deleted and are to be stored again.

        The caller holds the writer lock.
        """
        with self._db.read():
            pages = rows.shards.pages_in(self._db, row.key)
            documents = rows.shards.documents_in(self._db, row.key)
        # The shard's own row may be damaged: its collection is that of the documents.
        collection = documents[0].collection if documents else row.collection
        owned = [(PageRef(document, number), key) for _, document, number, key in pages]
        intact = self._intact_pages(row)
        recovered = [(owner, key) for owner, key in owned if owner in intact]
        new = None
        if recovered:
            kept, info = [intact[owner] for owner, _ in recovered], self._info(collection)
            lists = self._centroids.lists_of(collection, kept, info)
            new = self._write(collection, kept, [owner for owner, _ in recovered], info, lists)
        recovered_keys = {key for _, key in recovered}
        with self._db.write():
            if new is not None:
                rows.shards.move_pages(self._db, new, [key for _, key in recovered], [row.key])
            for _, key in owned:
                if key not in recovered_keys:
                    rows.pages.delete(self._db, key)
            rows.collections.next_generation(self._db, collection)

    def _intact_pages(self, row: ShardRow) -> dict[PageRef, ShardPage]:
        """The pages of a damaged shard that match their sums: none where it has no sums, or damaged ones."""
        pages: dict[PageRef, ShardPage] = {}
        try:
            shard = Shard(self._files.shard_path(row.file_name))
        except (FileNotFoundError, LibraryDamaged):
            return pages
        for place, owner in enumerate([] if shard.owners is None else shard.owners.tolist()):
            with suppress(LibraryDamaged):
                pages[PageRef(*owner)] = shard.page(place)
        return pages

    def _live_pages(self, row: ShardRow) -> "_LivePages":
        """The pages that are not dead, checked. Raises `LibraryDamaged`, `FileNotFoundError`."""
        shard = Shard(self._files.shard_path(row.file_name))
        with self._db.read():
            listed = rows.shards.pages_in(self._db, row.key)
        pages = []
        for place, document, number, _ in listed:
            if not shard.holds(place, document, number):
                raise LibraryDamaged(f"shard {row.file_name} and the catalogue do not agree about its row {place}")
            pages.append(shard.page(place))
        owners = [PageRef(document, number) for _, document, number, _ in listed]
        return _LivePages(shard, [place for place, *_ in listed], pages, owners, [key for *_, key in listed])


class _LivePages(NamedTuple):
    """The pages of a shard that are not dead: their places in it, what they are, whose, and their keys."""

    shard: Shard
    places: list[int]
    pages: list[ShardPage]
    owners: list[PageRef]
    keys: list[int]


def _due_runs(candidates: Sequence[_Candidate], centroids: int) -> Iterator[Sequence[_Candidate]]:
    """The runs of shards that are to become one each; of those without lists of these centroids one more."""
    merged: set[int] = set()
    for size in {candidate.size for candidate in candidates}:
        peers = [candidate for candidate in candidates if candidate.size == size and not candidate.is_full]
        is_enough = sum(candidate.live for candidate in peers) >= TARGET_PAGES
        is_enough |= sum(candidate.bytes for candidate in peers) >= TARGET_BYTES
        if len(peers) > MAX_SHARDS_OF_A_SIZE or (is_enough and len(peers) > 1):
            for run in _runs(peers):
                if len(run) > 1:
                    merged |= {candidate.row.key for candidate in run}
                    yield run
    left = [candidate for candidate in candidates if candidate.row.key not in merged]
    is_dead = {each.row.key: each.live < each.row.pages * (1 - DEAD_SHARE) for each in left}
    yield from ([each] for each in left if is_dead[each.row.key])
    behind = (each for each in left if not is_dead[each.row.key] and each.row.centroids != centroids)
    yield from ([each] for each in islice(behind, 1))


def _runs(candidates: Sequence[_Candidate]) -> Iterator[Sequence[_Candidate]]:
    """Shards in their order, divided into runs that fill one shard each."""
    run: list[_Candidate] = []
    for candidate in candidates:
        if candidate.is_full:
            yield [candidate]
            continue
        run.append(candidate)
        if sum(each.live for each in run) >= TARGET_PAGES or sum(each.bytes for each in run) >= TARGET_BYTES:
            yield run
            run = []
    if run:
        yield run
