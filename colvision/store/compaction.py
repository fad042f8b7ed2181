"""Rewriting shards: small ones into larger, and those with dead pages without them. Codes are copied, never made again.

A shard is as large as the commit that made it. As soon as there are many of about one size they are merged into one of
the next size, so that a page is copied a few times at most, however slowly a library grows. A page is dead when its
document was deleted: nothing leads to it, but its bytes are there until its shard is rewritten.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from colvision.errors import LibraryDamaged
from colvision.store import rows
from colvision.store.catalogue import Catalogue
from colvision.store.files import Files
from colvision.store.records import ShardRow, shard_name
from colvision.store.shards import SHARD_FORMAT, PageRef, Shard, ShardPage, write_shard
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

    def __init__(self, writer_lock: WriterLock, catalogue: Catalogue, files: Files) -> None:
        self._writer_lock = writer_lock
        self._db = catalogue
        self._files = files

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
        """Merges shards of which there are many, and drops dead pages. The caller holds the writer lock."""
        self._rewrite_all(_due_runs(self._candidates(collection)))

    def compact_next(self, collection: int) -> bool:
        """Drops the dead pages of one run of shards and merges it; False when nothing is to be done any more.

        The writer lock is released after each run: others may commit in between.
        """
        with self._writer_lock.acquire():
            runs = (run for run in _runs(self._candidates(collection)) if len(run) > 1 or self._needs_rewrite(run[0]))
            run = next(runs, None)
            if run is not None:
                self._rewrite_all([run])
        return run is not None

    def _needs_rewrite(self, candidate: _Candidate) -> bool:
        if candidate.live < candidate.row.pages:
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
        pages: list[ShardPage] = []
        owners: list[PageRef] = []
        keys: list[int] = []
        for row in run:
            try:
                for page, owner, key in self._live_pages(row):
                    pages.append(page)
                    owners.append(owner)
                    keys.append(key)
            except (FileNotFoundError, LibraryDamaged) as error:
                with self._db.write():
                    rows.shards.quarantine(self._db, row, str(error))
                return
        new = self._write(run[0].collection, pages, owners)
        # Killed before this is committed: no row names the new shard, and the old ones are as they were.
        with self._db.write():
            rows.shards.move_pages(self._db, new, keys, [row.key for row in run])

    def _write(self, collection: int, pages: Sequence[ShardPage], owners: Sequence[PageRef]) -> ShardRow:
        with self._db.read():
            key = rows.shards.next_key(self._db)
            info = rows.collections.get(self._db, collection).info
        assert info is not None, "a collection with a shard has an encoder"
        path = self._files.shard_path(shard_name(key))
        checksum = write_shard(path, pages, owners, quantisation_range=info.quantisation_range)
        vectors, size = sum(len(page.codes) for page in pages), path.stat().st_size
        return ShardRow(key, collection, len(pages), vectors, size, checksum, "", SHARD_FORMAT)

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
            new = self._write(collection, [intact[owner] for owner, _ in recovered], [owner for owner, _ in recovered])
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

    def _live_pages(self, row: ShardRow) -> Iterator[tuple[ShardPage, PageRef, int]]:
        """The pages that are not dead, checked as they are read. Raises `LibraryDamaged`, `FileNotFoundError`."""
        shard = Shard(self._files.shard_path(row.file_name))
        with self._db.read():
            pages = rows.shards.pages_in(self._db, row.key)
        for place, document, number, key in pages:
            if not shard.holds(place, document, number):
                raise LibraryDamaged(f"shard {row.file_name} and the catalogue do not agree about its row {place}")
            yield shard.page(place), PageRef(document, number), key


def _due_runs(candidates: Sequence[_Candidate]) -> Iterator[Sequence[_Candidate]]:
    """The runs of shards that are to become one each."""
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
    for candidate in candidates:
        if candidate.row.key not in merged and candidate.live < candidate.row.pages * (1 - DEAD_SHARE):
            yield [candidate]


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
