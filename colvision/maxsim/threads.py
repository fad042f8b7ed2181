"""One pool for all kernels, one thread a core; a kernel's block runs in one thread and lets go of the lock."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

_Block = TypeVar("_Block")
_Result = TypeVar("_Result")


def spread(work: Callable[[_Block], _Result], blocks: Iterable[_Block]) -> list[_Result]:
    """`work` of every block, in order. Few blocks are done here: handing them over would take longer."""
    waiting = list(blocks)
    return list(map(work, waiting) if len(waiting) < 4 else _pool().map(work, waiting))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="maxsim")


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a forked child has the pool's object but not its threads
