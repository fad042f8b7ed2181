"""What an encoder makes of a page and of a query. Everything is rows before columns; nothing is padded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from colvision.core.page import Box

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]

_UNIT_TOLERANCE = 1e-2  # bf16 encoders round a unit vector's length by up to 2^-8


class VectorKind(IntEnum):
    """What a page vector stands for: a place on the page, a token of text (its word's place is known, or not), or the
    whole page.
    """

    PATCH = 0
    TEXT = 1
    GLOBAL = 2


@dataclass(frozen=True, slots=True, eq=False)
class PatchGrid:
    """Which vector belongs to which cell of the page.

    `cells` (rows, cols) int32 holds the row in the page's vectors, or -1 for a cell that has none (blank, dropped).
    The grid covers the whole page image; cells are of equal size. Several cells may share one vector (pooling).
    """

    cells: Ints

    def __post_init__(self) -> None:
        if self.cells.ndim != 2 or self.cells.dtype != np.int32:
            raise ValueError(f"a patch grid is (rows, cols) int32, not {self.cells.shape} {self.cells.dtype}")

    @classmethod
    def full(cls, rows: int, cols: int) -> "PatchGrid":
        """Every cell has its own vector, row by row from the top left."""
        return cls(np.arange(rows * cols, dtype=np.int32).reshape(rows, cols))

    @property
    def rows(self) -> int:
        return int(self.cells.shape[0])

    @property
    def cols(self) -> int:
        return int(self.cells.shape[1])

    def box(self, row: int, col: int) -> Box:
        """The cell's rectangle as fractions of the page image."""
        return Box(col / self.cols, row / self.rows, (col + 1) / self.cols, (row + 1) / self.rows)

    def first_cells(self, vectors: int) -> Ints:
        """(vectors, 2) row and column of each vector's first cell, from the top left; -1, -1 where it has none."""
        first = np.full(vectors + 1, -1, np.int32)  # the last is for cells that have no vector
        first[self.cells.ravel()[::-1]] = np.arange(self.cells.size, dtype=np.int32)[::-1]  # the first stays
        return np.where(first < 0, -1, np.divmod(first, np.int32(max(self.cols, 1)))).T[:-1]

    def bounds(self, vector: int) -> Box:
        """The smallest rectangle about all cells of a vector that has any, as fractions of the page image."""
        rows, cols = np.nonzero(self.cells == vector)
        first, last = self.box(int(rows.min()), int(cols.min())), self.box(int(rows.max()), int(cols.max()))
        return Box(first.left, first.top, last.right, last.bottom)

    def to_cells(self, values: Floats) -> Floats:
        """(..., n) a value a vector -> (..., rows, cols), NaN where a cell has no vector."""
        placed = values[..., np.maximum(self.cells, 0)]  # (..., rows, cols)
        return np.where(self.cells >= 0, placed, np.float32(np.nan)).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PageEmbedding:
    """A page as vectors: `vectors` (n, dim) float32 of unit length, n >= 1; `kind` (n,) uint8 of `VectorKind`.

    Every patch is placed in the grid, a token of text may be, the whole page is not.
    """

    vectors: Floats
    grid: PatchGrid
    kind: NDArray[np.uint8]

    def __post_init__(self) -> None:
        n = check_vectors(self.vectors, "a page")
        if n == 0:
            raise ValueError("a page keeps at least one vector, even a blank one")
        if self.kind.shape != (n,) or self.kind.dtype != np.uint8:
            raise ValueError(f"kind is {self.kind.shape} {self.kind.dtype}; expected ({n},) uint8")
        placed = np.unique(self.grid.cells)
        placed = placed[placed >= 0]
        if placed.size and placed[-1] >= n:
            raise ValueError(f"the grid names vector {placed[-1]}, the page has {n}")
        placed_kinds = self.kind[placed]
        patches, filled = (int(np.count_nonzero(kinds == VectorKind.PATCH)) for kinds in (self.kind, placed_kinds))
        if patches != filled:
            raise ValueError(
                f"{patches} patch vectors do not fill the {filled} placed cells "
                f"of a {self.grid.rows} x {self.grid.cols} grid"
            )
        if np.any(placed_kinds > VectorKind.TEXT):
            raise ValueError("the grid places a vector of the whole page; it has none")

    @classmethod
    def from_patches(cls, vectors: Floats, grid: PatchGrid) -> "PageEmbedding":
        """A page whose vectors are all patches."""
        return cls(vectors, grid, np.zeros(len(vectors), dtype=np.uint8))


@dataclass(frozen=True, slots=True, eq=False)
class QueryEmbedding:
    """A query as vectors: `vectors` (t, dim) float32 of unit length, one a token.

    `is_query` (t,) is False for prefix and augmentation tokens; `weights` (t,) multiply the tokens' contributions;
    `word` (t,) is the index in `words` of the word that a token is part of, -1 where it is part of none. A word that
    may be printed in several ways has tokens for each: `spelling` (t,) tells them apart, empty where there is one way.
    `likeness` (t,) is what a token's probability is multiplied by: below 1 for another word of much the same meaning,
    which is a token and a spelling of its own, of weight 0; empty where there is none. `unread` are the words in
    letters that the encoder does not read, `left_out` those of the text that have no tokens, as it is too long. Of a
    page as the query `is_example` is True: its tokens are patches, and say nothing of each other's order.
    """

    text: str
    vectors: Floats
    tokens: tuple[str, ...]
    is_query: Bools
    weights: Floats
    words: tuple[str, ...]
    word: Ints
    is_example: bool = False
    spelling: tuple[int, ...] = ()
    likeness: tuple[float, ...] = ()
    unread: frozenset[str] = frozenset()
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        t = check_vectors(self.vectors, f"query {self.text!r}")
        lengths = (len(self.tokens), len(self.is_query), len(self.weights), len(self.word))
        if any(length != t for length in lengths):
            raise ValueError(f"query {self.text!r}: {t} vectors, but tokens, is_query, weights, word are {lengths}")
        if t and (self.word.min() < -1 or self.word.max() >= len(self.words)):
            raise ValueError(f"query {self.text!r}: `word` names a word beyond the {len(self.words)} it has")
        if self.spelling and len(self.spelling) != t:
            raise ValueError(f"query {self.text!r}: {t} vectors, but {len(self.spelling)} spellings")
        if self.likeness and (len(self.likeness) != t or not all(0 <= each <= 1 for each in self.likeness)):
            raise ValueError(f"query {self.text!r}: {t} vectors, but their likeness is {self.likeness} (expected 0..1)")

    def tokens_of_words(self) -> list[tuple[str, list[int]]]:
        """Each word in order with the tokens that spell it; words without a token are left out."""
        tokens_of: dict[int, list[int]] = {}
        for token, word in enumerate(self.word.tolist()):
            if word >= 0:
                tokens_of.setdefault(word, []).append(token)
        return [(self.words[word], tokens) for word, tokens in sorted(tokens_of.items())]

    def tokens_of_spellings(self, tokens: Sequence[int]) -> list[list[int]]:
        """The tokens of a word, those of each way of printing it together."""
        by_spelling: dict[int, list[int]] = {}
        for token in tokens:
            by_spelling.setdefault(self.spelling[token] if self.spelling else 0, []).append(token)
        return list(by_spelling.values())

    @property
    def is_own(self) -> Bools:
        """(t,) False for the tokens of other words."""
        return np.array(self.likeness) == 1 if self.likeness else np.ones(len(self.tokens), np.bool_)

    @property
    def other_words(self) -> dict[str, tuple[str, ...]]:
        """What is looked for besides, of each word that has any: words of much the same meaning, or translations."""
        if not self.likeness:
            return {}
        found = {
            word: tuple(self.tokens[token] for token in tokens if self.likeness[token] < 1)
            for word, tokens in self.tokens_of_words()
        }
        return {word: others for word, others in found.items() if others}

    def without_other_words(self) -> "QueryEmbedding":
        """The query's own words alone."""
        if not self.likeness:
            return self
        own = self.is_own
        return replace(
            self,
            vectors=self.vectors[own],
            tokens=tuple(compress(self.tokens, own)),
            is_query=self.is_query[own],
            weights=self.weights[own],
            word=self.word[own],
            spelling=tuple(compress(self.spelling, own)),
            likeness=(),
        )

    @classmethod
    def of_words(cls, text: str, words: Sequence[str], vectors: Floats) -> "QueryEmbedding":
        """Every token is a whole word of weight 1."""
        t = len(words)
        return cls(
            text=text,
            vectors=vectors,
            tokens=tuple(words),
            is_query=np.ones(t, dtype=np.bool_),
            weights=np.ones(t, dtype=np.float32),
            words=tuple(words),
            word=np.arange(t, dtype=np.int32),
        )


def check_vectors(vectors: Floats, what: str) -> int:
    """The number of vectors, once they are known to be (n, dim) float32 of unit length."""
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise ValueError(f"{what}: vectors are {vectors.shape} {vectors.dtype}; expected (n, dim) float32")
    lengths = np.linalg.norm(vectors, axis=1)  # (n,)
    if not np.all(np.abs(lengths - 1.0) < _UNIT_TOLERANCE):  # also catches NaN
        worst = float(lengths[np.argmax(np.abs(np.nan_to_num(lengths, nan=9.0) - 1.0))])
        raise ValueError(f"{what}: vectors must have unit length, one has {worst:.3f}")
    return len(vectors)
