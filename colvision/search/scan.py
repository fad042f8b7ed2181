"""The two ways of comparing a query with pages: their int8 codes, and the signs of those.

Pages are rows of a `PageTable`: the live pages of a snapshot in one order. Pieces of them run side by side.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats
from colvision.core.query import ScoredQuery
from colvision.core.text import holds
from colvision.maxsim import bit_maxima, token_maxima
from colvision.maxsim.selection import Pages
from colvision.parallel import parallel_map
from colvision.store import Snapshot, SnapshotShard
from colvision.store.shards import ShardPage

_PIECE = 512  # pages that a thread compares before it takes the next: a few milliseconds
_COPIED = 128  # pages whose codes a thread copies and then compares: 11 MB at 90 KB a page
_NAMED_WORDS = 4_096  # of which a snapshot remembers the documents
_FEW = 2  # fewer than one in so many pages are copied


@dataclass(frozen=True, eq=False)
class PageTable:
    """The live pages of a snapshot, shard by shard: `rows` are those in each shard, `starts` (shards + 1,) the first
    of each shard here; `document` (key) and `page` (number from 1) are columns (pages,).
    """

    snapshot: Snapshot
    rows: tuple[Pages, ...]
    starts: NDArray[np.int64]
    document: NDArray[np.int64]
    page: NDArray[np.int32]

    @classmethod
    def of(cls, snapshot: Snapshot) -> "PageTable":
        """Made once of a snapshot."""
        if "pages" not in snapshot.derived:
            snapshot.derived["pages"] = cls._of(snapshot)
        table: PageTable = snapshot.derived["pages"]
        return table

    @classmethod
    def _of(cls, snapshot: Snapshot) -> "PageTable":
        rows = tuple(np.flatnonzero(part.live) for part in snapshot.shards)
        starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        pairs = list(zip(snapshot.shards, rows, strict=True))
        document = [part.document[chosen] for part, chosen in pairs]
        page = [part.page[chosen] for part, chosen in pairs]
        no_documents, no_pages = np.zeros(0, np.int64), np.zeros(0, np.int32)
        return cls(snapshot, rows, starts, np.concatenate([no_documents, *document]), np.concatenate([no_pages, *page]))

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

    def named_documents(self, query: ScoredQuery) -> Mapping[frozenset[str], list[int]]:
        """The keys of the documents whose names hold words of a query, by these words."""
        words: dict[int, list[str]] = defaultdict(list)
        for word in () if query.embedding.is_example else query.embedding.words:
            for key in self._names.holding(word):
                words[key].append(word)
        by_words: dict[frozenset[str], list[int]] = defaultdict(list)
        for key, held in words.items():
            by_words[frozenset(held)].append(key)
        return by_words

    @cached_property
    def _names(self) -> "_DocumentNames":
        return _DocumentNames([(key, row.name_form) for key, row in self.snapshot.documents.items()])

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

    def pieces(self, pages: Pages, most: int) -> Iterator["Piece"]:
        """`pages` by the shard that holds them, in order, no piece of more than `most`."""
        bounds = np.searchsorted(pages, self.starts)
        for part, rows, start, first, last in zip(
            self.snapshot.shards, self.rows, self.starts[:-1], bounds[:-1], bounds[1:], strict=True
        ):
            for begin in range(first, last, most):
                yield Piece(part, rows[pages[begin : min(begin + most, last)] - start])


class _DocumentNames:
    """Documents' names, in `page_form`, and which of them hold a word: looked for once."""

    def __init__(self, forms: Sequence[tuple[int, str]]) -> None:
        self._forms = forms
        self._all = "  ".join(["", *(form for _, form in forms), ""])
        self._holding: dict[str, list[int]] = {}

    def holding(self, word: str) -> list[int]:
        found = self._holding.get(word)
        if found is None:
            is_anywhere = holds(self._all, word)  # a pass over one text is quick
            found = [key for key, form in self._forms if holds(form, word)] if is_anywhere else []
            if len(self._holding) < _NAMED_WORDS:
                self._holding[word] = found
        return found


class Piece(NamedTuple):
    """Pages of one shard, as its sorted rows."""

    part: SnapshotShard
    rows: Pages

    @property
    def selected_rows(self) -> Pages | None:
        """None for all pages of the shard, which a kernel goes through without gathering them."""
        return None if len(self.rows) == len(self.part.shard) else self.rows


def code_maxima(table: PageTable, pages: Pages, query: Floats, quantisation_range: float) -> Floats:
    """Each page's best similarity for each query token, from the int8 codes: (pages, t).

    Many are compared where they are mapped, a few are copied. Raises `LibraryDamaged` for codes that are not what was
    written.
    """
    is_scan = len(pages) * _FEW >= len(table)

    def compare(piece: Piece) -> Floats:
        shard = piece.part.shard
        if is_scan:
            shard.check(piece.rows)
            return token_maxima(query, shard.codes, shard.starts, quantisation_range, pages=piece.selected_rows)
        return token_maxima(query, *shard.read_codes(piece.rows), quantisation_range)

    nothing = np.zeros((0, len(query)), np.float32)
    pieces = table.pieces(pages, _PIECE if is_scan else _COPIED)
    return np.concatenate([nothing, *parallel_map(compare, pieces)])


def bit_scores(table: PageTable, pages: Pages, query: Floats, weights: Floats, starts: NDArray[np.int64]) -> Floats:
    """The weighted sums of each page's best agreements, one of each query: (pages, queries).

    `query` and `weights` hold the tokens of all queries end to end, `starts` where each begins. Raises
    `LibraryDamaged` for bits that are not what was written.
    """

    def compare(piece: Piece) -> Floats:
        shard = piece.part.shard
        assert shard.bits is not None
        agreement = bit_maxima(query, shard.bits, shard.starts, pages=piece.selected_rows)  # (pages, t)
        return np.add.reduceat(agreement.astype(np.float32) * weights, starts, axis=1)

    nothing = np.zeros((0, len(starts)), np.float32)
    return np.concatenate([nothing, *parallel_map(compare, table.pieces(pages, _PIECE))])
