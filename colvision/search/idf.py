"""How much each query token counts."""

from dataclasses import replace

import numpy as np

from colvision.core.embedding import Floats, QueryEmbedding
from colvision.core.encoder import Calibration
from colvision.core.query import word_values


def soft_idf(probabilities: Floats) -> Floats:
    """(pages, t) probabilities that a page holds a token -> (t,) weights: rare ones count more.

    df = sum of p over the collection and idf = ln(1 + (N - df + 0.5) / (df + 0.5)), the inverse document frequency of
    Lucene's BM25 with an expected count.
    """
    pages = len(probabilities)
    expected = probabilities.sum(axis=0, dtype=np.float64)  # (t,)
    weights: Floats = np.log1p((pages - expected + 0.5) / (expected + 0.5)).astype(np.float32)
    return weights


def weigh_words(query: QueryEmbedding, calibration: Calibration, maxima: Floats) -> tuple[QueryEmbedding, Floats]:
    """(pages, t) best similarities of a collection -> its tokens' weights (t,), by how rare the query's own words are.

    Another word says no more than its own rarity allows: what it counts sinks by idf / idf of the query's word, so a
    word of every page adds little where it stands in for a rare one, and no rare word becomes common by it.
    """
    if not query.likeness:
        return query, query.weights * soft_idf(word_values(query, calibration, maxima))
    own = replace(query, likeness=tuple(query.is_own.astype(np.float64).tolist()))
    of_words = soft_idf(word_values(own, calibration, maxima))  # (t,), that of a word at all of its tokens
    of_tokens = soft_idf(calibration(maxima, calibration.midpoints(query.tokens)))
    ratio = np.where(query.is_own, 1.0, np.minimum(of_tokens / np.maximum(of_words, 1e-9), 1.0))
    return replace(query, likeness=tuple((ratio * query.likeness).tolist())), query.weights * of_words
