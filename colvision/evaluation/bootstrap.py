"""How sure a mean is: percentile bootstrap (Efron 1979) over queries, the same numbers on every run."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_RESAMPLES = 10_000  # the ends of an interval then move by about 1 % of its width from seed to seed
_SEED = 0
_TAILS = (2.5, 97.5)  # per cent: an interval of 95 %


class Interval(NamedTuple):
    """The middle 95 % of a mean's bootstrap distribution."""

    low: float
    high: float


def intervals(values: ArrayLike) -> tuple[Interval, ...]:
    """(queries, measures) values -> the interval of each measure's mean; queries are drawn with all their measures.

    For two systems over the same queries, give the differences query by query: that is the paired comparison.
    """
    table = np.asarray(values, dtype=np.float64)
    return _tails(_draws(len(table)) @ table / len(table))  # (resamples, measures)


def share_interval(hits: ArrayLike, counts: ArrayLike) -> Interval:
    """The interval of sum(hits) / sum(counts) over clusters that are drawn whole, such as the words of one page."""
    drawn = _draws(len(np.asarray(hits)))
    shares = drawn @ np.asarray(hits, dtype=np.float64) / (drawn @ np.asarray(counts, dtype=np.float64))
    return _tails(shares[:, None])[0]


def _draws(size: int) -> NDArray[np.float64]:
    """(resamples, size) how often each case is drawn, `size` draws with replacement a row."""
    if size < 1:
        raise ValueError("no interval without a case")
    rng = np.random.default_rng(_SEED)
    return rng.multinomial(size, np.full(size, 1 / size), size=_RESAMPLES).astype(np.float64)


def _tails(means: NDArray[np.float64]) -> tuple[Interval, ...]:
    low, high = np.percentile(means, _TAILS, axis=0)
    return tuple(Interval(float(a), float(b)) for a, b in zip(low, high, strict=True))
