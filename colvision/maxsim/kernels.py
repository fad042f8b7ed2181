"""Loops that numba compiles, kept between processes: imported where one runs, for numba takes half a second."""

from collections.abc import Callable
from pickle import UnpicklingError  # noqa: TID251  numba's own cache is pickled, and may be torn by a power cut
from typing import TYPE_CHECKING, TypeVar, cast

from numba import njit
from numba.core import types
from numba.extending import intrinsic

if TYPE_CHECKING:
    from llvmlite.ir import IRBuilder, Value
    from numba.core.base import BaseContext

_Function = TypeVar("_Function", bound=Callable[..., object])


def _emit_prefer_512_bit(_: object) -> tuple[object, object]:
    """Lets LLVM use vectors of 512 bits in the calling loop, which halves its time; for Intel it prefers 256.

    llvmlite names only some of LLVM's function attributes; the set that holds them takes any.
    """

    def generate(context: "BaseContext", builder: "IRBuilder", _signature: object, _given: list["Value"]) -> "Value":
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), generate


prefer_512_bit: Callable[[], None] = intrinsic(_emit_prefer_512_bit)


def jit_cached(loop: _Function, signatures: list[str]) -> _Function:
    """The loop, compiled: kept beside its file or in the user's cache, or in memory where neither can be written.

    numba forgets what it kept when the loop's own file changes, not those whose names it uses.
    """
    try:
        return cast(_Function, njit(signatures, nogil=True, cache=True)(loop))
    except (RuntimeError, OSError, EOFError, ValueError, UnpicklingError):
        return cast(_Function, njit(signatures, nogil=True)(loop))
