"""What one thread of this machine can do at best, measured in the same run as what it is compared with."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_TRIES = 5


class Roofline(NamedTuple):
    """Per second: multiplications and additions of int8 and of float32, bits of words counted, bytes read."""

    int8: float
    float32: float
    words: float
    bytes: float

    def seconds(self, *, read: float, int8: float = 0, float32: float = 0, words: float = 0) -> float:
        """The least time for so much work: as long as the slowest of its parts, each at its best."""
        return max(read / self.bytes, int8 / self.int8, float32 / self.float32, words / self.words)


def measure() -> Roofline:
    import torch

    side = 1024
    real = torch.rand(side, side)
    memory = np.ones(2**26, np.int64)  # 512 MB: no cache holds it
    return Roofline(
        int8=_int8(),
        float32=2 * side**3 / _least(lambda: real @ real),
        words=_words(),
        bytes=memory.nbytes / _least(lambda: memory.max()),
    )


def _int8() -> float:
    """torch's product of 1,024 x 1,024; where there is AMX, its instructions over what the first-level cache holds."""
    from colvision.maxsim import amx

    if amx.tiles() is None:
        import torch

        whole = torch.randint(-127, 128, (1024, 1024), dtype=torch.int8)
        return 2 * 1024**3 / _least(lambda: torch._int_mm(whole, whole))
    from numba import njit

    from colvision.maxsim.amx import BLOCK_ROWS, BYTES, add_products, configure, release, tile_config

    def loop(config: np.ndarray, rows: np.ndarray, turns: int) -> None:
        configure(config.ctypes.data)
        for _ in range(turns):
            add_products(rows.ctypes.data, BYTES, rows.ctypes.data)
        release()

    turns, compiled_loop = 10_000, njit(loop)
    config, rows = tile_config(), np.ones((BLOCK_ROWS, BYTES), np.int8)
    return turns * 2 * BLOCK_ROWS * BLOCK_ROWS * BYTES / _least(lambda: compiled_loop(config, rows, turns))


def _words() -> float:
    """Words compared and counted in the first-level cache, with nothing else to do: long pages of one token a turn."""
    from colvision.maxsim.bit_lanes import least_distances

    rows, tokens = 2048, 64
    rng = np.random.default_rng(0)
    bits, query = (rng.integers(0, 2**63, (n, 1)).astype(np.uint64) for n in (rows, tokens))
    first, last = np.array([0]), np.array([rows])
    return rows * tokens / _least(lambda: least_distances(query, bits, first, last))


def _least(work: Callable[[], object]) -> float:
    work()
    spent = []
    for _ in range(_TRIES):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    return min(spent)
