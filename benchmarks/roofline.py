"""What one thread of this machine can do at best, measured in the same run as what it is compared with."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_TRIES = 5
_PAGES = 1_000  # of the same rows


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
    """Codes compared in the first-level cache by the quickest instructions, with little else to do: long vectors."""
    from colvision.maxsim.instructions import int8_products

    rows, tokens, dim = 32, 32, 512
    codes = np.ones((rows, dim), np.int8)
    firsts, products = np.zeros(_PAGES, np.int64), int8_products(dim)
    lasts = firsts + rows
    return 2 * _PAGES * rows * tokens * dim / _least(lambda: products.maxima(codes[:tokens], codes, firsts, lasts))


def _words() -> float:
    """Words compared and counted in the first-level cache, with little else to do: one page many times."""
    from colvision.maxsim.bit_lanes import least_distances

    rows, tokens, words = 1024, 32, 2
    rng = np.random.default_rng(0)
    bits, query = (rng.integers(0, 2**63, (n, words)).astype(np.uint64) for n in (rows, tokens))
    firsts = np.zeros(_PAGES, np.int64)
    lasts = firsts + rows
    return _PAGES * rows * words * tokens / _least(lambda: least_distances(query, bits, firsts, lasts))


def _least(work: Callable[[], object]) -> float:
    work()
    spent = []
    for _ in range(_TRIES):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    return min(spent)
