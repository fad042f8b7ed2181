"""A page as the query: what looks like it, or holds the same printed words. No encoder runs.

Several hundred patches would make a slow query of near-equal tokens, most of them paper. So it is cut to those that
are least alike: each next one is the patch farthest, by its cosine, from all that are taken (Gonzalez 1985).

The score is the mean similarity, whatever the encoder's link: two patches that both hold print are more alike than a
word and the patch that holds it, so nearly all of mini's match probabilities would be 1. Of the sample manual's 40
pages, born-digital and as a scan, similarities put the same page of the other file first for all 40, the next one 16 %
below it; probabilities with soft idf for 38, the next one 0.7 % below.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats, Kind, PatchGrid, QueryEmbedding

MOST_TOKENS = 64  # three times a query in words; the fourth row of a hundred patches of paper adds nothing to the first


def page_query(
    vectors: Floats, kind: NDArray[np.uint8], grid: PatchGrid, *, text: str, most: int = MOST_TOKENS
) -> QueryEmbedding:
    """(n, dim) vectors of a page, of any length, -> at most `most` of its patches as a query, from the top left.

    Every token is a word, named by its place, and counts 1 / tokens: the score is a mean. A page without patches asks
    with all that it has.
    """
    patches = np.flatnonzero(kind == Kind.PATCH)
    rows = patches if len(patches) else np.arange(len(vectors))
    unit = vectors[rows] / np.maximum(np.linalg.norm(vectors[rows], axis=1, keepdims=True), 1e-6)
    taken = np.sort(_least_alike(unit, most))
    places = _places(grid)
    words = tuple(places.get(int(rows[i]), "the whole page") for i in taken)
    tokens = len(taken)
    return QueryEmbedding(
        text=text,
        vectors=unit[taken].astype(np.float32),
        tokens=words,
        is_query=np.ones(tokens, dtype=np.bool_),
        weights=np.full(tokens, 1 / tokens, dtype=np.float32),
        words=words,
        word=np.arange(tokens, dtype=np.int32),
        is_example=True,
    )


def joined(queries: Sequence[QueryEmbedding], *, text: str) -> QueryEmbedding:
    """Queries of pages as one, in which each counts as much as another: its score is the mean of theirs."""
    words = tuple(word for query in queries for word in query.words)
    return QueryEmbedding(
        text=text,
        vectors=np.concatenate([query.vectors for query in queries]),
        tokens=words,
        is_query=np.concatenate([query.is_query for query in queries]),
        weights=np.concatenate([query.weights for query in queries]).astype(np.float32) / np.float32(len(queries)),
        words=words,
        word=np.arange(len(words), dtype=np.int32),
        is_example=True,
    )


def _least_alike(unit: Floats, most: int) -> NDArray[np.int64]:
    """Places of the vectors, the one most unlike the mean first."""
    if len(unit) <= most:
        return np.arange(len(unit), dtype=np.int64)
    taken = [int(np.argmin(unit @ unit.mean(axis=0)))]
    nearest = unit @ unit[taken[0]]  # (n,) cosine to the nearest that is taken
    while len(taken) < most:
        taken.append(int(np.argmin(nearest)))
        nearest = np.maximum(nearest, unit @ unit[taken[-1]])
    return np.array(taken, dtype=np.int64)


def _places(grid: PatchGrid) -> dict[int, str]:
    """Vector -> its first cell in words; rows and columns are counted from 1 for people."""
    places: dict[int, str] = {}
    for row, col in np.argwhere(grid.cells >= 0).tolist():
        places.setdefault(int(grid.cells[row, col]), f"row {row + 1}, column {col + 1}")
    return places
