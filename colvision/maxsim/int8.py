"""MaxSim over int8 codes, exact in whole numbers.

Page and query are int8 with one scale each (a page's is the collection's `code_range`, a query token has its own), so
a dot product is a whole number of at most dim * 127^2 < 2^24 for dim <= 1024: every way of computing it, int8 or
float32, alone or in a batch, gives the same number.
"""

import ctypes
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from colvision.maxsim.codes import STEPS, Codes, Floats
from colvision.maxsim.compiled import segment_maxima
from colvision.maxsim.segments import Chosen, Pages, Starts, chosen
from colvision.maxsim.threads import multiply_alone, spread

if TYPE_CHECKING:
    import torch

_PRODUCT = 81_920  # whole numbers in one product: 4,096 page vectors x 20 tokens; with the codes well inside 2 MB of L2
_LARGEST_DIM = 1024  # above it a sum of products could pass 2^24 and float32 would round


def similarities(query: Floats, codes: Codes, code_range: float) -> Floats:
    """(t, dim) float32 and (n, dim) int8 -> (t, n) float32 similarities, the numbers that `token_maxima` compares."""
    query_codes, scales = _query_codes(query, code_range)
    return _products(codes, query_codes).T.astype(np.float32) * scales[:, None]


def token_maxima(
    query: Floats, codes: Codes, starts: Starts, code_range: float, *, pages: Pages | None = None
) -> Floats:
    """Each page's best similarity for each query token: (pages, t) float32.

    `query` (t, dim) float32, `codes` (n, dim) int8, `starts` (pages + 1,) with starts[0] = 0, starts[-1] = n, and every
    page at least one vector long. `pages`: sorted rows of the pages to score, in that order; None for all.
    """
    wanted = chosen(len(codes), starts, pages)
    if len(wanted.pages) == 0 or len(query) == 0:
        return np.zeros((len(wanted.pages), len(query)), dtype=np.float32)
    query_codes, scales = _query_codes(query, code_range)

    def best(block: Chosen) -> NDArray[np.int32]:
        multiply_alone()
        return _segment_maxima(_products(block.rows(codes, starts), query_codes), block.ends)

    blocks = wanted.blocks(max(_PRODUCT // len(query), 1))
    return np.concatenate(spread(best, blocks)).astype(np.float32) * scales


def _segment_maxima(products: NDArray[np.int32], ends: Starts) -> NDArray[np.int32]:
    """(n, t) -> (pages, t)."""
    loop = segment_maxima()
    if loop is None:
        return np.maximum.reduceat(products, ends[:-1], axis=0)
    maxima = np.empty((len(ends) - 1, products.shape[1]), np.int32)
    loop(products, ends, maxima)
    return maxima


def _query_codes(query: Floats, code_range: float) -> tuple[Codes, Floats]:
    """Each token's codes and what one unit of its dot products is worth as a similarity."""
    if query.shape[1] > _LARGEST_DIM:
        raise ValueError(f"vectors of {query.shape[1]} dimensions; int8 MaxSim is exact up to {_LARGEST_DIM}")
    largest = np.maximum(np.abs(query).max(axis=1, keepdims=True), np.float32(1e-12))  # (t, 1)
    query_codes = np.rint(query * (STEPS / largest)).astype(np.int8)
    scales = largest[:, 0] * np.float32(code_range / STEPS**2)
    return query_codes, scales.astype(np.float32)


def _products(rows: Codes, query_codes: Codes) -> NDArray[np.int32]:
    """(n, dim) x (t, dim) -> (n, t) whole numbers.

    Rows first: oneDNN packs its right side, which is the small one then (13 us a page instead of 20, 20 tokens).
    """
    if _int8_matmul_works():
        import torch

        rows, query_codes = np.ascontiguousarray(rows), np.ascontiguousarray(query_codes)
        product: NDArray[np.int32] = torch._int_mm(_tensor(rows), _tensor(query_codes).T).numpy()
        return product
    return (rows.astype(np.float32) @ query_codes.astype(np.float32).T).astype(np.int32)


def _tensor(codes: Codes) -> "torch.Tensor":
    """The same memory as a tensor; the caller keeps `codes` alive. torch warns of read-only memory; we only read."""
    import torch

    memory = (ctypes.c_int8 * codes.size).from_address(codes.ctypes.data)
    return torch.frombuffer(memory, dtype=torch.int8).view(codes.shape)


@cache
def _int8_matmul_works() -> bool:
    """`torch._int_mm` is a private name and was once for CUDA alone: tried once, with shapes as they come here."""
    import torch

    left = (np.arange(21 * 128, dtype=np.int64) * 7 % 255 - 127).astype(np.int8).reshape(21, 128)
    right = (np.arange(3 * 128, dtype=np.int64) % 255 - 127).astype(np.int8).reshape(3, 128)
    try:
        product = torch._int_mm(torch.from_numpy(left), torch.from_numpy(right).T)
    except (AttributeError, RuntimeError):
        return False
    return bool((product.numpy() == left.astype(np.int32) @ right.astype(np.int32).T).all())
