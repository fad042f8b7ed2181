"""The two ways of comparing a query with pages: their int8 codes, and the signs of those.

Pages are rows of a `PageTable`: the live pages of a snapshot in one order. Pieces of them run side by side.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats
from colvision.maxsim import bit_maxima, token_maxima
from colvision.maxsim.on_device import DevicePages
from colvision.maxsim.selection import Pages
from colvision.parallel import parallel_map
from colvision.search.device import Kind, SearchDevice
from colvision.search.filters import Columns, Finding
from colvision.search.options import SearchOptions
from colvision.store import Snapshot, SnapshotShard
from colvision.store.shards import ShardPage

_PIECE = 512  # pages that a thread compares before it takes the next: a few milliseconds
_COPIED = 128  # pages whose codes a thread copies and then compares: 11 MB at 90 KB a page
_FEW = 2  # fewer than one in so many pages are copied, of a collection whose codes
_MAPPED_BYTES = 512 << 20  # are more than these: copying costs as much as comparing, and keeps memory small


@dataclass(frozen=True, eq=False)
class PageTable:
    """The live pages of a snapshot, shard by shard: `rows` are those in each shard, `starts` (shards + 1,) the first
    of each shard here; `document` (key) and `page` (number from 1) are columns (pages,). `device` compares what
    it holds.
    """

    snapshot: Snapshot
    rows: tuple[Pages, ...]
    starts: NDArray[np.int64]
    document: NDArray[np.int64]
    page: NDArray[np.int32]
    device: SearchDevice | None = None

    @classmethod
    def of(cls, snapshot: Snapshot, device: SearchDevice | None = None) -> "PageTable":
        """Made once of a snapshot."""
        key = f"pages {id(device)}"
        if key not in snapshot.derived:
            snapshot.derived[key] = cls._of(snapshot, device)
        table: PageTable = snapshot.derived[key]
        return table

    @classmethod
    def _of(cls, snapshot: Snapshot, device: SearchDevice | None) -> "PageTable":
        rows = tuple(np.flatnonzero(part.live) for part in snapshot.shards)
        starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        pairs = list(zip(snapshot.shards, rows, strict=True))
        document = [part.document[chosen] for part, chosen in pairs]
        page = [part.page[chosen] for part, chosen in pairs]
        no_documents, no_pages = np.zeros(0, np.int64), np.zeros(0, np.int32)
        columns = np.concatenate([no_documents, *document]), np.concatenate([no_pages, *page])
        return cls(snapshot, rows, starts, *columns, device)

    def __len__(self) -> int:
        return len(self.document)

    def find(self, document: NDArray[np.int64], page: NDArray[np.int32]) -> Pages:
        """(n,) the rows of pages by document key and number; -1 for those that are not in the table."""
        if not len(self):
            return np.full(len(document), -1, np.int64)
        keys, order = self._sorted_keys
        wanted = document << 32 | page
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[place] == wanted, order[place], -1)

    @cached_property
    def _sorted_keys(self) -> tuple[NDArray[np.int64], Pages]:
        """(pages,) what `find` looks for, rising, and the rows."""
        keys = self.document << 32 | self.page
        order = np.argsort(keys)
        return keys[order], order

    @cached_property
    def vectors(self) -> int:
        """Of the live pages: the collection's, whatever a filter leaves."""
        pairs = zip(self.snapshot.shards, self.rows, strict=True)
        return sum(int(np.diff(part.shard.starts)[rows].sum()) for part, rows in pairs)

    @property
    def mean_vectors(self) -> float:
        return self.vectors / len(self) if len(self) else 1.0

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """(pages,) numbers by which pages are drawn by lot, the same wherever a page lies: of its file and number."""
        documents = self.snapshot.documents
        files = {key: int(row.sha256[:16], 16) for key, row in documents.items()}
        key = np.array([files[document] for document in self.document.tolist()], np.uint64)
        key ^= self.page.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # splitmix64 (Steele et al. 2014)
            key = (key ^ (key >> np.uint64(shift))) * np.uint64(factor)
        mixed: NDArray[np.uint64] = key ^ (key >> np.uint64(31))
        return mixed

    @cached_property
    def has_bits(self) -> bool:
        return all(part.shard.bits is not None for part in self.snapshot.shards)

    def read_page(self, row: int) -> ShardPage:
        """The codes and the grid of a page."""
        part = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.snapshot.shards[part].shard.page(int(self.rows[part][row - self.starts[part]]))

    def pieces(self, pages: Pages, most: int, kind: Kind) -> Iterator["Piece"]:
        """`pages` by the shard that holds them, in order, no piece of more than `most` but where the device has it."""
        bounds = np.searchsorted(pages, self.starts)
        for part, rows, start, first, last in zip(
            self.snapshot.shards, self.rows, self.starts[:-1], bounds[:-1], bounds[1:], strict=True
        ):
            stored = self.device.find(part.shard, kind) if self.device is not None and first < last else None
            step = most if stored is None else last - first
            for begin in range(first, last, step):
                yield Piece(part, rows[pages[begin : min(begin + step, last)] - start], stored)


def pages_in_scope(
    table: PageTable, options: SearchOptions, findings: frozenset[Finding] = frozenset()
) -> Pages | None:
    """The pages that may be found; None for all. `findings`: see `Columns`. Raises as `Filter.mask` does."""
    if options.documents is None and options.where is None:
        return None
    documents = list(table.snapshot.documents.values())
    positions = {row.key: i for i, row in enumerate(documents)}
    owner = np.array([positions[key] for key in table.document.tolist()], dtype=np.int64)
    kept = np.ones(len(table), dtype=np.bool_)
    if options.documents is not None:
        kept &= np.array([row.id in options.documents for row in documents], dtype=np.bool_)[owner]
    if options.where is not None:
        kept &= options.where.mask(Columns(documents, owner, table.page, findings))
    return np.flatnonzero(kept)


class Piece(NamedTuple):
    """Pages of one shard, as its sorted rows; `stored` is what a device has of it."""

    part: SnapshotShard
    rows: Pages
    stored: DevicePages | None

    @property
    def selected_rows(self) -> Pages | None:
        """None for all pages of the shard, which a kernel goes through without gathering them."""
        return None if len(self.rows) == len(self.part.shard) else self.rows


def code_maxima(table: PageTable, pages: Pages, query: Floats, quantisation_range: float) -> Floats:
    """Each page's best similarity for each query token, from the int8 codes: (pages, t).

    Many, and those of a small collection, are compared where they are mapped; a few of a large one are copied. Raises
    `LibraryDamaged` for codes that are not what was written.
    """
    is_mapped = len(pages) * _FEW >= len(table) or table.vectors * query.shape[1] <= _MAPPED_BYTES

    def compare(piece: Piece) -> Floats:
        shard = piece.part.shard
        if piece.stored is not None:
            return piece.stored.token_maxima(query, quantisation_range, pages=piece.selected_rows)
        if is_mapped:
            shard.check(piece.rows)
            return token_maxima(query, shard.codes, shard.starts, quantisation_range, pages=piece.selected_rows)
        return token_maxima(query, *shard.read_codes(piece.rows), quantisation_range)

    nothing = np.zeros((0, len(query)), np.float32)
    pieces = table.pieces(pages, _PIECE if is_mapped else _COPIED, "codes")
    return np.concatenate([nothing, *parallel_map(compare, pieces)])


def bit_scores(table: PageTable, pages: Pages, query: Floats, weights: Floats, starts: NDArray[np.int64]) -> Floats:
    """The weighted sums of each page's best agreements, one of each query: (pages, queries).

    `query` and `weights` hold the tokens of all queries end to end, `starts` where each begins. Raises
    `LibraryDamaged` for bits that are not what was written.
    """

    def compare(piece: Piece) -> Floats:
        shard = piece.part.shard
        if piece.stored is not None:
            agreement = piece.stored.bit_maxima(query, pages=piece.selected_rows)  # (pages, t)
        else:
            assert shard.bits is not None
            agreement = bit_maxima(query, shard.bits, shard.starts, pages=piece.selected_rows)
        return np.add.reduceat(agreement.astype(np.float32) * weights, starts, axis=1)

    nothing = np.zeros((0, len(starts)), np.float32)
    return np.concatenate([nothing, *parallel_map(compare, table.pieces(pages, _PIECE, "bits"))])
