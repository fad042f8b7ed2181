"""From products of vectors to maxima of pages."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from colvision.maxsim import compiled
from colvision.maxsim.segments import Starts

_Number = TypeVar("_Number", np.int32, np.float32)


def segment_maxima(products: NDArray[_Number], ends: Starts) -> NDArray[_Number]:
    """(n, t) products and ends (pages + 1,), pages not empty -> (pages, t)."""
    loop = compiled.segment_maxima()
    if loop is None:
        return np.maximum.reduceat(products, ends[:-1], axis=0)
    maxima = np.empty((len(ends) - 1, products.shape[1]), products.dtype)
    loop(products, ends, maxima)
    return maxima
