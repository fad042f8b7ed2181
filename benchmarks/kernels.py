"""Our ways to score made-up pages: the kernels, without a library around them."""

import time
from collections.abc import Sequence

import numpy as np

from benchmarks.synthetic import QUANTISATION_RANGE, TOKENS, Floats, SyntheticPages
from benchmarks.timing import TimedAnswer, Way, best_ten
from colvision import maxsim

_CANDIDATES = 256  # as `colvision.search.page_search` takes


def exact(made: SyntheticPages, size: int) -> Way:
    starts, floats = made.starts[: size + 1], made.floats[: made.starts[size]]
    return lambda query: best_ten(maxsim.exact_maxima(made.queries[query], floats, starts).sum(axis=1))


def int8(made: SyntheticPages, size: int) -> Way:
    starts, codes = made.starts[: size + 1], made.codes[: made.starts[size]]
    return lambda query: best_ten(
        maxsim.token_maxima(made.queries[query], codes, starts, QUANTISATION_RANGE).sum(axis=1)
    )


def in_batches(made: SyntheticPages, size: int, batch: int) -> Way:
    """So many queries at once; the time is that of one of them."""
    starts, codes = made.starts[: size + 1], made.codes[: made.starts[size]]

    def search(query: int) -> TimedAnswer:
        begun = time.perf_counter()
        together = np.concatenate([made.queries[(query + i) % len(made.queries)] for i in range(batch)])
        maxima = maxsim.token_maxima(together, codes, starts, QUANTISATION_RANGE)
        scores = maxima.reshape(size, batch, TOKENS).sum(axis=2)
        best = [best_ten(scores[:, i]) for i in range(batch)]
        return TimedAnswer((time.perf_counter() - begun) / batch, best[0])

    return search


def bits_alone(made: SyntheticPages, size: int) -> Way:
    return lambda query: best_ten(_agreement(made, size, made.queries[query]))


def reranked(made: SyntheticPages, size: int) -> Way:
    """Candidates by their sign bits, ranked by their codes."""
    starts, codes = made.starts[: size + 1], made.codes[: made.starts[size]]
    count = min(max(_CANDIDATES, size // 100), size)

    def search(query: int) -> Sequence[int]:
        scores = _agreement(made, size, made.queries[query])
        pages = np.sort(np.argpartition(-scores, count - 1)[:count])
        maxima = maxsim.token_maxima(made.queries[query], codes, starts, QUANTISATION_RANGE, pages=pages)
        return pages[best_ten(maxima.sum(axis=1))].tolist()

    return search


def _agreement(made: SyntheticPages, size: int, query: Floats) -> np.ndarray:
    maxima = maxsim.bit_maxima(query, made.bits[: made.starts[size]], made.starts[: size + 1])
    return maxima.astype(np.float32) @ np.ones(len(query), np.float32)
