"""One pool of threads, one a core, for what lets go of the interpreter lock: MaxSim's kernels."""

import os
import sys
import threading
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, wraps
from typing import TypeVar, cast

_Block = TypeVar("_Block")
_Result = TypeVar("_Result")
_Function = TypeVar("_Function", bound=Callable[..., object])


def parallel_map(work: Callable[[_Block], _Result], blocks: Iterable[_Block]) -> list[_Result]:
    """`work` of every block, in order, in the pool's threads.

    Called in a thread of the pool it works there: one that waited for others of the pool could wait for ever. One block
    is no work to share.
    """
    blocks = list(blocks)
    if len(blocks) < 2 or getattr(_state, "is_in_pool", False):
        return [work(block) for block in blocks]
    return list(_pool().map(work, blocks))


def once(make: _Function) -> _Function:
    """Remembers what `make` returns. Threads that call it together wait for one of them: compiling takes seconds."""
    remembered, compiling = cache(make), threading.Lock()

    @wraps(make)
    def call(*arguments: Hashable) -> object:
        with compiling:
            return remembered(*arguments)

    return cast(_Function, call)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(usable_cores(), thread_name_prefix="colvision", initializer=_mark_thread)


def _mark_thread() -> None:
    _state.is_in_pool = True


def usable_cores() -> int:
    """Those that this process may use: in a container or under `taskset` fewer than the machine has."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_state = threading.local()
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a forked child has the pool's object but not its threads
