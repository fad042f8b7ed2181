"""Products of int8 codes, four at a time, in the instructions of each kind of processor: all give the same numbers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colvision.maxsim.loops import Kept, Lanes, Places
from colvision.maxsim.quantisation import Codes

Int32s = NDArray[np.int32]

CODES = 4  # of a unit: a multiple of it must be the dimension
_SHIFT = 128  # what is added to a code where an instruction wants it unsigned

# |row| is unsigned, and the token has the row's sign: two products are at most 2 * 128 * 127 < 2^15, so what
# vpmaddubsw adds never saturates.
_AVX2 = """
declare <16 x i16> @llvm.x86.avx2.pmadd.ub.sw(<32 x i8>, <32 x i8>)
declare <8 x i32> @llvm.x86.avx2.pmadd.wd(<16 x i16>, <16 x i16>)
declare <32 x i8> @llvm.x86.avx2.psign.b(<32 x i8>, <32 x i8>)
declare <32 x i8> @llvm.abs.v32i8(<32 x i8>, i1)
define internal <8 x i32> @add(<8 x i32> %sums, <8 x i32> %row, <8 x i32> %tokens) alwaysinline {
  %codes = bitcast <8 x i32> %row to <32 x i8>
  %token_codes = bitcast <8 x i32> %tokens to <32 x i8>
  %sizes = call <32 x i8> @llvm.abs.v32i8(<32 x i8> %codes, i1 false)
  %signed = call <32 x i8> @llvm.x86.avx2.psign.b(<32 x i8> %token_codes, <32 x i8> %codes)
  %twos = call <16 x i16> @llvm.x86.avx2.pmadd.ub.sw(<32 x i8> %sizes, <32 x i8> %signed)
  %fours = call <8 x i32> @llvm.x86.avx2.pmadd.wd(<16 x i16> %twos, <16 x i16> splat (i16 1))
  %more = add <8 x i32> %sums, %fours
  ret <8 x i32> %more
}
"""
_NEON = """
declare <4 x i32> @llvm.aarch64.neon.sdot.v4i32.v16i8(<4 x i32>, <16 x i8>, <16 x i8>)
define internal <4 x i32> @add(<4 x i32> %sums, <4 x i32> %row, <4 x i32> %tokens) alwaysinline {
  %codes = bitcast <4 x i32> %row to <16 x i8>
  %token_codes = bitcast <4 x i32> %tokens to <16 x i8>
  %more = call <4 x i32> @llvm.aarch64.neon.sdot.v4i32.v16i8(
    <4 x i32> %sums, <16 x i8> %codes, <16 x i8> %token_codes)
  ret <4 x i32> %more
}
"""


def _vnni(lanes: int) -> str:
    sums, codes, bits = f"<{lanes} x i32>", f"<{4 * lanes} x i8>", 32 * lanes
    # Rows become unsigned, `_SHIFT` larger.
    return f"""
declare {sums} @llvm.x86.avx512.vpdpbusd.{bits}({sums}, {codes}, {codes})
define internal {sums} @add({sums} %sums, {sums} %row, {sums} %tokens) alwaysinline {{
  %codes = bitcast {sums} %row to {codes}
  %token_codes = bitcast {sums} %tokens to {codes}
  %shifted = xor {codes} %codes, splat (i8 -128)
  %more = call {sums} @llvm.x86.avx512.vpdpbusd.{bits}({sums} %sums, {codes} %shifted, {codes} %token_codes)
  ret {sums} %more
}}
"""


@dataclass(frozen=True, slots=True)
class Int8Lanes:
    """Exact products of codes whose dimension is a multiple of `CODES`. `is_shifted`: rows count `_SHIFT` more."""

    lanes: Lanes
    is_shifted: bool = False

    def maxima(self, tokens: Codes, codes: Codes, firsts: Places, lasts: Places) -> Int32s:
        """(t, dim), (n, dim), each page's first row and the row after its last -> (pages, t)."""
        return self._sums("best", tokens, codes, firsts, lasts)

    def products(self, tokens: Codes, codes: Codes) -> Int32s:
        """(t, dim), (n, dim) -> (n, t): all of them."""
        return self._sums("all", tokens, codes, np.array([0]), np.array([len(codes)]))

    def agrees(self) -> bool:
        """Whether they are what numpy computes, for pages shorter and longer than a block, and the largest codes."""
        ends = np.array([0, 1, 10, 27, 60])
        codes = (np.arange(60 * 64) * 31 % 255 - 127).astype(np.int8).reshape(60, 64)
        tokens = (np.arange(37 * 64) * 7 % 255 - 127).astype(np.int8).reshape(37, 64)
        codes[11], tokens[5] = -127, 127
        products = codes.astype(np.int32) @ tokens.T.astype(np.int32)
        maxima = np.maximum.reduceat(products, ends[:-1], axis=0)
        return np.array_equal(self.products(tokens, codes), products) and np.array_equal(
            self.maxima(tokens, codes, ends[:-1], ends[1:]), maxima
        )

    def _sums(self, kept: Kept, tokens: Codes, codes: Codes, firsts: Places, lasts: Places) -> Int32s:
        units = np.ascontiguousarray(tokens).view(np.int32)
        found = self.lanes.sums(kept, units, np.ascontiguousarray(codes).view(np.int32), firsts, lasts)
        shift = _SHIFT * tokens.sum(axis=1, dtype=np.int32) if self.is_shifted else np.int32(0)
        return (found - shift).astype(np.int32, copy=False)


INT8_LANES = (
    Int8Lanes(Lanes("avx512-vnni", ("avx512vnni", "avx512f"), 16, 32, 4, 2, _vnni(16)), is_shifted=True),
    Int8Lanes(Lanes("avx512-vnni-256", ("avx512vnni", "avx512vl"), 8, 32, 4, 3, _vnni(8)), is_shifted=True),
    Int8Lanes(Lanes("avx-vnni", ("avxvnni", "avx2"), 8, 32, 3, 3, _vnni(8)), is_shifted=True),
    Int8Lanes(Lanes("avx2", ("avx2",), 8, 32, 2, 5, _AVX2)),
    Int8Lanes(Lanes("neon-dot", ("neon", "dotprod"), 4, 32, 4, 4, _NEON)),
)
