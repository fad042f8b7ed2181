"""Writing a shard.

It is written here and not by safetensors' own writer, which neither flushes to the disk nor makes a checksum.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colvision.atomic_io import atomic_write
from colvision.maxsim import sign_bits
from colvision.store.shards.layout import (
    BITS_A_WORD,
    CHECKSUM_BYTES,
    TABLES,
    Buffer,
    buffer,
    grid_sum,
    header_of,
    sha256_of,
    word_sum,
)
from colvision.store.shards.page import PageRef, ShardPage


def write_shard(path: Path, pages: Sequence[ShardPage], owners: Sequence[PageRef], *, quantisation_range: float) -> str:
    """Writes pages of one dim as a shard that survives a power cut; returns the sha256 of the file in hex.

    Raises `ValueError` for no pages, and for pages of several dims.
    """
    dims = {page.codes.shape[1] for page in pages}
    if len(dims) != 1 or len(pages) != len(owners):
        raise ValueError(f"a shard holds at least one page, all of one dim; got {len(pages)} pages of dims {dims}")
    return atomic_write(path, _parts(pages, owners, quantisation_range))


def _parts(pages: Sequence[ShardPage], owners: Sequence[PageRef], quantisation_range: float) -> Iterator[Buffer]:
    tables = _tables(pages, owners)
    shapes = _shapes(pages, tables)
    bits_sum = sum(word_sum(sign_bits(page.codes)) for page in pages) % 2**64 if "bits" in shapes else 0
    header = header_of(shapes, {"code_range": repr(quantisation_range), "bits_sum": str(bits_sum)})
    yield header
    for page in pages:
        yield buffer(page.codes)
    if "bits" in shapes:
        for page in pages:
            yield buffer(sign_bits(page.codes))
    small = [buffer(tables[name]) for name in TABLES]
    yield from small
    for page in pages:
        yield buffer(page.grid.cells)
    for page in pages:
        yield buffer(page.kind)
    yield sha256_of([header, *small])


def _tables(pages: Sequence[ShardPage], owners: Sequence[PageRef]) -> dict[str, NDArray[np.generic]]:
    return {
        "starts": np.concatenate([[0], np.cumsum([len(page.codes) for page in pages])]).astype(np.int64),
        "owners": np.array(owners, dtype=np.int64),
        "sums": np.array([_sums(page) for page in pages], dtype=np.uint64),
        "shapes": np.array([page.grid.cells.shape for page in pages], dtype=np.int32),
    }


def _sums(page: ShardPage) -> tuple[int, int]:
    """In the order of `CODES_SUM`, `GRID_SUM`."""
    return word_sum(page.codes), grid_sum(page.kind, page.grid.cells)


def _shapes(pages: Sequence[ShardPage], tables: dict[str, NDArray[np.generic]]) -> dict[str, tuple[int, ...]]:
    n, dim = sum(len(page.codes) for page in pages), pages[0].codes.shape[1]
    shapes: dict[str, tuple[int, ...]] = {name: table.shape for name, table in tables.items()}
    shapes |= {"codes": (n, dim), "kinds": (n,), "seal": (CHECKSUM_BYTES,)}
    shapes["cells"] = (sum(page.grid.cells.size for page in pages),)
    if dim % BITS_A_WORD == 0:
        shapes["bits"] = (n, dim // BITS_A_WORD)
    return shapes
