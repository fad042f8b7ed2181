"""One immutable shard: the codes of some pages, end to end, in one safetensors file (no torch).

    codes int8 (n, dim) | kinds uint8 (n,) | cells int32 (m,) | shapes int32 (pages, 2) | starts int64 (pages + 1,)

Page i owns the rows starts[i] to starts[i + 1] of `codes` and `kinds`; its grid has shapes[i] = (rows, cols) and takes
rows * cols of `cells`. There is no padding: a padded row of zeros would win the max of a page that matches badly.
The file is written here and not by safetensors' own writer, which neither flushes to the disk nor makes a checksum;
the layout is the published one (8 bytes of header length, JSON, bytes), so any safetensors reader opens it.
"""

import hashlib
import json
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from colvision.durable import write_file
from colvision.embedding import PatchGrid
from colvision.errors import LibraryDamaged

Codes = NDArray[np.int8]
_Number = TypeVar("_Number", np.int8, np.uint8, np.int32, np.int64)

FORMAT = "colvision-shard-1"
# A file that is mapped stays open, and systems let a process open about 1,000: a library that grew by a page or two at
# a time has more shards than that. Below this size a copy in memory costs no more than the search that reads it all.
SMALL_BYTES = 1 << 20
_ALIGNMENT = 64  # bytes: `codes` starts on a cache line, whatever the header's length
_HEADER_LIMIT = 1 << 20  # bytes: ours takes about 500; a damaged length must not ask for gigabytes
_READ_BYTES = 1 << 20
_NAMES = {"I8": np.int8, "U8": np.uint8, "I32": np.int32, "I64": np.int64}
_LAYOUT = (("codes", "I8", 2), ("kinds", "U8", 1), ("cells", "I32", 1), ("shapes", "I32", 2), ("starts", "I64", 1))


@dataclass(frozen=True, slots=True, eq=False)
class ShardPage:
    """A page as it is stored: `codes` (n, dim) int8 with n >= 1, its grid, `kind` (n,) uint8 of `Kind`."""

    codes: Codes
    grid: PatchGrid
    kind: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.codes.ndim != 2 or self.codes.dtype != np.int8 or len(self.codes) == 0:
            raise ValueError(f"codes are {self.codes.shape} {self.codes.dtype}; expected (n, dim) int8 with n >= 1")
        if self.kind.shape != (len(self.codes),) or self.kind.dtype != np.uint8:
            raise ValueError(f"kind is {self.kind.shape} {self.kind.dtype}; expected ({len(self.codes)},) uint8")


def write_shard(path: Path, pages: Sequence[ShardPage], *, code_range: float) -> str:
    """Writes pages of one dim as a shard that survives a power cut; returns the sha256 of the file in hex.

    Raises `ValueError` for no pages or pages of several dims.
    """
    dims = {page.codes.shape[1] for page in pages}
    if len(dims) != 1:
        raise ValueError(f"a shard holds at least one page, all of one dim; got {len(pages)} pages of dims {dims}")
    counts = [len(page.codes) for page in pages]
    cells = [np.ascontiguousarray(page.grid.cells) for page in pages]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)  # (pages + 1,)
    shapes = np.array([grid.shape for grid in cells], dtype=np.int32)  # (pages, 2)
    sizes = {
        "codes": (int(starts[-1]), dims.pop()),
        "kinds": (int(starts[-1]),),
        "cells": (sum(grid.size for grid in cells),),
        "shapes": shapes.shape,
        "starts": starts.shape,
    }

    def parts() -> Iterator[bytes | memoryview]:
        yield _header(sizes, code_range)
        for page in pages:
            yield _bytes(page.codes)
        for page in pages:
            yield _bytes(page.kind)
        for grid in cells:
            yield _bytes(grid)
        yield _bytes(shapes)
        yield _bytes(starts)

    return write_file(path, parts())


def _bytes(array: NDArray[_Number]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _header(sizes: dict[str, tuple[int, ...]], code_range: float) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": FORMAT, "code_range": repr(code_range)}}
    end = 0
    for name, kind, _ in _LAYOUT:
        begin, end = end, end + int(np.prod(sizes[name], dtype=np.int64)) * np.dtype(_NAMES[kind]).itemsize
        entries[name] = {"dtype": kind, "shape": list(sizes[name]), "data_offsets": [begin, end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


class Shard:
    """A shard, memory-mapped or, below `SMALL_BYTES`, in memory; safe to share between threads.

    `codes` (n, dim) int8 and `starts` (pages + 1,) int64 are read-only. Raises `FileNotFoundError` when the file has
    gone, `LibraryDamaged` when its header does not fit its bytes; damage inside the arrays shows in `verify`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            size = path.stat().st_size
            if size < 8:
                raise self._damaged(f"{size} bytes")
            if size < SMALL_BYTES:
                self._data = _aligned(file.read())
            else:
                self._data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        try:
            self._read_header()
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(str(error)) from error

    def _read_header(self) -> None:
        length = int.from_bytes(self._data[:8], "little")
        if length > min(_HEADER_LIMIT, len(self._data) - 8):
            raise ValueError(f"a header of {length} bytes in a file of {len(self._data)}")
        header = json.loads(bytes(self._data[8 : 8 + length]))
        metadata = header["__metadata__"]
        if metadata["format"] != FORMAT:
            raise ValueError(f"format {metadata['format']!r}, expected {FORMAT!r}")
        self.code_range = float(metadata["code_range"])
        ends = [header[name]["data_offsets"][1] for name, _, _ in _LAYOUT]
        if 8 + length + max(ends) != len(self._data):
            raise ValueError(f"{len(self._data)} bytes, expected {8 + length + max(ends)}")
        self.codes: Codes = self._view(header["codes"], np.int8, 8 + length)
        self._kinds = self._view(header["kinds"], np.uint8, 8 + length)
        self._cells = self._view(header["cells"], np.int32, 8 + length)
        self._shapes = self._view(header["shapes"], np.int32, 8 + length).copy()
        self.starts = self._view(header["starts"], np.int64, 8 + length).copy()
        self._check()

    def _view(self, entry: dict[str, list[int]], kind: type[_Number], data: int) -> NDArray[_Number]:
        begin, end = entry["data_offsets"]
        count = (end - begin) // np.dtype(kind).itemsize
        array = np.frombuffer(self._data, dtype=kind, count=count, offset=data + begin)
        return array.reshape(entry["shape"])

    def _check(self) -> None:
        self.starts.flags.writeable = False
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

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def dim(self) -> int:
        return int(self.codes.shape[1])

    def page(self, row: int) -> ShardPage:
        """The page at `row` (from 0, its place in this shard); its arrays are views of the shard's."""
        if not 0 <= row < len(self):
            raise ValueError(f"row {row} of shard {self.path.name}, which holds {len(self)} pages")
        vectors = slice(int(self.starts[row]), int(self.starts[row + 1]))
        cells = self._cells[int(self._cell_starts[row]) : int(self._cell_starts[row + 1])]
        rows, cols = (int(side) for side in self._shapes[row])
        return ShardPage(self.codes[vectors], PatchGrid(cells.reshape(rows, cols)), self._kinds[vectors])

    def verify(self, checksum: str) -> None:
        """Reads the whole file; raises `LibraryDamaged` when its sha256 is not `checksum`."""
        found = file_sha256(self.path)
        if found != checksum:
            raise self._damaged(f"sha256 is {found[:12]}, expected {checksum[:12]}")

    def _damaged(self, detail: str) -> LibraryDamaged:
        return LibraryDamaged(
            f"shard {self.path.name} is damaged ({detail}): ingest its documents again, which `colvision verify` names"
        )


def _aligned(data: bytes) -> memoryview:
    """A read-only copy that begins on a cache line, as a mapped file does."""
    room = np.empty(len(data) + _ALIGNMENT, dtype=np.uint8)
    begin = -room.ctypes.data % _ALIGNMENT
    copy = room[begin : begin + len(data)].data
    copy[:] = data
    return copy.toreadonly()


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes in hex, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_READ_BYTES):
            digest.update(part)
    return digest.hexdigest()
