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
from colvision.maxsim.segments import Chosen, Pages, Starts, chosen
from colvision.maxsim.threads import spread

if TYPE_CHECKING:
    import torch

_BLOCK = 12_288  # page vectors in one product: with 20-32 query tokens it and its result stay in a 2 MB L2 cache
_LARGEST_DIM = 1024  # above it a sum of products could pass 2^24 and float32 would round


def similarities(query: Floats, codes: Codes, code_range: float) -> Floats:
    """(t, dim) float32 and (n, dim) int8 -> (t, n) float32 similarities, the numbers that `token_maxima` compares."""
    query_codes, scales = _query_codes(query, code_range)
    blocks = [_products(query_codes, codes[start : start + _BLOCK]) for start in range(0, len(codes), _BLOCK)]
    whole = np.concatenate(blocks, axis=1) if blocks else np.zeros((len(query), 0), np.int32)  # (t, n)
    return whole.astype(np.float32) * scales[:, None]


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
        products = _products(query_codes, block.rows(codes, starts))  # (t, rows)
        maxima: NDArray[np.int32] = np.maximum.reduceat(products, block.ends[:-1], axis=1)
        return maxima.T

    return np.concatenate(spread(best, wanted.blocks(_BLOCK))).astype(np.float32) * scales


def _query_codes(query: Floats, code_range: float) -> tuple[Codes, Floats]:
    """Each token's codes and what one unit of its dot products is worth as a similarity."""
    if query.shape[1] > _LARGEST_DIM:
        raise ValueError(f"vectors of {query.shape[1]} dimensions; int8 MaxSim is exact up to {_LARGEST_DIM}")
    largest = np.maximum(np.abs(query).max(axis=1, keepdims=True), np.float32(1e-12))  # (t, 1)
    query_codes = np.rint(query * (STEPS / largest)).astype(np.int8)
    scales = largest[:, 0] * np.float32(code_range / STEPS**2)
    return query_codes, scales.astype(np.float32)


def _products(query_codes: Codes, rows: Codes) -> NDArray[np.int32]:
    """(t, dim) x (n, dim) -> (t, n) whole numbers."""
    if _int8_matmul_works():
        import torch

        query_codes, rows = np.ascontiguousarray(query_codes), np.ascontiguousarray(rows)
        product: NDArray[np.int32] = torch._int_mm(_tensor(query_codes), _tensor(rows).T).numpy()
        return product
    return (query_codes.astype(np.float32) @ rows.astype(np.float32).T).astype(np.int32)


def _tensor(codes: Codes) -> "torch.Tensor":
    """The same memory as a tensor; the caller keeps `codes` alive. torch warns of read-only memory; we only read."""
    import torch

    memory = (ctypes.c_int8 * codes.size).from_address(codes.ctypes.data)
    return torch.frombuffer(memory, dtype=torch.int8).view(codes.shape)


@cache
def _int8_matmul_works() -> bool:
    """`torch._int_mm` is a private name and was once for CUDA alone: tried once, with shapes as they come here."""
    import torch

    left = (np.arange(3 * 128, dtype=np.int64) % 255 - 127).astype(np.int8).reshape(3, 128)
    right = (np.arange(21 * 128, dtype=np.int64) * 7 % 255 - 127).astype(np.int8).reshape(21, 128)
    try:
        product = torch._int_mm(torch.from_numpy(left), torch.from_numpy(right).T)
    except (AttributeError, RuntimeError):
        return False
    return bool((product.numpy() == left.astype(np.int32) @ right.astype(np.int32).T).all())
