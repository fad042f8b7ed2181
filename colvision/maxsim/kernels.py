"""The loops that numpy cannot write, compiled by numba: imported once something is scored, for numba takes a while.

What a loop uses stands at the level of the module, since numba's cache takes anything else in a closure for new.
"""

import threading
from collections.abc import Callable, Hashable
from functools import cache, wraps
from pickle import UnpicklingError  # noqa: TID251  numba's own cache is pickled, and may be torn by a power cut
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
from llvmlite import ir
from numba import njit, uint64
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from colvision.maxsim.selection import Starts

if TYPE_CHECKING:
    from llvmlite.ir import IRBuilder, Value
    from numba.core.base import BaseContext

Int32s = NDArray[np.int32]
Words = NDArray[np.uint64]
Places = NDArray[np.int64]
_Number = TypeVar("_Number", np.int32, np.float32)
LeastDistances = Callable[[Words, Words, Places, Places, Int32s], None]
Products = NDArray[np.int32] | NDArray[np.float32]
_Function = TypeVar("_Function", bound=Callable[..., object])

_LINE = 64  # bytes that a cache takes at once
_BITS = "Array(uint64, 2, 'C', readonly=True)"
_PLACES = "Array(int64, 1, 'C', readonly=True)"


def _emit_popcount(_: object, word: object) -> tuple[object, object]:
    """The bits that are set in a word: vpopcntq takes eight words at once."""

    def generate(_context: "BaseContext", builder: "IRBuilder", _signature: object, given: list["Value"]) -> "Value":
        return builder.ctpop(given[0])

    return types.uint64(types.uint64), generate


def _emit_prefer_512_bit(_: object) -> tuple[object, object]:
    """Lets LLVM use vectors of 512 bits in the calling loop, which halves its time; for Intel it prefers 256.

    llvmlite names only some of LLVM's function attributes; the set that holds them takes any.
    """

    def generate(context: "BaseContext", builder: "IRBuilder", _signature: object, _given: list["Value"]) -> "Value":
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), generate


def _emit_fetch(_: object, address: object) -> tuple[object, object]:
    """The 64 bytes at an address, `array.ctypes.data` and more, towards the second-level cache."""

    def generate(context: "BaseContext", builder: "IRBuilder", _signature: object, given: list["Value"]) -> "Value":
        name, byte, word = "llvm.prefetch.p0", ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        prefetch = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        builder.call(prefetch, [builder.inttoptr(given[0], byte), word(0), word(2), word(1)])
        return context.get_dummy_value()

    return types.none(types.int64), generate


_fetch: Callable[[int], None] = intrinsic(_emit_fetch)
_popcount: Callable[[int], int] = intrinsic(_emit_popcount)
prefer_512_bit: Callable[[], None] = intrinsic(_emit_prefer_512_bit)


def _least_of_four(columns: Words, rows: int, query: Words, t: int, words: int) -> tuple[int, int, int, int]:
    """The fewest differing bits of four tokens at once: they share each load of a row's word."""
    least0 = least1 = least2 = least3 = uint64(64 * words)
    for row in range(rows):
        distance0 = distance1 = distance2 = distance3 = uint64(0)
        for w in range(words):
            word = columns[w, row]
            distance0 += _popcount(word ^ query[t, w])
            distance1 += _popcount(word ^ query[t + 1, w])
            distance2 += _popcount(word ^ query[t + 2, w])
            distance3 += _popcount(word ^ query[t + 3, w])
        least0, least1 = min(least0, distance0), min(least1, distance1)
        least2, least3 = min(least2, distance2), min(least3, distance3)
    return least0, least1, least2, least3


def _least_of_one(columns: Words, rows: int, query: Words, t: int, words: int) -> int:
    least: int = uint64(64 * words)
    for row in range(rows):
        distance = uint64(0)
        for w in range(words):
            distance += _popcount(columns[w, row] ^ query[t, w])
        least = min(least, distance)
    return least


_least_of_four = njit(inline="always")(_least_of_four)
_least_of_one = njit(inline="always")(_least_of_one)


def once(make: _Function) -> _Function:
    """Remembers what `make` returns. Threads that call it together wait for one of them: compiling takes seconds."""
    remembered, compiling = cache(make), threading.Lock()

    @wraps(make)
    def call(*arguments: Hashable) -> object:
        with compiling:
            return remembered(*arguments)

    return cast(_Function, call)


@once
def least_distances(words: int) -> LeastDistances:
    """The loop over pages of `words` words of bits a vector.

    It takes query (t, words), bits (n, words), each page's first row and the row after its last (pages,), and fills
    `distances` (pages, t) with each page's fewest differing bits. Lanes are a page's rows, transposed once for all
    tokens; each four tokens fetch a part of the next page, so that memory keeps up (docs/benchmarks.md).
    """

    def loop(query: Words, bits: Words, firsts: Places, lasts: Places, distances: Int32s) -> None:
        prefer_512_bit()
        tokens = query.shape[0]
        columns = np.empty((words, np.max(lasts - firsts)), np.uint64)
        for page in range(len(firsts)):
            following = min(page + 1, len(firsts) - 1)
            ahead = bits.ctypes.data + firsts[following] * words * 8
            end = bits.ctypes.data + lasts[following] * words * 8
            share = (end - ahead) // max(tokens // 4, 1) + _LINE
            first = firsts[page]
            rows = lasts[page] - first
            for row in range(rows):
                for w in range(words):
                    columns[w, row] = bits[first + row, w]
            for t in range(0, tokens - 3, 4):
                for line in range(ahead, min(ahead + share, end), _LINE):
                    _fetch(line)
                ahead += share
                distances[page, t : t + 4] = _least_of_four(columns, rows, query, t, words)
            for t in range(tokens - tokens % 4, tokens):
                distances[page, t] = _least_of_one(columns, rows, query, t, words)

    return jit_cached(loop, [f"void({_BITS}, {_BITS}, {_PLACES}, {_PLACES}, int32[:, ::1])"])


def segment_maxima(products: NDArray[_Number], ends: Starts) -> NDArray[_Number]:
    """(n, t) products and ends (pages + 1,), pages not empty -> (pages, t).

    Three times as fast as `np.maximum.reduceat` at 20 tokens.
    """
    maxima = np.empty((len(ends) - 1, products.shape[1]), products.dtype)
    _segment_loop()(products, ends, maxima)
    return maxima


@once
def _segment_loop() -> Callable[[Products, Places, Products], None]:
    """Fills the maxima. Lanes are tokens, four rows at a time."""

    def loop(products: Products, ends: Places, maxima: Products) -> None:
        prefer_512_bit()
        tokens = products.shape[1]
        for page in range(len(ends) - 1):
            row, last = ends[page], ends[page + 1]
            best = products[row].copy()
            while row + 4 <= last:
                for t in range(tokens):
                    upper = max(products[row, t], products[row + 1, t])
                    lower = max(products[row + 2, t], products[row + 3, t])
                    best[t] = max(best[t], max(upper, lower))
                row += 4
            while row < last:
                for t in range(tokens):
                    best[t] = max(best[t], products[row, t])
                row += 1
            maxima[page, :] = best

    kinds = [f"void({kind}[:, ::1], {_PLACES}, {kind}[:, ::1])" for kind in ("int32", "float32")]
    return jit_cached(loop, kinds)


def jit_cached(loop: _Function, signatures: list[str]) -> _Function:
    """The loop, compiled: kept beside its file or in the user's cache, or in memory where neither can be written.

    numba forgets what it kept when the loop's own file changes, not those whose names it uses.
    """
    try:
        return cast(_Function, njit(signatures, nogil=True, cache=True)(loop))
    except (RuntimeError, OSError, EOFError, ValueError, UnpicklingError):
        return cast(_Function, njit(signatures, nogil=True)(loop))
