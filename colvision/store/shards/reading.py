"""Reading a shard: memory-mapped, and no part of it believed before its checksum was checked."""

import errno
import hashlib
import mmap
import os
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import PatchGrid
from colvision.errors import LibraryDamaged, LibraryError
from colvision.maxsim import sign_bits
from colvision.maxsim.binary import Bits
from colvision.maxsim.inverted_lists import InvertedLists, ListIds
from colvision.maxsim.quantisation import Codes
from colvision.store.shards.layout import (
    ALIGNMENT,
    BITS_A_WORD,
    CODES_SUM,
    FORMAT_1,
    GRID_SUM,
    TABLES,
    buffer,
    grid_sum,
    list_sums,
    read_header,
    sha256_of,
    tables_sum,
    word_sum,
)
from colvision.store.shards.page import ShardLists, ShardPage

_Number = TypeVar("_Number", bound=np.generic)
_threads = threading.local()

# A file that is mapped stays open, and systems let a process open about 1,000: a library that grew by a page or two at
# a time has more shards than that. Below this size a copy in memory costs no more than the search that reads it all.
SMALL_BYTES = 1 << 20
_READ_BYTES = 1 << 20


class Shard:
    """A shard, memory-mapped or, below `SMALL_BYTES`, in memory; safe to share between threads.

    `codes` (n, dim) int8, `starts` (pages + 1,) int64 and `owners` (pages, 2) int64 (see `PageRef`; None in a file of
    format 1) are read-only. Raises `FileNotFoundError` when the file was deleted, `LibraryDamaged` when its header or
    tables are not what was written or the disk cannot read it, `LibraryError` when it cannot be opened. Codes are to be
    believed once `check` has passed; `bits` and `page` check what they return.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None
        self._lock = threading.Lock()
        try:
            self._open()
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno == errno.EIO:
                raise self._damaged(f"it cannot be read: {error.strerror}") from error
            raise LibraryError(f"{path} cannot be opened: {error.strerror}") from error
        try:
            self._read()
            self._check_tables()
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(str(error)) from error

    def _open(self) -> None:
        with self.path.open("rb") as file:
            size = self.path.stat().st_size
            if size < 8:
                raise self._damaged(f"{size} bytes")
            if size < SMALL_BYTES:
                self._data = _aligned(file.read())
                return
            self._data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            if hasattr(os, "preadv"):
                self._handle = os.dup(file.fileno())
                weakref.finalize(self, os.close, self._handle)

    def _read(self) -> None:
        metadata, self._locations = read_header(self._data)
        self.has_checksums = metadata["format"] != FORMAT_1
        if self.has_checksums:
            self._check_tables_checksum()
        self.quantisation_range = float(metadata["code_range"])
        self._bits_sum = int(metadata.get("bits_sum", "0"))
        self.codes: Codes = self._view("codes", np.int8)
        self._kinds = self._view("kinds", np.uint8)
        self._cells = self._view("cells", np.int32)
        self._shapes = self._table("shapes", np.int32)
        self.starts = self._table("starts", np.int64)
        self.owners = self._table("owners", np.int64) if self.has_checksums else None
        self._sums = self._table("sums", np.uint64) if self.has_checksums else None
        self._bits: Bits | None = None
        self.centroids = int(metadata.get("centroids", "0"))
        self._lists_sum = int(metadata.get("lists_sum", "0"))
        self._lists: InvertedLists | None = None

    def _check_tables_checksum(self) -> None:
        small = [self._data[self._locations[name].begin : self._locations[name].end] for name in TABLES]
        header = self._data[: min(each.begin for each in self._locations.values())]
        if sha256_of([header, *small]) != bytes(self._view("seal", np.uint8)):
            raise ValueError("its tables do not match their sha256")

    def _view(self, name: str, kind: type[_Number]) -> NDArray[_Number]:
        location = self._locations[name]
        if location.type is not kind:
            raise TypeError(f"{name} is {location.type.__name__}, expected {kind.__name__}")
        array = np.frombuffer(self._data[location.begin : location.end], dtype=kind)
        return array.reshape(location.shape)

    def _table(self, name: str, kind: type[_Number]) -> NDArray[_Number]:
        copy = self._view(name, kind).copy()
        copy.flags.writeable = False
        return copy

    def _check_tables(self) -> None:
        areas = self._shapes.astype(np.int64).prod(axis=1)  # (pages,)
        self._cell_starts = np.concatenate([[0], np.cumsum(areas)])  # (pages + 1,)
        counts = np.diff(self.starts)
        # An empty page would be given its neighbour's vector by np.maximum.reduceat.
        if self.starts[0] != 0 or self.starts[-1] != len(self.codes) or (counts < 1).any():
            raise ValueError(f"starts do not divide {len(self.codes)} vectors into pages")
        if len(self._shapes) != len(counts) or self._cell_starts[-1] != len(self._cells):
            raise ValueError(f"{len(self._shapes)} grids do not fit {len(counts)} pages and {len(self._cells)} cells")
        if len(self._kinds) != len(self.codes):
            raise ValueError(f"{len(self._kinds)} kinds for {len(self.codes)} vectors")
        self._is_checked = np.full(len(counts), not self.has_checksums)
        self._is_grid_checked = self._is_checked.copy()

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def is_current(self) -> bool:
        """Whether it holds the arrays that a shard of today holds, no fewer and no more."""
        return self.has_checksums and "master" not in self._locations

    @property
    def dim(self) -> int:
        return int(self.codes.shape[1])

    @property
    def bits(self) -> Bits | None:
        """The signs of the codes, (n, dim / 64) uint64; None where dim is no multiple of 64.

        Checked at the first access, raising `LibraryDamaged`; made from the codes where the file does not hold them.
        """
        if self._bits is None and self.dim % BITS_A_WORD == 0:
            with self._lock:
                if self._bits is None:
                    self._bits = self._read_bits()
        return self._bits

    def _read_bits(self) -> Bits:
        if "bits" not in self._locations:
            return sign_bits(self.codes)
        bits = self._view("bits", np.uint64)
        if word_sum(bits) != self._bits_sum:
            raise self._damaged("the bits of its codes do not match their sum")
        return bits

    def read_lists(self, wanted: ListIds) -> tuple[NDArray[np.int64], NDArray[np.uint16], Codes]:
        """The entries of some inverted lists (sorted numbers), end to end: the place of each one's list in `wanted`,
        its page (row) and its residual: (n,), (n,), (n, r), copied and checked. Raises `LibraryDamaged`.
        """
        lists = self._mapped_lists()
        found = np.searchsorted(lists.lists, wanted)
        is_there = lists.lists[np.minimum(found, len(lists.lists) - 1)] == wanted
        found, place = found[is_there], np.flatnonzero(is_there)
        firsts = lists.starts[found].astype(np.int64)
        counts = lists.starts[found + 1] - firsts
        begins = np.cumsum(counts) - counts
        at = np.repeat(firsts - begins, counts) + np.arange(int(counts.sum()))
        pages, residuals = lists.pages[at], lists.residuals.view(f"V{lists.residuals.shape[1]}")[at, 0]
        residuals = residuals.view(np.int8).reshape(len(at), -1)
        unchecked = ~self._is_list_checked[found]
        if unchecked.any():
            sums = list_sums(residuals, pages, begins)
            if not np.array_equal(sums, self._list_sums[found]):
                raise self._damaged("its inverted lists do not match their sums")
            self._is_list_checked[found] = True
        return np.repeat(place, counts), pages, residuals

    def list_sizes(self) -> tuple[ListIds, NDArray[np.int32]]:
        """The numbers of its inverted lists that are not empty, and how many entries each has."""
        lists = self._mapped_lists()
        return lists.lists, np.diff(lists.starts)

    def lists(self) -> ShardLists | None:
        """All its inverted lists, as views, checked; None for a shard without. Raises `LibraryDamaged`."""
        if not self.centroids:
            return None
        lists = self._mapped_lists()
        if not np.array_equal(list_sums(lists.residuals, lists.pages, lists.starts[:-1]), self._list_sums):
            raise self._damaged("its inverted lists do not match their sums")
        return ShardLists(self.centroids, lists)

    def _mapped_lists(self) -> InvertedLists:
        if self._lists is None:
            with self._lock:
                if self._lists is None:
                    self._lists = self._open_lists()
        return self._lists

    def _open_lists(self) -> InvertedLists:
        tables: dict[str, NDArray[np.generic]] = {
            "list_sums": self._view("list_sums", np.uint64),
            "lists": self._view("lists", np.int32),
            "list_starts": self._view("list_starts", np.int32),
        }
        if tables_sum(tables) != self._lists_sum:
            raise self._damaged("the tables of its inverted lists do not match their sum")
        self._list_sums = self._view("list_sums", np.uint64)
        self._is_list_checked = np.zeros(len(self._list_sums), np.bool_)
        return InvertedLists(
            self._view("lists", np.int32),
            self._view("list_starts", np.int32),
            self._view("list_pages", np.uint16),
            self._view("residuals", np.int8),
        )

    def check(self, rows: Sequence[int] | NDArray[np.int64] | None = None) -> None:
        """Reads the codes of pages (by row; of all with None), those that were not read before.

        Raises `LibraryDamaged` when they are not what was written. A file of format 1 has no sums: only `verify`
        finds its damage.
        """
        chosen = np.arange(len(self)) if rows is None else np.asarray(rows, dtype=np.int64)
        for row in chosen[~self._is_checked[chosen]].tolist():
            self._check_page(row, self.codes[self._rows(row)])

    def read_codes(self, rows: NDArray[np.int64]) -> tuple[Codes, NDArray[np.int64]]:
        """The codes of a few pages (sorted rows) end to end, and where each begins: checked, and copied.

        The copy is good until this thread's next call. It goes past the map: what is read through that stays
        part of this process's memory, 2 MB for a page of 90 KB where the system keeps files in large pieces, and a page
        that is met for the first time costs more than its copy. Raises `LibraryDamaged`.
        """
        counts = self.starts[rows + 1] - self.starts[rows]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        codes = _scratch(int(starts[-1]) * self.dim).reshape(-1, self.dim)
        for row, begin, end in zip(rows.tolist(), starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            self._copy(row, codes[begin:end])
            if not self._is_checked[row]:
                self._check_page(row, codes[begin:end])
        return codes, starts

    def _copy(self, row: int, into: Codes) -> None:
        if self._handle is None:
            into[:] = self.codes[self._rows(row)]
            return
        offset = self._locations["codes"].begin + int(self.starts[row]) * self.dim
        try:
            count = os.preadv(self._handle, [buffer(into)], offset)
        except OSError as error:
            raise self._damaged(f"the codes of its page {row + 1} cannot be read: {error.strerror}") from error
        if count != into.nbytes:
            raise self._damaged(f"it ends within the codes of its page {row + 1}")

    def _check_page(self, row: int, codes: Codes) -> None:
        if self._sum_of(row, CODES_SUM) != word_sum(codes):
            raise self._damaged(f"the codes of its page {row + 1} do not match their sum")
        self._is_checked[row] = True

    def codes_sum(self, row: int) -> int:
        """What tells the codes of a page from others: their stored sum, which a file of format 1 does not have."""
        return self._sum_of(row, CODES_SUM) if self.has_checksums else word_sum(self.codes[self._rows(row)])

    def _sum_of(self, row: int, column: int) -> int:
        assert self._sums is not None
        return int(self._sums[row, column])

    def _rows(self, row: int) -> slice:
        return slice(int(self.starts[row]), int(self.starts[row + 1]))

    def holds(self, row: int, document: int, number: int) -> bool:
        """Whether that page lies in that row; a file of format 1 does not name the owners of its pages."""
        if not isinstance(row, int) or not 0 <= row < len(self):  # of a damaged catalogue
            return False
        return self.owners is None or tuple(self.owners[row].tolist()) == (document, number)

    def page(self, row: int) -> ShardPage:
        """The page at `row` (from 0, its place in this shard); its arrays are views of the shard's.

        Raises `LibraryDamaged` when its bytes are not what was written.
        """
        if not 0 <= row < len(self):
            raise ValueError(f"row {row} of shard {self.path.name}, which holds {len(self)} pages")
        if not self._is_checked[row]:
            self.check([row])
        cells = self._cells[int(self._cell_starts[row]) : int(self._cell_starts[row + 1])]
        vectors = self._rows(row)
        kind = self._kinds[vectors]
        if not self._is_grid_checked[row]:
            self._check_grid(row, kind, cells)
        rows, cols = self._shapes[row].tolist()
        return ShardPage(self.codes[vectors], PatchGrid(cells.reshape(rows, cols)), kind)

    def _check_grid(self, row: int, kind: NDArray[np.uint8], cells: NDArray[np.int32]) -> None:
        if self._sum_of(row, GRID_SUM) != grid_sum(kind, cells):
            raise self._damaged(f"the grid of its page {row + 1} does not match its sum")
        self._is_grid_checked[row] = True

    def verify(self, checksum: str) -> None:
        """Reads the whole file; raises `LibraryDamaged` when its sha256 is not `checksum`."""
        found = file_sha256(self.path)
        if found != checksum:
            raise self._damaged(f"sha256 is {found[:12]}, expected {checksum[:12]}")

    def _damaged(self, detail: str) -> LibraryDamaged:
        return LibraryDamaged(
            f"shard {self.path.name} is damaged ({detail}): run `colvision verify --repair`, or ingest its documents "
            "again, which `colvision verify` names",
            path=self.path,
        )


def _scratch(size: int) -> Codes:
    """This thread's buffer, used again by each call: new memory costs as much as what is copied into it."""
    scratch: Codes | None = getattr(_threads, "scratch", None)
    if scratch is None or len(scratch) < size:
        scratch = _threads.scratch = np.empty(size, dtype=np.int8)
    return scratch[:size]


def _aligned(data: bytes) -> memoryview:
    """A read-only copy that begins on a cache line, as a mapped file does."""
    padded = np.empty(len(data) + ALIGNMENT, dtype=np.uint8)
    begin = -padded.ctypes.data % ALIGNMENT
    copy = padded[begin : begin + len(data)].data
    copy[:] = data
    return copy.toreadonly()


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes in hex, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_READ_BYTES):
            digest.update(part)
    return digest.hexdigest()
