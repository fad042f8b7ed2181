"""MaxSim over int8 codes (Khattab and Zaharia 2020, section 3.3): the arithmetic, and nothing else.

score = sum over query tokens of max over the page's vectors of their dot product. Vectors of all pages lie end to
end; `starts` says where each page begins, so nothing is padded and no zero can win a maximum.

Page and query are int8 with one scale each (a page's is the collection's `code_range`, a query token has its own), so
a dot product is a whole number below 128 * 127^2 < 2^24 for dim <= 1024: every way of computing it, int8 or float32,
alone or in a batch, gives the same number.
"""

import ctypes
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Codes = NDArray[np.int8]
Starts = NDArray[np.int64]
Floats = NDArray[np.float32]

_STEPS = 127  # int8 codes on each side of zero; -128 is not used, so that the range is symmetric
_BLOCK = 12_288  # page vectors in one product: with 20-32 query tokens it and its result stay in a 2 MB L2 cache
_LARGEST_DIM = 1024  # above it a sum of products could pass 2^24 and float32 would round


def quantise(vectors: Floats, code_range: float) -> Codes:
    """(n, dim) float32 -> (n, dim) int8; a component beyond +-`code_range` is clipped to it."""
    scaled = vectors * np.float32(_STEPS / code_range)
    codes: Codes = np.clip(np.rint(scaled), -_STEPS, _STEPS).astype(np.int8)
    return codes


def dequantise(codes: Codes, code_range: float) -> Floats:
    """(n, dim) int8 -> (n, dim) float32; not of unit length any more, by up to a code's rounding."""
    return codes.astype(np.float32) * np.float32(code_range / _STEPS)


def clipped_share(vectors: Floats, code_range: float) -> float:
    """The share of components that `quantise` would clip."""
    return float(np.mean(np.abs(vectors) > code_range)) if vectors.size else 0.0


def similarities(query: Floats, codes: Codes, code_range: float) -> Floats:
    """(t, dim) float32 and (n, dim) int8 -> (t, n) float32 similarities, the numbers that `token_maxima` compares."""
    query_codes, scales = _query_codes(query, code_range)
    blocks = [_products(query_codes, codes[start:end]) for start, end in _blocks(len(codes))]
    whole = np.concatenate(blocks, axis=1) if blocks else np.zeros((len(query), 0), np.int32)  # (t, n)
    return whole.astype(np.float32) * scales[:, None]


def token_maxima(query: Floats, codes: Codes, starts: Starts, code_range: float) -> Floats:
    """Each page's best similarity for each query token: (pages, t) float32.

    `query` (t, dim) float32, `codes` (n, dim) int8, `starts` (pages + 1,) with starts[0] = 0, starts[-1] = n, and every
    page at least one vector long: on an empty segment `reduceat` would hand out its neighbour's value.
    """
    lengths = np.diff(starts)
    if len(starts) and (lengths < 1).any():
        raise ValueError(f"page {int(np.argmin(lengths))} of the shard has no vector; every page keeps at least one")
    if len(lengths) == 0 or len(query) == 0:
        return np.zeros((max(len(starts) - 1, 0), len(query)), dtype=np.float32)
    query_codes, scales = _query_codes(query, code_range)

    def best(pages: tuple[int, int]) -> NDArray[np.int32]:
        first, last = pages
        rows = codes[starts[first] : starts[last]]
        products = _products(query_codes, rows)  # (t, rows)
        maxima: NDArray[np.int32] = np.maximum.reduceat(products, starts[first:last] - starts[first], axis=1)
        return maxima

    blocks = list(_page_blocks(starts))
    parts = map(best, blocks) if len(blocks) < 4 else _pool().map(best, blocks)
    return (np.concatenate(list(parts), axis=1).astype(np.float32) * scales[:, None]).T


def _query_codes(query: Floats, code_range: float) -> tuple[Codes, Floats]:
    """Each token's codes and what one unit of its dot products is worth as a similarity."""
    if query.shape[1] > _LARGEST_DIM:
        raise ValueError(f"vectors of {query.shape[1]} dimensions; int8 MaxSim is exact up to {_LARGEST_DIM}")
    largest = np.maximum(np.abs(query).max(axis=1, keepdims=True), np.float32(1e-12))  # (t, 1)
    query_codes = np.rint(query * (_STEPS / largest)).astype(np.int8)
    scales = largest[:, 0] * np.float32(code_range / _STEPS**2)
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


def _blocks(rows: int) -> Iterator[tuple[int, int]]:
    for start in range(0, rows, _BLOCK):
        yield start, min(start + _BLOCK, rows)


def _page_blocks(starts: Starts) -> Iterator[tuple[int, int]]:
    """Runs of whole pages, (first, last + 1), of about `_BLOCK` vectors."""
    first, pages = 0, len(starts) - 1
    while first < pages:
        last = int(np.searchsorted(starts, starts[first] + _BLOCK, side="right")) - 1
        last = min(max(last, first + 1), pages)
        yield first, last
        first = last


@cache
def _pool() -> ThreadPoolExecutor:
    """One thread a core: the product and `reduceat` let go of the interpreter lock."""
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="maxsim")
