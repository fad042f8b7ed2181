"""How much each query token counts."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats, QueryEmbedding
from colvision.core.encoder import Calibration
from colvision.core.query import joined_to_words, word_values

Counts = NDArray[np.int64]

# What a probability of 1 is counted as: float32 holds no finer steps below 1. Sums of whole numbers are the same in any
# order, and exact in float64 for 2**29 pages.
_ONE = 2.0**24


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedFrequencies:
    """How many of the `pages` hold each query token, as expected, in whole `1 / 2**24`: those of parts of a collection
    add up.

    `words` (t,) are those of the tokens' words, `tokens` (t,) of the tokens by themselves, where the query has other
    words.
    """

    pages: int
    words: Counts
    tokens: Counts | None = None

    @classmethod
    def of(
        cls,
        query: QueryEmbedding,
        calibration: Calibration,
        maxima: Floats,
        pages: int | None = None,
        unread: Floats | None = None,
    ) -> "ExpectedFrequencies":
        """(n, t) best similarities of all pages; or of those that may hold something, out of so many `pages`, where
        others are expected to hold `unread` (t,).
        """
        pages = len(maxima) if pages is None else pages
        unread = np.zeros(maxima.shape[1], np.float32) if unread is None else unread
        if not query.likeness:
            return cls(
                pages, _with_unread(expected_counts(word_values(query, calibration, maxima)), query, unread, pages)
            )
        own = replace(query, likeness=tuple(query.is_own.astype(np.float64).tolist()))
        of_words = _with_unread(expected_counts(word_values(own, calibration, maxima)), own, unread, pages)
        of_tokens = expected_counts(calibration(maxima, calibration.midpoints(query.tokens)))
        return cls(pages, of_words, of_tokens + np.rint(unread * _ONE).astype(np.int64))

    def __add__(self, other: "ExpectedFrequencies") -> "ExpectedFrequencies":
        tokens = None if self.tokens is None or other.tokens is None else self.tokens + other.tokens
        return ExpectedFrequencies(self.pages + other.pages, self.words + other.words, tokens)


def expected_counts(probabilities: Floats) -> Counts:
    """(pages, t) probabilities that a page holds a token -> (t,) their sums, in whole `1 / 2**24`."""
    whole = np.rint(probabilities * np.float32(_ONE))
    counts: Counts = whole.sum(axis=0, dtype=np.float64).astype(np.int64)
    return counts


def _with_unread(counts: Counts, query: QueryEmbedding, unread: Floats, pages: int) -> Counts:
    """With what other pages are expected to hold, joined to words as probabilities are."""
    of_words = joined_to_words(
        query, unread * np.array(query.likeness, np.float32) if query.likeness else unread.copy()
    )
    expected: Counts = np.minimum(counts + np.rint(of_words * _ONE).astype(np.int64), int(pages * _ONE))
    return expected


def soft_idf(pages: int, counts: Counts) -> Floats:
    """(t,) `expected_counts` of so many pages -> (t,) weights: rare tokens count more.

    idf = ln(1 + (N - df + 0.5) / (df + 0.5)), the inverse document frequency of Lucene's BM25 with an expected count.
    """
    expected = counts / _ONE
    weights: Floats = np.log1p((pages - expected + 0.5) / (expected + 0.5)).astype(np.float32)
    return weights


def weigh_words(query: QueryEmbedding, expected: ExpectedFrequencies) -> tuple[QueryEmbedding, Floats]:
    """What is expected of a whole collection -> the query's tokens' weights (t,), by how rare its own words are.

    Another word says no more than its own rarity allows: what it counts sinks by idf / idf of the query's word, so a
    word of every page adds little where it stands in for a rare one, and no rare word becomes common by it.
    """
    of_words = soft_idf(expected.pages, expected.words)
    if expected.tokens is None:
        return query, query.weights * of_words
    of_tokens = soft_idf(expected.pages, expected.tokens)
    ratio = np.where(query.is_own, 1.0, np.minimum(of_tokens / np.maximum(of_words, 1e-9), 1.0))
    return replace(query, likeness=tuple((ratio * query.likeness).tolist())), query.weights * of_words
