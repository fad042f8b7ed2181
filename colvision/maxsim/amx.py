"""int8 MaxSim on the tiles of AMX (Intel, from Sapphire Rapids on): products and maxima in one pass, nothing kept.

A page of 700 x 128 and 20 query tokens takes 6.0 us where reading its codes alone takes 5.5, and 1.6 us a query where
32 come at once (one core). On a busy one `torch._int_mm` and a pass over its products took 16 and 10, this 7.6 and 3.
Only `compiled` imports this file.
"""

import ctypes
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from llvmlite import binding
from numba import njit
from numpy.typing import NDArray

from colvision.maxsim import tiles
from colvision.maxsim.loops import kept, wide
from colvision.maxsim.tiles import BYTES, ROWS, TILE, TURN

Codes = NDArray[np.int8]
Int32s = NDArray[np.int32]
Places = NDArray[np.int64]
_Loop = Callable[[NDArray[np.uint8], Codes, Places, Places, Codes, Int32s], None]

_GIVEN = ["Array(uint8, 1, 'C', readonly=True)", "Array(int8, 2, 'C', readonly=True)"]
_GIVEN += ["Array(int64, 1, 'C', readonly=True)"] * 2 + ["Array(int8, 4, 'C', readonly=True)", "int32[:, ::1]"]


def works() -> bool:
    """Whether the processor has the tiles and Linux lets this process use them, which it wants to be asked for."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    features = binding.get_host_cpu_features()
    if not (features.get("amx-tile") and features.get("amx-int8")):
        return False
    arch_prctl, ask, tile_data = 158, 0x1023, 18  # Documentation/arch/x86/xstate.rst of the kernel
    return bool(ctypes.CDLL(None).syscall(arch_prctl, ask, tile_data) == 0)


@dataclass(frozen=True, slots=True)
class Tiles:
    """The compiled loop: `maxima` of pages for tokens that `pack` has laid out."""

    loop: _Loop

    @classmethod
    def compiled(cls) -> "Tiles":
        """Takes seconds the first time on a machine. Raises `RuntimeError` when LLVM refuses."""
        return cls(_compiled())

    @staticmethod
    def pack(tokens: Codes) -> Codes:
        """(t, dim) -> (groups of 32, dim / 64, 2, 1024): tiles whose rows hold four dimensions of 16 tokens each.

        Missing tokens of the last group are zeros; their columns are cut off, so they win nothing.
        """
        count, dim = tokens.shape
        groups = -(-count // TURN)
        whole = np.zeros((groups * TURN, dim), np.int8)
        whole[:count] = tokens
        split = whole.reshape(groups, 2, ROWS, dim // BYTES, ROWS, 4)  # group, half, token, depth, row, dimension
        return np.ascontiguousarray(split.transpose(0, 3, 1, 4, 2, 5)).reshape(groups, dim // BYTES, 2, TILE)

    def maxima(self, codes: Codes, firsts: Places, lasts: Places, packed: Codes) -> Int32s:
        """`codes` (n, dim), each page's first row and the row after its last -> (pages, 32 * groups)."""
        found = np.empty((len(firsts), TURN * len(packed)), np.int32)
        self.loop(tiles.shapes(), codes, firsts, lasts, packed, found)
        return found

    def agrees(self) -> bool:
        """Whether it computes what numpy does, for pages shorter and longer than a turn: asked once."""
        ends = np.array([0, 1, 1 + TURN, 40 + TURN, 200])
        codes = (np.arange(200 * 128) * 31 % 255 - 127).astype(np.int8).reshape(200, 128)
        tokens = (np.arange(37 * 128) * 7 % 255 - 127).astype(np.int8).reshape(37, 128)
        expected = np.maximum.reduceat(codes.astype(np.int32) @ tokens.T.astype(np.int32), ends[:-1], axis=0)
        found = self.maxima(codes, ends[:-1], ends[1:], self.pack(tokens))
        return np.array_equal(found[:, : len(tokens)], expected)


def _compiled() -> _Loop:
    """The loop over pages: shapes, codes, firsts, lasts, packed tokens, and maxima, which it fills.

    The last turn of a page begins early enough to be full: what is compared twice changes no maximum. A page of fewer
    rows than a turn repeats its last.
    """

    def loop(
        shapes: NDArray[np.uint8], codes: Codes, firsts: Places, lasts: Places, tokens: Codes, maxima: Int32s
    ) -> None:
        wide()
        dim = codes.shape[1]
        products, short = np.empty((TURN, TURN), np.int32), np.empty((TURN, dim), np.int8)
        tiles.configure(shapes.ctypes.data)
        for page in range(len(firsts)):
            begin, rows = codes.ctypes.data + firsts[page] * dim, lasts[page] - firsts[page]
            if rows < TURN:
                for row in range(TURN):
                    short[row] = codes[firsts[page] + min(row, rows - 1)]
                begin, rows = short.ctypes.data, TURN
            for group in range(tokens.shape[0]):
                best = maxima[page, group * TURN : (group + 1) * TURN]
                best[:] = -(2**31)
                for row in range(0, rows, TURN):
                    _multiply(begin + min(row, rows - TURN) * dim, dim, tokens[group].ctypes.data, group == 0)
                    tiles.store(products.ctypes.data)
                    _raise(best, products)
        tiles.release()

    return kept(loop, [f"void({', '.join(_GIVEN)})"])


def _raise_to(best: Int32s, products: Int32s) -> None:
    """Eight rows of products a turn, tokens as lanes."""
    for row in range(0, TURN, 8):
        for t in range(TURN):
            upper = max(max(products[row, t], products[row + 1, t]), max(products[row + 2, t], products[row + 3, t]))
            lower = max(
                max(products[row + 4, t], products[row + 5, t]), max(products[row + 6, t], products[row + 7, t])
            )
            best[t] = max(best[t], max(upper, lower))


def _multiply_turn(rows: int, dim: int, tokens: int, is_first: bool) -> None:
    """32 rows by 32 tokens, 64 dimensions at a time.

    The first group of tokens fetches the next turn's rows meanwhile: 7.6 us a page instead of 8.5.
    """
    tiles.clear()
    for depth in range(dim // BYTES):
        if is_first:
            tiles.fetch(rows + TURN * dim + depth * TURN * BYTES)
        tiles.add_products(rows + depth * BYTES, dim, tokens + depth * 2 * TILE)


_raise: Callable[[Int32s, Int32s], None] = njit(inline="always")(_raise_to)
_multiply: Callable[[int, int, int, bool], None] = njit(inline="always")(_multiply_turn)
