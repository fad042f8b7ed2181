"""int8 MaxSim on the tiles of AMX (Intel, from Sapphire Rapids on): products and maxima in one pass, nothing kept.

It takes about as long as reading the codes does (docs/benchmarks.md). The first half of the file is the instructions,
for loops that numba compiles: LLVM's intrinsics under names that say what they do. Tiles 0 to 3 are sums, (rows 0-15,
rows 16-31) by (tokens 0-15, tokens 16-31); 4 and 5 are rows, 6 and 7 tokens. Addresses are whole numbers,
`array.ctypes.data`. See Intel's Architecture Instruction Set Extensions Programming Reference, chapter 3.
"""

import ctypes
import logging
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from llvmlite import binding, ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from colvision.maxsim.int8_lanes import INT8_LANES, Int32s
from colvision.maxsim.kernels import jit_cached, prefer_512_bit
from colvision.maxsim.loops import Places
from colvision.maxsim.quantisation import Codes
from colvision.parallel import once

if TYPE_CHECKING:
    from numba.core.base import BaseContext

ROWS, BYTES = 16, 64  # of a tile
TILE = ROWS * BYTES
BLOCK_ROWS = 2 * ROWS  # page vectors, and query tokens, of one block of sums

_Loop = Callable[[NDArray[np.uint8], Codes, Places, Places, Codes, Int32s], None]

_ARGUMENTS = ["Array(uint8, 1, 'C', readonly=True)", "Array(int8, 2, 'C', readonly=True)"]
_ARGUMENTS += ["Array(int64, 1, 'C', readonly=True)"] * 2 + ["Array(int8, 4, 'C', readonly=True)", "int32[:, ::1]"]

_Emitted = tuple[object, Callable[..., ir.Value]]
_BYTE, _WORD, _INT = ir.IntType(8), ir.IntType(64), ir.IntType(32)
_ADDRESS = _BYTE.as_pointer()

_log = logging.getLogger("colvision.maxsim")


def tile_config() -> NDArray[np.uint8]:
    """What `ldtilecfg` reads: palette 1, eight tiles of 16 rows of 64 bytes."""
    config = np.zeros(64, np.uint8)
    config[0] = 1
    config[16:32].view(np.uint16)[:] = BYTES
    config[48:56] = ROWS
    return config


def _emit(builder: ir.IRBuilder, name: str, *given: ir.Value) -> None:
    kinds = [each.type for each in given]
    known = builder.module.globals.get(name)
    builder.call(known or ir.Function(builder.module, ir.FunctionType(ir.VoidType(), kinds), name), given)


def _at(builder: ir.IRBuilder, address: ir.Value, offset: int = 0) -> ir.Value:
    return builder.inttoptr(builder.add(address, _WORD(offset)), _ADDRESS)


def _emit_configure(_: object, config: object) -> _Emitted:
    def generate(context: "BaseContext", builder: ir.IRBuilder, _: object, given: list[ir.Value]) -> ir.Value:
        _emit(builder, "llvm.x86.ldtilecfg", _at(builder, given[0]))
        return context.get_dummy_value()

    return types.none(types.int64), generate


def _emit_release(_: object) -> _Emitted:
    def generate(context: "BaseContext", builder: ir.IRBuilder, *_: object) -> ir.Value:
        _emit(builder, "llvm.x86.tilerelease")
        return context.get_dummy_value()

    return types.none(), generate


def _emit_clear(_: object) -> _Emitted:
    def generate(context: "BaseContext", builder: ir.IRBuilder, *_: object) -> ir.Value:
        for tile in range(4):
            _emit(builder, "llvm.x86.tilezero", _BYTE(tile))
        return context.get_dummy_value()

    return types.none(), generate


def _emit_add_products(_: object, rows: object, stride: object, tokens: object) -> _Emitted:
    def generate(context: "BaseContext", builder: ir.IRBuilder, _: object, given: list[ir.Value]) -> ir.Value:
        rows, stride, tokens = given
        second_rows = builder.add(rows, builder.mul(stride, _WORD(ROWS)))
        load = "llvm.x86.tileloadd64"
        _emit(builder, load, _BYTE(6), _at(builder, tokens), _WORD(BYTES))
        _emit(builder, load, _BYTE(4), _at(builder, rows), stride)
        _emit(builder, load, _BYTE(7), _at(builder, tokens, TILE), _WORD(BYTES))
        _emit(builder, load, _BYTE(5), _at(builder, second_rows), stride)
        for tile, (row, token) in enumerate(((4, 6), (4, 7), (5, 6), (5, 7))):
            _emit(builder, "llvm.x86.tdpbssd", _BYTE(tile), _BYTE(row), _BYTE(token))
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), generate


def _emit_store(_: object, products: object) -> _Emitted:
    """The sums as (32, 32) int32."""

    def generate(context: "BaseContext", builder: ir.IRBuilder, _: object, given: list[ir.Value]) -> ir.Value:
        width = BLOCK_ROWS * 4
        for tile, offset in enumerate((0, BYTES, ROWS * width, ROWS * width + BYTES)):
            _emit(builder, "llvm.x86.tilestored64", _BYTE(tile), _at(builder, given[0], offset), _WORD(width))
        return context.get_dummy_value()

    return types.none(types.int64), generate


def _emit_fetch(_: object, address: object) -> _Emitted:
    """2 KB towards the cache; beyond the end of the codes it does nothing."""

    def generate(context: "BaseContext", builder: ir.IRBuilder, _: object, given: list[ir.Value]) -> ir.Value:
        for offset in range(0, BLOCK_ROWS * BYTES, BYTES):
            _emit(builder, "llvm.prefetch.p0", _at(builder, given[0], offset), _INT(0), _INT(3), _INT(1))
        return context.get_dummy_value()

    return types.none(types.int64), generate


configure: Callable[[int], None] = intrinsic(_emit_configure)
release: Callable[[], None] = intrinsic(_emit_release)
clear: Callable[[], None] = intrinsic(_emit_clear)
add_products: Callable[[int, int, int], None] = intrinsic(_emit_add_products)
store: Callable[[int], None] = intrinsic(_emit_store)
fetch: Callable[[int], None] = intrinsic(_emit_fetch)


def _is_available() -> bool:
    """Whether the processor has the tiles and Linux lets this process use them, which a process has to request."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    features = binding.get_host_cpu_features()
    if not (features.get("amx-tile") and features.get("amx-int8")):
        return False
    arch_prctl, request_permission, tile_data = 158, 0x1023, 18  # Documentation/arch/x86/xstate.rst of the kernel
    return bool(ctypes.CDLL(None).syscall(arch_prctl, request_permission, tile_data) == 0)


@once
def tiles() -> "Tiles | None":
    """None where the processor has no AMX, or LLVM does not know its instructions by these names."""
    if not _is_available():
        return None
    try:
        compiled = Tiles.compiled()
    except RuntimeError as error:
        _log.warning("AMX cannot be used (%s): int8 search gives the same answers, half as fast", error)
        return None
    return compiled if compiled.agrees() else None


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
        groups = -(-count // BLOCK_ROWS)
        padded = np.zeros((groups * BLOCK_ROWS, dim), np.int8)
        padded[:count] = tokens
        split = padded.reshape(groups, 2, ROWS, dim // BYTES, ROWS, 4)  # group, half, token, depth, row, dimension
        return np.ascontiguousarray(split.transpose(0, 3, 1, 4, 2, 5)).reshape(groups, dim // BYTES, 2, TILE)

    def maxima(self, tokens: Codes, codes: Codes, firsts: Places, lasts: Places) -> Int32s:
        """(t, dim), (n, dim), each page's first row and the row after its last -> (pages, t)."""
        packed = self.pack(tokens)
        maxima = np.empty((len(firsts), BLOCK_ROWS * len(packed)), np.int32)
        self.loop(tile_config(), codes, firsts, lasts, packed, maxima)
        return maxima[:, : len(tokens)]

    def products(self, tokens: Codes, codes: Codes) -> Int32s:
        """(t, dim), (n, dim) -> (n, t): by the widest registers, which AMX's processors all have."""
        return INT8_LANES[0].products(tokens, codes)

    def agrees(self) -> bool:
        """Whether it computes what numpy does, for pages shorter and longer than a block: checked once."""
        ends = np.array([0, 1, 1 + BLOCK_ROWS, 40 + BLOCK_ROWS, 200])
        codes = (np.arange(200 * 128) * 31 % 255 - 127).astype(np.int8).reshape(200, 128)
        tokens = (np.arange(37 * 128) * 7 % 255 - 127).astype(np.int8).reshape(37, 128)
        expected = np.maximum.reduceat(codes.astype(np.int32) @ tokens.T.astype(np.int32), ends[:-1], axis=0)
        return np.array_equal(self.maxima(tokens, codes, ends[:-1], ends[1:]), expected)


def _compiled() -> _Loop:
    """The loop over pages: tile configuration, codes, firsts, lasts, packed tokens, and maxima, which it fills.

    The last block of a page begins early enough to be full: what is compared twice changes no maximum. A page of fewer
    rows than a block repeats its last.
    """

    def loop(
        config: NDArray[np.uint8], codes: Codes, firsts: Places, lasts: Places, tokens: Codes, maxima: Int32s
    ) -> None:
        prefer_512_bit()
        dim = codes.shape[1]
        products, short = np.empty((BLOCK_ROWS, BLOCK_ROWS), np.int32), np.empty((BLOCK_ROWS, dim), np.int8)
        configure(config.ctypes.data)
        for page in range(len(firsts)):
            begin, rows = codes.ctypes.data + firsts[page] * dim, lasts[page] - firsts[page]
            if rows < BLOCK_ROWS:
                for row in range(BLOCK_ROWS):
                    short[row] = codes[firsts[page] + min(row, rows - 1)]
                begin, rows = short.ctypes.data, BLOCK_ROWS
            for group in range(tokens.shape[0]):
                best = maxima[page, group * BLOCK_ROWS : (group + 1) * BLOCK_ROWS]
                best[:] = -(2**31)
                for row in range(0, rows, BLOCK_ROWS):
                    _multiply(begin + min(row, rows - BLOCK_ROWS) * dim, dim, tokens[group].ctypes.data, group == 0)
                    store(products.ctypes.data)
                    _update(best, products)
        release()

    return jit_cached(loop, [f"void({', '.join(_ARGUMENTS)})"])


def _update_maxima(best: Int32s, products: Int32s) -> None:
    """Eight rows of products at a time, tokens as lanes."""
    for row in range(0, BLOCK_ROWS, 8):
        for t in range(BLOCK_ROWS):
            upper = max(max(products[row, t], products[row + 1, t]), max(products[row + 2, t], products[row + 3, t]))
            lower = max(
                max(products[row + 4, t], products[row + 5, t]), max(products[row + 6, t], products[row + 7, t])
            )
            best[t] = max(best[t], max(upper, lower))


def _multiply_block(rows: int, dim: int, tokens: int, is_first: bool) -> None:
    """32 rows by 32 tokens, 64 dimensions at a time; the first group of tokens fetches the next block's rows meanwhile.

    Without that a page takes an eighth longer.
    """
    clear()
    for depth in range(dim // BYTES):
        if is_first:
            fetch(rows + BLOCK_ROWS * dim + depth * BLOCK_ROWS * BYTES)
        add_products(rows + depth * BYTES, dim, tokens + depth * 2 * TILE)


_update: Callable[[Int32s, Int32s], None] = njit(inline="always")(_update_maxima)
_multiply: Callable[[int, int, int, bool], None] = njit(inline="always")(_multiply_block)
