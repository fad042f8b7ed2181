"""What a search asks of a whole collection before it can score a page: those of its parts add up, in any order.

So a collection may lie in several partitions, each a library of its own: their answers, with the statistics of all, are
those of one library that holds everything, bit for bit.
"""

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from colvision.search.filters import Finding
from colvision.search.idf import ExpectedFrequencies
from colvision.store.fulltext import TextStatistics

_SAMPLE_PAGES = 256  # by which the score of no match is measured

_Addend = TypeVar("_Addend", ExpectedFrequencies, TextStatistics, "ScoreSample")


@dataclass(frozen=True, slots=True, eq=False)
class ScoreSample:
    """The MaxSim scores of at most 256 pages: those with the lowest `keys` (n,), wherever they lie."""

    keys: NDArray[np.uint64]
    scores: NDArray[np.float64]

    @staticmethod
    def rows(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """(pages,) keys of all pages -> the places of those that are to be scored, the lowest key first."""
        if len(keys) > _SAMPLE_PAGES:
            lowest = np.argpartition(keys, _SAMPLE_PAGES)[:_SAMPLE_PAGES]
            return lowest[np.argsort(keys[lowest])]
        return np.argsort(keys)

    def __add__(self, other: "ScoreSample") -> "ScoreSample":
        keys = np.concatenate([self.keys, other.keys])
        chosen = self.rows(keys)
        return ScoreSample(keys[chosen], np.concatenate([self.scores, other.scores])[chosen])

    @property
    def mean(self) -> float:
        """Equal scores count once: pages of which an encoder reads nothing are all one vector, and tell of no other."""
        return float(np.unique(self.scores).mean()) if len(self.scores) else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class CollectionStatistics:
    """How many `pages` and `vectors` a collection has; what is expected of its pages where those weigh the words of
    a query, what their texts hold where they are asked, and what pages score that have nothing of a query where
    that is no 0. `findings` are what a filter names and the collection has.
    """

    pages: int
    vectors: int
    expected: ExpectedFrequencies | None = None
    texts: TextStatistics | None = None
    sample: ScoreSample | None = None
    findings: frozenset[Finding] = frozenset()

    def __add__(self, other: "CollectionStatistics") -> "CollectionStatistics":
        return CollectionStatistics(
            self.pages + other.pages,
            self.vectors + other.vectors,
            _sum(self.expected, other.expected),
            _sum(self.texts, other.texts),
            _sum(self.sample, other.sample),
            self.findings | other.findings,
        )

    @property
    def mean_vectors(self) -> float:
        """Of a page."""
        return self.vectors / self.pages if self.pages else 1.0


def _sum(*parts: _Addend | None) -> _Addend | None:
    """Of those that there are: a part of a collection that is empty has none."""
    known = [part for part in parts if part is not None]
    return reduce(add, known) if known else None
