"""How much each query token counts."""

import numpy as np

from colvision.core.embedding import Floats


def soft_idf(probabilities: Floats) -> Floats:
    """(pages, t) probabilities that a page holds a token -> (t,) weights: rare ones count more.

    df = sum of p over the collection and idf = ln(1 + (N - df + 0.5) / (df + 0.5)), the inverse document frequency of
    Lucene's BM25 with an expected count.
    """
    pages = len(probabilities)
    expected = probabilities.sum(axis=0, dtype=np.float64)  # (t,)
    weights: Floats = np.log1p((pages - expected + 0.5) / (expected + 0.5)).astype(np.float32)
    return weights
