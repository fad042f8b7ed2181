"""MaxSim over float vectors, as the encoder made them: to judge the codes by."""

import numpy as np

from colvision.core.embedding import Floats
from colvision.maxsim.selection import Pages, PageSelection, Starts, select_pages
from colvision.parallel import parallel_map

_BLOCK = 4_096  # page vectors in one product: 2 MB of float32 at 128 dimensions


def exact_maxima(query: Floats, vectors: Floats, starts: Starts, *, pages: Pages | None = None) -> Floats:
    """Each page's best similarity for each query token: (pages, t) float32.

    `query` (t, dim), `vectors` (n, dim), `starts` (pages + 1,). Sums are rounded: the last digit may depend on the
    page's neighbours, which it never does for codes. Raises `ValueError` as `token_maxima` does.
    """
    selection = select_pages(len(vectors), starts, pages)
    if len(selection.pages) == 0 or len(query) == 0:
        return np.zeros((len(selection.pages), len(query)), np.float32)

    def best(block: PageSelection) -> Floats:
        return np.maximum.reduceat(block.rows(vectors, starts) @ query.T, block.ends[:-1], axis=0)

    return np.concatenate(parallel_map(best, selection.blocks(_BLOCK)))
