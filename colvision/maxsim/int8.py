"""MaxSim over int8 codes, exact in whole numbers.

Page and query are int8 with one scale each (a page's is the collection's `quantisation_range`, a query token has its
own), so a dot product is a whole number of at most dim * 127^2 < 2^24 for dim <= 1024: every way of computing it, int8
or float32, alone or in a batch, gives the same number.
"""

import ctypes
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats
from colvision.maxsim.quantisation import STEPS, Codes
from colvision.maxsim.selection import Pages, PageSelection, Starts, select_pages
from colvision.parallel import parallel_map, single_threaded_torch

if TYPE_CHECKING:
    import torch

    from colvision.maxsim.amx import Tiles

_PRODUCT = 81_920  # whole numbers in one product: 4,096 page vectors x 20 tokens; with the codes well inside 2 MB of L2
_FLOATS = 1_024  # page vectors that are float32 at once: 512 KB at 128 dimensions
_TILED, _TILED_BLOCK = 64, 131_072  # dimensions in a tile; page vectors that a thread takes at once: 17 MB at 128
_LARGEST_DIM = 1024  # above it a sum of products could pass 2^24 and float32 would round


def similarities(query: Floats, codes: Codes, quantisation_range: float) -> Floats:
    """(t, dim) float32 and (n, dim) int8 -> (t, n) float32 similarities, the numbers that `token_maxima` compares."""
    tokens, scales = _query_codes(query, quantisation_range)

    def multiply(rows: Codes) -> NDArray[np.int32]:
        single_threaded_torch()
        return _products(rows, tokens)

    products = parallel_map(multiply, [codes])[0]  # never with OpenMP's threads: milliseconds a page on a busy machine
    return products.T.astype(np.float32) * scales[:, None]


def token_maxima(
    query: Floats, codes: Codes, starts: Starts, quantisation_range: float, *, pages: Pages | None = None
) -> Floats:
    """Each page's best similarity for each query token: (pages, t) float32.

    `query` (t, dim) float32, `codes` (n, dim) int8, `starts` (pages + 1,) with starts[0] = 0, starts[-1] = n, and every
    page at least one vector long. `pages`: sorted rows of the pages to score, in that order; None for all.
    """
    selection = select_pages(len(codes), starts, pages)
    if len(selection.pages) == 0 or len(query) == 0:
        return np.zeros((len(selection.pages), len(query)), dtype=np.float32)
    tokens, scales = _query_codes(query, quantisation_range)
    from colvision.maxsim import amx

    tiles = amx.tiles() if query.shape[1] % _TILED == 0 else None
    if tiles is None:
        maxima = _by_products(tokens, codes, starts, selection)
    else:
        maxima = _by_tiles(tiles, tokens, np.ascontiguousarray(codes), starts, selection)
    return maxima.astype(np.float32) * scales


def _by_tiles(
    tiles: "Tiles", tokens: Codes, codes: Codes, starts: Starts, selection: PageSelection
) -> NDArray[np.int32]:
    packed = tiles.pack(tokens)

    def best(block: PageSelection) -> NDArray[np.int32]:
        return tiles.maxima(codes, starts[block.pages], starts[block.pages + 1], packed)[:, : len(tokens)]

    return np.concatenate(parallel_map(best, selection.blocks(_TILED_BLOCK)))


def _by_products(tokens: Codes, codes: Codes, starts: Starts, selection: PageSelection) -> NDArray[np.int32]:
    from colvision.maxsim.kernels import segment_maxima

    def best(block: PageSelection) -> NDArray[np.int32]:
        single_threaded_torch()
        return segment_maxima(_products(block.rows(codes, starts), tokens), block.ends)

    return np.concatenate(parallel_map(best, selection.blocks(max(_PRODUCT // len(tokens), 1))))


def _query_codes(query: Floats, quantisation_range: float) -> tuple[Codes, Floats]:
    """Each token's codes and what one unit of its dot products is worth as a similarity."""
    if query.shape[1] > _LARGEST_DIM:
        raise ValueError(f"vectors of {query.shape[1]} dimensions; int8 MaxSim is exact up to {_LARGEST_DIM}")
    largest = np.maximum(np.abs(query).max(axis=1, keepdims=True), np.float32(1e-12))  # (t, 1)
    tokens = np.rint(query * (STEPS / largest)).astype(np.int8)
    scales = largest[:, 0] * np.float32(quantisation_range / STEPS**2)
    return tokens, scales.astype(np.float32)


def _products(rows: Codes, tokens: Codes) -> NDArray[np.int32]:
    """(n, dim) x (t, dim) -> (n, t) whole numbers.

    Rows first: oneDNN packs its right side, which is the small one then.
    """
    if rows.size and has_int8_matmul():
        import torch

        product: NDArray[np.int32] = torch._int_mm(_tensor(rows), _tensor(tokens).T).numpy()
        return product
    whole = np.empty((len(rows), len(tokens)), np.int32)
    right = np.ascontiguousarray(tokens.T, np.float32)
    for begin in range(0, len(rows), _FLOATS):
        block = slice(begin, begin + _FLOATS)
        whole[block] = rows[block].astype(np.float32) @ right
    return whole


def _tensor(codes: Codes) -> "torch.Tensor":
    """The same memory (a copy of a strided array); the caller keeps what it gave alive.

    `torch.from_numpy` warns of read-only memory, which a mapped shard is; we only read.
    """
    import torch

    if not codes.flags.c_contiguous:
        return torch.from_numpy(np.ascontiguousarray(codes))
    memory = (ctypes.c_uint8 * codes.nbytes).from_address(codes.ctypes.data)
    return torch.frombuffer(memory, dtype=torch.int8).view(codes.shape)


@cache
def has_int8_matmul() -> bool:
    """Whether torch multiplies int8 matrices of any shape on this processor, exactly.

    `torch._int_mm` is a private name and was once for CUDA alone, where it refuses small shapes: tried once, with a
    page of vectors and with a single row.
    """
    import torch

    for rows, columns, dim in ((21, 3, 128), (1, 2, 3)):
        left = (np.arange(rows * dim, dtype=np.int64) * 7 % 255 - 127).astype(np.int8).reshape(rows, dim)
        right = (np.arange(columns * dim, dtype=np.int64) % 255 - 127).astype(np.int8).reshape(columns, dim)
        try:
            product = torch._int_mm(torch.from_numpy(left), torch.from_numpy(right).T)
        except (AttributeError, RuntimeError):
            return False
        if not np.array_equal(product.numpy(), left.astype(np.int32) @ right.astype(np.int32).T):
            return False
    return True
