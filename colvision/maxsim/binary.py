"""1-bit MaxSim: the signs of the components, compared by how many agree. The first stage of a large search.

agreement = dim - 2 * (bits that differ) = the dot product of the two sign vectors, a whole number in -dim..dim.
"""

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats
from colvision.core.encoder import EncoderInfo
from colvision.maxsim.bit_lanes import least_distances
from colvision.maxsim.quantisation import Codes
from colvision.maxsim.selection import Pages, PageSelection, Starts, select_pages
from colvision.parallel import parallel_map

Bits = NDArray[np.uint64]

FIRST_STAGE_PAGES = 1000  # below it a scan takes no longer than both stages, a few milliseconds
_WORD = 64  # dimensions in a word of bits
_BLOCK = 262_144  # page vectors that a thread compares at once: 4 MB at 128 dimensions


def sign_bits(vectors: Floats | Codes) -> Bits:
    """(n, dim) -> (n, dim // 64): bit i of word w is set where component 64 * w + i is above zero.

    Vectors and their int8 codes give the same bits unless a component rounds to 0. Raises `ValueError` for a dim that
    is no multiple of 64.
    """
    if vectors.ndim != 2 or vectors.shape[1] == 0 or vectors.shape[1] % _WORD:
        raise ValueError(f"sign bits need vectors (n, dim) with dim a multiple of {_WORD}; got {vectors.shape}")
    packed = np.packbits(vectors > 0, axis=1, bitorder="little")  # (n, dim / 8)
    return packed.view("<u8").astype(np.uint64, copy=False)


def bit_maxima(query: Floats, bits: Bits, starts: Starts, *, pages: Pages | None = None) -> NDArray[np.int32]:
    """Each page's best agreement for each query token: (pages, t) int32.

    `query` (t, dim) float32, `bits` (n, dim // 64), `starts` (pages + 1,). Raises `ValueError` for arrays that do not
    fit each other and for a page without a vector.
    """
    selection = select_pages(len(bits), starts, pages)
    query_bits = sign_bits(query)
    if query_bits.shape[1] != bits.shape[1]:
        raise ValueError(f"the query has {query_bits.shape[1]} words of bits a token, the pages {bits.shape[1]}")

    if len(selection.pages) == 0 or len(query) == 0:
        return np.zeros((len(selection.pages), len(query)), np.int32)
    query_bits, bits = np.ascontiguousarray(query_bits), np.ascontiguousarray(bits)

    def compare(block: PageSelection) -> NDArray[np.int32]:
        return least_distances(query_bits, bits, starts[block.pages], starts[block.pages + 1])

    distance = np.concatenate(parallel_map(compare, selection.blocks(_BLOCK)))
    return np.int32(query.shape[1]) - 2 * distance


def has_first_stage(info: EncoderInfo, pages: int) -> bool:
    """Whether a search of so many pages by this encoder compares sign bits first."""
    return pages >= FIRST_STAGE_PAGES and not info.calibration.is_probability and info.dim % 64 == 0
