"""Compiled loops where numba is installed, None where it is not: the callers' numpy then gives the same answers."""

import logging
import threading
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colvision.maxsim.amx import Tiles
    from colvision.maxsim.loops import LeastDistances, SegmentMaxima

_log = logging.getLogger("colvision.maxsim")
_compiling = threading.Lock()  # two threads would compile the same loop twice, seconds each


def least_distances(words: int) -> "LeastDistances | None":
    """See `loops.least_distances`."""
    with _compiling:
        return _least_distances(words)


def segment_maxima() -> "SegmentMaxima | None":
    """See `loops.segment_maxima`."""
    with _compiling:
        return _segment_maxima()


def tiles() -> "Tiles | None":
    """int8 MaxSim in one pass, where the processor has AMX."""
    with _compiling:
        return _tiles()


@cache
def _least_distances(words: int) -> "LeastDistances | None":
    if not _numba_works():
        return None
    from colvision.maxsim import loops

    return loops.least_distances(words)


@cache
def _segment_maxima() -> "SegmentMaxima | None":
    if not _numba_works():
        return None
    from colvision.maxsim import loops

    return loops.segment_maxima()


@cache
def _tiles() -> "Tiles | None":
    if not _numba_works():
        return None
    from colvision.maxsim import amx

    if not amx.works():
        return None
    try:
        tiles = amx.Tiles.compiled()
    except RuntimeError as error:  # an LLVM that names its intrinsics otherwise
        _log.warning("AMX cannot be used (%s): int8 search gives the same answers, half as fast", error)
        return None
    return tiles if tiles.agrees() else None


@cache
def _numba_works() -> bool:
    try:
        import numba  # noqa: F401
    except ImportError as error:  # absent, or not made for this numpy
        _log.warning("numba cannot be used (%s): search gives the same answers, several times slower", error)
        return False
    return True
