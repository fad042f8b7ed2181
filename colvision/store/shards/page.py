"""One page as it is stored."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import PatchGrid
from colvision.maxsim.inverted_lists import InvertedLists
from colvision.maxsim.quantisation import Codes


class PageRef(NamedTuple):
    """A page in the catalogue: the key of its document, and its number in that document."""

    document: int
    number: int


class ShardLists(NamedTuple):
    """The inverted lists of a shard, and the key of the centroids that they belong to."""

    centroids: int
    entries: InvertedLists


@dataclass(frozen=True, slots=True, eq=False)
class ShardPage:
    """A page as it is stored: `codes` (n, dim) int8 with n >= 1, its grid, `kind` (n,) uint8 of `VectorKind`."""

    codes: Codes
    grid: PatchGrid
    kind: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.codes.ndim != 2 or self.codes.dtype != np.int8 or len(self.codes) == 0:
            raise ValueError(f"codes are {self.codes.shape} {self.codes.dtype}; expected (n, dim) int8 with n >= 1")
        if self.kind.shape != (len(self.codes),) or self.kind.dtype != np.uint8:
            raise ValueError(f"kind is {self.kind.shape} {self.kind.dtype}; expected ({len(self.codes)},) uint8")
