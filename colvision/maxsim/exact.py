"""MaxSim over float vectors, as the encoder made them: for a float16 master, and to judge the codes by."""

import numpy as np
from numpy.typing import NDArray

from colvision.maxsim.codes import Floats
from colvision.maxsim.segments import Chosen, Pages, Starts, chosen
from colvision.maxsim.threads import spread

_BLOCK = 4_096  # page vectors in one product: 2 MB of float32 at 128 dimensions


def exact_maxima(
    query: Floats, vectors: NDArray[np.float16 | np.float32], starts: Starts, *, pages: Pages | None = None
) -> Floats:
    """Each page's best similarity for each query token: (pages, t) float32, computed in float32.

    `query` (t, dim) float32, `vectors` (n, dim) float16 or float32, `starts` (pages + 1,). float16 is only how they
    are kept: processors without a float16 unit multiply it a hundred times slower.
    """
    wanted = chosen(len(vectors), starts, pages)
    if len(wanted.pages) == 0 or len(query) == 0:
        return np.zeros((len(wanted.pages), len(query)), np.float32)

    def best(block: Chosen) -> Floats:
        rows = block.rows(vectors, starts).astype(np.float32, copy=False)
        maxima: Floats = np.maximum.reduceat(query @ rows.T, block.ends[:-1], axis=1)  # (t, pages)
        return maxima.T

    return np.concatenate(spread(best, wanted.blocks(_BLOCK)))
