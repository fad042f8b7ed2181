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
    arrays_in_order,
    buffer,
    grid_sum,
    header_of,
    list_sums,
    sha256_of,
    tables_sum,
    word_sum,
)
from colvision.store.shards.page import PageRef, ShardLists, ShardPage


def write_shard(
    path: Path,
    pages: Sequence[ShardPage],
    owners: Sequence[PageRef],
    *,
    quantisation_range: float,
    lists: ShardLists | None = None,
) -> str:
    """Writes pages of one dim as a shard that survives a power cut; returns the sha256 of the file in hex.

    Raises `ValueError` for no pages, and for pages of several dims.
    """
    dims = {page.codes.shape[1] for page in pages}
    if len(dims) != 1 or len(pages) != len(owners):
        raise ValueError(f"a shard holds at least one page, all of one dim; got {len(pages)} pages of dims {dims}")
    return atomic_write(path, _parts(pages, owners, quantisation_range, lists))


def _parts(
    pages: Sequence[ShardPage], owners: Sequence[PageRef], quantisation_range: float, lists: ShardLists | None
) -> Iterator[Buffer]:
    tables = _tables(pages, owners)
    metadata = {"code_range": repr(quantisation_range)}
    if lists is not None:
        of_lists = _list_tables(lists)
        metadata |= {"centroids": str(lists.centroids), "lists_sum": str(tables_sum(of_lists))}
        tables |= of_lists
    shapes = _shapes(pages, tables)
    if "bits" in shapes:
        metadata["bits_sum"] = str(sum(word_sum(sign_bits(page.codes)) for page in pages) % 2**64)
    header = header_of(shapes, metadata)
    yield header
    for name in arrays_in_order(shapes):
        if name == "codes":
            yield from (buffer(page.codes) for page in pages)
        elif name == "bits":
            yield from (buffer(sign_bits(page.codes)) for page in pages)
        elif name == "cells":
            yield from (buffer(page.grid.cells) for page in pages)
        elif name == "kinds":
            yield from (buffer(page.kind) for page in pages)
        elif name == "seal":
            yield sha256_of([header, *(buffer(tables[table]) for table in TABLES)])
        else:
            yield buffer(tables[name])


def _list_tables(lists: ShardLists) -> dict[str, NDArray[np.generic]]:
    found = lists.entries
    sums = list_sums(found.residuals, found.pages, found.starts[:-1])
    return {
        "residuals": found.residuals,
        "list_sums": sums,
        "lists": found.lists,
        "list_starts": found.starts,
        "list_pages": found.pages,
    }


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
    if dim % BITS_A_WORD == 0 and "lists" not in tables:
        shapes["bits"] = (n, dim // BITS_A_WORD)
    return shapes
