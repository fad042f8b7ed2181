"""Differing bits of two words, counted in as wide registers as a processor has: all give the same numbers."""

import numpy as np
from numpy.typing import NDArray

from colvision.maxsim.loops import Lanes, Places
from colvision.parallel import once

Words = NDArray[np.uint64]


def _counting(lanes: int) -> str:
    """LLVM counts by a table look-up where a processor has no instruction for it."""
    sums = f"<{lanes} x i64>"
    return f"""
declare {sums} @llvm.ctpop.v{lanes}i64({sums})
define internal {sums} @add({sums} %sums, {sums} %row, {sums} %tokens) alwaysinline {{
  %differing = xor {sums} %row, %tokens
  %counts = call {sums} @llvm.ctpop.v{lanes}i64({sums} %differing)
  %more = add {sums} %sums, %counts
  ret {sums} %more
}}
"""


BIT_LANES = (  # the first that is there: each is faster than those below it
    Lanes("avx512-vpopcntdq", ("avx512vpopcntdq", "avx512f"), 8, 64, 4, 4, _counting(8), "umin"),
    Lanes("avx2", ("avx2",), 4, 64, 1, 8, _counting(4), "umin"),
    Lanes("any", (), 2, 64, 1, 4, _counting(2), "umin"),
)


@once
def bit_lanes() -> Lanes:
    """Those that this processor counts with."""
    return next(lanes for lanes in BIT_LANES if lanes.is_available)


def least_distances(query: Words, bits: Words, firsts: Places, lasts: Places) -> NDArray[np.int32]:
    """(t, words), contiguous (n, words), each page's first row and the row after its last -> (pages, t): the fewest
    differing bits.
    """
    return bit_lanes().sums("best", query, bits, firsts, lasts).astype(np.int32)
