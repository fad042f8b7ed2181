"""Page vectors in memory, ranked by MaxSim: for those who bring vectors of their own and need no library."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from colvision.core.embedding import Floats, PageEmbedding, QueryEmbedding
from colvision.core.encoder import Calibration
from colvision.maxsim.exact import exact_maxima
from colvision.maxsim.int8 import token_maxima
from colvision.maxsim.quantisation import Codes, quantise

Codec = Literal["float32", "int8"]
_IDENTITY = Calibration()


class RankedPage(NamedTuple):
    """`row` is the page's place in what was given, from 0."""

    row: int
    score: float


class MaxSimIndex:
    """Pages that a query is compared with, all of them: score = sum over tokens of weight * max over page vectors.

    Vectors lie end to end, and `starts` (pages + 1,) says where each page begins. As `int8` they take a quarter of the
    room; a component beyond +-`quantisation_range` is clipped.
    """

    def __init__(
        self,
        vectors: Floats | Codes,
        starts: NDArray[np.int64],
        *,
        quantisation_range: float = 1.0,
        calibration: Calibration = _IDENTITY,
    ) -> None:
        """Raises `ValueError` for vectors that are not finite, and for starts that are not theirs."""
        if not (isinstance(vectors, np.ndarray) and vectors.dtype == np.int8):
            vectors = _matrix(vectors)
        starts = np.asarray(starts, dtype=np.int64)
        if starts.ndim != 1 or len(starts) < 2 or starts[0] != 0 or starts[-1] != len(vectors):
            raise ValueError(
                f"starts of {starts.shape} do not divide {len(vectors)} vectors: expected (pages + 1,) from 0"
            )
        if (np.diff(starts) < 1).any():
            raise ValueError("a page has no vector")
        if not 0 < quantisation_range < np.inf:
            raise ValueError(f"quantisation_range is {quantisation_range}; expected the largest component, such as 0.3")
        self._vectors = vectors
        self._starts = starts
        self._range = quantisation_range
        self._calibration = calibration

    @classmethod
    def from_embeddings(
        cls,
        pages: Iterable[PageEmbedding | Floats],
        *,
        codec: Codec = "float32",
        quantisation_range: float | None = None,
        calibration: Calibration = _IDENTITY,
    ) -> "MaxSimIndex":
        """Of each page its embedding, or its (n, dim) vectors of unit length, n >= 1.

        `codec` "int8" keeps codes, as a library does; `quantisation_range` is the largest component that they can hold
        (`encoder.info.quantisation_range`), the largest there is when None. `calibration` is that of the encoder
        (`encoder.info.calibration`). Raises `ValueError` for no page, an empty one, and vectors of several dimensions.
        """
        arrays = [_matrix(page.vectors if isinstance(page, PageEmbedding) else page) for page in pages]
        dims = {array.shape[1] for array in arrays}
        if len(dims) != 1 or min(map(len, arrays)) == 0:
            raise ValueError(
                f"{len(arrays)} pages of {sorted(dims)} dimensions; expected at least one page, a vector on each, and "
                "one dimension"
            )
        vectors = np.concatenate(arrays)
        starts = np.cumsum([0, *map(len, arrays)], dtype=np.int64)
        if codec == "float32":
            return cls(vectors, starts, calibration=calibration)
        if codec != "int8":
            raise ValueError(f"codec is {codec!r}; expected 'float32' or 'int8'")
        largest = float(np.abs(vectors).max()) if quantisation_range is None else quantisation_range
        if not 0 < largest < np.inf:
            raise ValueError(f"quantisation_range is {largest}; expected the largest component, such as 0.3")
        return cls(quantise(vectors, largest), starts, quantisation_range=largest, calibration=calibration)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __repr__(self) -> str:
        count, dim = self._vectors.shape
        return f"MaxSimIndex({len(self)} pages, {count} vectors of {dim} {self._vectors.dtype})"

    def scores(self, query: QueryEmbedding | Floats) -> Floats:
        """(pages,) float32, in the order of the pages. `query`: an embedding, or its (t, dim) token vectors.

        Raises `ValueError` for a query of another dimension.
        """
        vectors = _matrix(query.vectors if isinstance(query, QueryEmbedding) else query)
        if vectors.shape[1] != self._vectors.shape[1]:
            raise ValueError(f"the query has {vectors.shape[1]} dimensions, the pages have {self._vectors.shape[1]}")
        maxima = self._maxima(vectors)  # (pages, t)
        contributions = self._calibration(maxima)
        if isinstance(query, QueryEmbedding):
            contributions = contributions * query.weights
        scores: Floats = contributions.sum(axis=1, dtype=np.float32)
        return scores

    def search(self, query: QueryEmbedding | Floats, k: int = 10) -> list[RankedPage]:
        """The `k` best pages, best first; equal ones in their order. Raises `ValueError` as `scores` does."""
        if k < 1:
            raise ValueError(f"k is {k}; ask for at least one page")
        scores = self.scores(query)
        best = np.argsort(-scores, kind="stable")[:k]
        return [RankedPage(row, float(scores[row])) for row in best.tolist()]

    def _maxima(self, query: Floats) -> Floats:
        if self._vectors.dtype == np.int8:
            return token_maxima(query, self._vectors.astype(np.int8, copy=False), self._starts, self._range)
        return exact_maxima(query, self._vectors.astype(np.float32, copy=False), self._starts)


def _matrix(vectors: ArrayLike) -> Floats:
    matrix = np.ascontiguousarray(vectors, dtype=np.float32)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise ValueError(f"vectors are {matrix.shape}; expected (n, dim)")
    if not np.isfinite(matrix).all():
        raise ValueError("a vector has a component that is not finite")
    return matrix
