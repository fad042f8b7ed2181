"""Spherical k-means (Dhillon and Modha 2001): groups of unit vectors that lie in one direction."""

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats
from colvision.parallel import parallel_map

Groups = NDArray[np.int64]

_BLOCK = 16_384  # vectors that a thread compares at once


def nearest(vectors: Floats, centres: Floats) -> Groups:
    """(n, dim), (k, dim) -> (n,) the centre with the largest dot product, the first of equal ones."""

    def of_block(first: int) -> Groups:
        found: Groups = np.argmax(vectors[first : first + _BLOCK] @ centres.T, axis=1)
        return found

    if len(centres) == 1:
        return np.zeros(len(vectors), np.int64)
    return np.concatenate([np.zeros(0, np.int64), *parallel_map(of_block, range(0, len(vectors), _BLOCK))])


def unit_means(vectors: Floats, group: NDArray[np.integer]) -> Floats:
    """(n, dim), (n,) groups numbered without gaps -> (groups, dim): of unit length.

    The first member's own vector stands where members cancel out.
    """
    order = np.argsort(group, kind="stable")
    begin = np.flatnonzero(np.diff(group[order], prepend=-1))
    total = np.add.reduceat(vectors[order], begin, axis=0)  # (groups, dim)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    cancelled = length[:, 0] < 1e-6
    total[cancelled], length[cancelled] = vectors[order[begin[cancelled]]], 1
    means: Floats = (total / length).astype(np.float32)
    return means


def cluster(vectors: Floats, count: int, *, rounds: int, rng: np.random.Generator) -> Floats:
    """At most `count` centres of (n, dim) unit vectors, n >= 1: fewer where some win no vector."""
    centres = vectors[np.sort(rng.choice(len(vectors), min(count, len(vectors)), replace=False))]
    for _ in range(rounds):
        centres = unit_means(vectors, np.unique(nearest(vectors, centres), return_inverse=True)[1])
    return centres
