"""MaxSim over int8 codes, exact in whole numbers.

Page and query are int8 with one scale each (a page's is the collection's `quantisation_range`, a query token has its
own), so a dot product is a whole number of at most dim * 127^2 < 2^24 for dim <= 1024: every way of computing it, int8
or float32, alone or in a batch, gives the same number.
"""

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats
from colvision.maxsim.instructions import Float32Products, int8_products
from colvision.maxsim.quantisation import STEPS, Codes
from colvision.maxsim.selection import Pages, PageSelection, Starts, select_pages
from colvision.parallel import parallel_map

_BLOCK = 131_072  # page vectors that a thread takes at once: 17 MB at 128 dimensions
# Page vectors that numpy has multiplied before a compiled loop is called, also for one token alone: a page to explain.
_SHORT, _SHORT_FOR_ONE = 256, 2_048
_LARGEST_DIM = 1024  # above it a sum of products could pass 2^24 and float32 would round


def similarities(query: Floats, codes: Codes, quantisation_range: float) -> Floats:
    """(t, dim) float32 and (n, dim) int8 -> (t, n) float32 similarities, the numbers that `token_maxima` compares."""
    tokens, scales = query_codes(query, quantisation_range)
    is_short = len(codes) <= (_SHORT if len(query) > 1 else _SHORT_FOR_ONE)
    way = Float32Products() if is_short else int8_products(query.shape[1])
    products = way.products(tokens, codes)
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
    tokens, scales = query_codes(query, quantisation_range)
    products, codes = int8_products(query.shape[1]), np.ascontiguousarray(codes)

    def best(block: PageSelection) -> NDArray[np.int32]:
        return products.maxima(tokens, codes, starts[block.pages], starts[block.pages + 1])

    return np.concatenate(parallel_map(best, selection.blocks(_BLOCK))).astype(np.float32) * scales


def rounded_query(query: Floats) -> Floats:
    """(t, dim) float32 -> the same as `token_maxima` compares it: each token in 127 steps of its largest component."""
    largest = np.maximum(np.abs(query).max(axis=1, keepdims=True), np.float32(1e-12))  # (t, 1)
    rounded: Floats = np.rint(query * (STEPS / largest)) * (largest / np.float32(STEPS))
    return rounded


def query_codes(query: Floats, quantisation_range: float) -> tuple[Codes, Floats]:
    """Each token's codes and what one unit of its dot products is worth as a similarity."""
    if query.shape[1] > _LARGEST_DIM:
        raise ValueError(f"vectors of {query.shape[1]} dimensions; int8 MaxSim is exact up to {_LARGEST_DIM}")
    largest = np.maximum(np.abs(query).max(axis=1, keepdims=True), np.float32(1e-12))  # (t, 1)
    tokens = np.rint(query * (STEPS / largest)).astype(np.int8)
    scales = largest[:, 0] * np.float32(quantisation_range / STEPS**2)
    return tokens, scales.astype(np.float32)
