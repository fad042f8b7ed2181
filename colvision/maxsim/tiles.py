"""The instructions of AMX, for loops that numba compiles: LLVM's intrinsics under names of what they do here.

Tiles 0 to 3 are sums, (rows 0-15, rows 16-31) by (tokens 0-15, tokens 16-31); 4 and 5 are rows, 6 and 7 tokens.
Addresses are whole numbers, `array.ctypes.data`. See Intel's Architecture Instruction Set Extensions Programming
Reference, chapter 3.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numba.core.base import BaseContext

ROWS, BYTES = 16, 64  # of a tile
TILE = ROWS * BYTES
TURN = 2 * ROWS  # page rows, and query tokens, of one block of sums

_Emitted = tuple[object, Callable[..., ir.Value]]
_BYTE, _WORD, _INT = ir.IntType(8), ir.IntType(64), ir.IntType(32)
_ADDRESS = _BYTE.as_pointer()


def shapes() -> NDArray[np.uint8]:
    """What `ldtilecfg` reads: palette 1, eight tiles of 16 rows of 64 bytes."""
    shapes = np.zeros(64, np.uint8)
    shapes[0] = 1
    shapes[16:32].view(np.uint16)[:] = BYTES
    shapes[48:56] = ROWS
    return shapes


def _emit(builder: ir.IRBuilder, name: str, *given: ir.Value) -> None:
    kinds = [each.type for each in given]
    known = builder.module.globals.get(name)
    builder.call(known or ir.Function(builder.module, ir.FunctionType(ir.VoidType(), kinds), name), given)


def _at(builder: ir.IRBuilder, address: ir.Value, offset: int = 0) -> ir.Value:
    return builder.inttoptr(builder.add(address, _WORD(offset)), _ADDRESS)


def _emit_configure(_: object, shapes: object) -> _Emitted:
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
        later = builder.add(rows, builder.mul(stride, _WORD(ROWS)))
        load = "llvm.x86.tileloadd64"
        _emit(builder, load, _BYTE(6), _at(builder, tokens), _WORD(BYTES))
        _emit(builder, load, _BYTE(4), _at(builder, rows), stride)
        _emit(builder, load, _BYTE(7), _at(builder, tokens, TILE), _WORD(BYTES))
        _emit(builder, load, _BYTE(5), _at(builder, later), stride)
        for tile, (row, token) in enumerate(((4, 6), (4, 7), (5, 6), (5, 7))):
            _emit(builder, "llvm.x86.tdpbssd", _BYTE(tile), _BYTE(row), _BYTE(token))
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), generate


def _emit_store(_: object, products: object) -> _Emitted:
    """The sums as (32, 32) int32."""

    def generate(context: "BaseContext", builder: ir.IRBuilder, _: object, given: list[ir.Value]) -> ir.Value:
        width = TURN * 4
        for tile, offset in enumerate((0, BYTES, ROWS * width, ROWS * width + BYTES)):
            _emit(builder, "llvm.x86.tilestored64", _BYTE(tile), _at(builder, given[0], offset), _WORD(width))
        return context.get_dummy_value()

    return types.none(types.int64), generate


def _emit_fetch(_: object, address: object) -> _Emitted:
    """2 KB towards the cache; beyond the end of the codes it does nothing."""

    def generate(context: "BaseContext", builder: ir.IRBuilder, _: object, given: list[ir.Value]) -> ir.Value:
        for offset in range(0, TURN * BYTES, BYTES):
            _emit(builder, "llvm.prefetch.p0", _at(builder, given[0], offset), _INT(0), _INT(3), _INT(1))
        return context.get_dummy_value()

    return types.none(types.int64), generate


configure: Callable[[int], None] = intrinsic(_emit_configure)
release: Callable[[], None] = intrinsic(_emit_release)
clear: Callable[[], None] = intrinsic(_emit_clear)
add_products: Callable[[int, int, int], None] = intrinsic(_emit_add_products)
store: Callable[[int], None] = intrinsic(_emit_store)
fetch: Callable[[int], None] = intrinsic(_emit_fetch)
