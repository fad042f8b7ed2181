"""The layout of a shard's file, and the sums that tell damaged bytes from intact ones.

It is a safetensors file (8 bytes of header length, JSON, bytes: any safetensors reader opens it) with checksums of
its own: the array `seal` is the sha256 of the header and the small tables, and each page has sums of its bytes. The
sums are checked before a page is believed: five times as fast as a crc, they find what disks do (flipped bits, torn
and zeroed sectors); the sha256 of the whole file, which the catalogue holds, finds everything.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Buffer = bytes | memoryview

SHARD_FORMAT = 2
FORMAT = "colvision-shard-2"
FORMAT_1 = "colvision-shard-1"  # without bits, owners and sums
ALIGNMENT = 64  # bytes: `codes` starts on a cache line, whatever the header's length
HEADER_LIMIT = 1 << 20  # bytes: ours takes about 800; a damaged length must not ask for gigabytes
CHECKSUM_BYTES = 32  # of the array `seal`
BITS_A_WORD = 64  # of `bits`: without them where the dim is no multiple
CODES_SUM, GRID_SUM = range(2)  # columns of `sums`
_WORD = 8  # bytes
_NAMES: Mapping[str, type[np.generic]] = {
    "I8": np.int8,
    "U8": np.uint8,
    "U16": np.uint16,
    "F16": np.float16,
    "I32": np.int32,
    "I64": np.int64,
    "U64": np.uint64,
}
# In the order of the file; what is counted in words of 8 bytes stands before what is not, so that words are aligned.
_TYPES = {
    "codes": "I8",
    "bits": "U64",
    "master": "F16",  # float16 vectors in older files: no longer written, never read
    "starts": "I64",
    "owners": "I64",
    "sums": "U64",
    "residuals": "I8",
    "list_sums": "U64",
    "lists": "I32",
    "list_starts": "I32",
    "shapes": "I32",
    "cells": "I32",
    "list_pages": "U16",
    "kinds": "U8",
    "seal": "U8",
}
TABLES = ("starts", "owners", "sums", "shapes")  # small: what `seal` covers beside the header
LIST_TABLES = ("list_sums", "lists", "list_starts")  # whose sum the header holds


class ArrayLocation(NamedTuple):
    """Where an array lies in the file: its type and shape, its first byte and the one after its last."""

    type: type[np.generic]
    shape: tuple[int, ...]
    begin: int
    end: int


def word_sum(array: NDArray[np.generic]) -> int:
    """The sum of an array's bytes, taken as whole words where they fill words, modulo 2^64."""
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    words = data.view(np.uint64) if data.size % _WORD == 0 else data
    return int(words.sum(dtype=np.uint64))


def grid_sum(kind: NDArray[np.uint8], cells: NDArray[np.int32]) -> int:
    """The sum of what a page has beside its codes."""
    return (word_sum(kind) + word_sum(cells)) % 2**64


def list_sums(
    residuals: NDArray[np.int8], pages: NDArray[np.uint16], starts: NDArray[np.integer]
) -> NDArray[np.uint64]:
    """(m,) the sums of the entries of lists that lie end to end, none empty: `starts` (m,) is where each begins."""
    entries = residuals.view(np.uint64).sum(axis=1, dtype=np.uint64) + pages  # (n,)
    sums: NDArray[np.uint64] = np.add.reduceat(entries, starts)
    return sums


def buffer(array: NDArray[np.generic]) -> memoryview:
    """The array's bytes, in rows before columns."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def sha256_of(parts: Iterable[Buffer]) -> bytes:
    """The sha256 of several parts of a file, end to end."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def tables_sum(tables: Mapping[str, NDArray[np.generic]]) -> int:
    """The sum of what tells where lists lie."""
    return sum(word_sum(tables[name]) for name in LIST_TABLES) % 2**64


def arrays_in_order(names: Iterable[str]) -> list[str]:
    """As they lie in the file."""
    there = set(names)
    return [name for name in _TYPES if name in there]


def header_of(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> bytes:
    """The bytes in front of the arrays; those without a shape are left out."""
    entries: dict[str, object] = {"__metadata__": {"format": FORMAT, **metadata}}
    end = 0
    for name, kind in _TYPES.items():
        if name in shapes:
            count = int(np.prod(shapes[name], dtype=np.int64))
            begin, end = end, end + count * np.dtype(_NAMES[kind]).itemsize
            entries[name] = {"dtype": kind, "shape": list(shapes[name]), "data_offsets": [begin, end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def read_header(data: memoryview) -> tuple[dict[str, str], dict[str, ArrayLocation]]:
    """The metadata, and where each array lies.

    Raises `ValueError`, `KeyError` or `TypeError` where the header does not fit the bytes.
    """
    length = int.from_bytes(data[:8], "little")
    if length > min(HEADER_LIMIT, len(data) - 8):
        raise ValueError(f"a header of {length} bytes in a file of {len(data)}")
    entries = json.loads(bytes(data[8 : 8 + length]))
    metadata = dict(entries.pop("__metadata__"))
    if metadata["format"] not in (FORMAT, FORMAT_1):
        raise ValueError(f"format {metadata['format']!r}, expected {FORMAT!r}: a newer colvision may read it")
    locations = {name: _location(name, entry, 8 + length) for name, entry in entries.items()}
    expected = 8 + length + sum(each.end - each.begin for each in locations.values())
    if expected != len(data):
        raise ValueError(f"{len(data)} bytes, expected {expected}")
    return metadata, locations


def _location(name: str, entry: Mapping[str, list[int]], data: int) -> ArrayLocation:
    begin, end = (int(offset) for offset in entry["data_offsets"])
    shape = tuple(int(side) for side in entry["shape"])
    kind = _NAMES[_TYPES[name]]
    if begin < 0 or min(shape) < 0 or end - begin != int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize:
        raise ValueError(f"{name} of shape {shape} does not fit bytes {begin} to {end}")
    return ArrayLocation(kind, shape, data + begin, data + end)
