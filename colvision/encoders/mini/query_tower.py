"""The query tower: the mean of the rows of a word's features in one table, a small residual network, unit length."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats
from colvision.encoders.mini.geometry import DIM
from colvision.encoders.mini.words import BUCKETS, features

SHAPES = {
    "table.weight": (BUCKETS, DIM),
    "network.0.weight": (2 * DIM, DIM),
    "network.0.bias": (2 * DIM,),
    "network.2.weight": (DIM, 2 * DIM),
    "network.2.bias": (DIM,),
}


class QueryTower:
    """From tensors of `SHAPES`."""

    def __init__(self, tensors: Mapping[str, NDArray[np.float16]]) -> None:
        self._table = tensors["table.weight"]
        self._first, self._first_bias, self._second, self._second_bias = (
            tensors[name].astype(np.float32) for name in list(SHAPES)[1:]
        )

    def encode(self, words: Sequence[str]) -> Floats:
        """(words, DIM)."""
        means: Floats = np.stack([self._table[list(features(word))].mean(axis=0, dtype=np.float32) for word in words])
        inside = means @ self._first.T + self._first_bias
        inside = inside / (1 + np.exp(-inside))  # SiLU
        sums = means + inside @ self._second.T + self._second_bias
        vectors: Floats = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return vectors
