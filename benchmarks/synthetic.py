"""Made-up pages that are hard to tell apart, like ColPali's: kept in files, so that 100,000 of them fit any memory.

There are 2,048 things a patch can show, each a unit vector. A page shows 24 of them, often the same as other pages do
(thing i is drawn with weight 1 / (i + 20)). A patch is its thing, plus 0.35 of a noise of the page, plus 0.7 of a noise
of its own (noises are of unit length), brought to unit length. A query takes 20 patches of one page, each with 0.6 of
noise added: so its page is usually found, while the pages after it are close to each other.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colvision import maxsim

DIM, TOKENS, QUANTISATION_RANGE = 128, 20, 0.45
_THINGS, _SHOWN, _NOISES = 2048, 24, 65_536
_FEWEST, _MOST = 600, 800  # vectors of a page: 700 in the middle
_BATCH = 16  # pages made, quantised and compared at once

Floats = NDArray[np.float32]


class Sizes(NamedTuple):
    """How many pages have floats, int8 codes and sign bits: the first ones of the same pages."""

    floats: int
    codes: int
    bits: int


class SyntheticPages(NamedTuple):
    """`exact` (queries, pages) are the float32 scores of all pages; the arrays of vectors are mapped files."""

    starts: NDArray[np.int64]
    floats: Floats
    codes: NDArray[np.int8]
    bits: NDArray[np.uint64]
    queries: Floats  # (queries, t, dim)
    exact: Floats

    def best(self, query: int, pages: int, k: int = 10) -> list[int]:
        """The pages with the highest exact scores among the first `pages`."""
        return np.argsort(-self.exact[query, :pages], kind="stable")[:k].tolist()


def make(folder: Path, sizes: Sizes, *, queries: int, query_pages: int) -> SyntheticPages:
    """Writes the arrays into `folder`; queries are about pages below `query_pages`."""
    source = PageSource()
    lengths = [source.length(page) for page in range(sizes.bits)]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    floats = _file(folder / "floats.npy", np.dtype(np.float32), (int(starts[sizes.floats]), DIM))
    codes = _file(folder / "codes.npy", np.dtype(np.int8), (int(starts[sizes.codes]), DIM))
    bits = _file(folder / "bits.npy", np.dtype(np.uint64), (int(starts[sizes.bits]), DIM // 64))
    np.save(folder / "starts.npy", starts)
    query_vectors = np.stack([source.query(page) for page in np.linspace(0, query_pages - 1, queries).astype(int)])
    np.save(folder / "queries.npy", query_vectors)
    exact = np.empty((queries, sizes.bits), np.float32)
    for first, vectors in source.pages(sizes.bits):
        last = min(first + _BATCH, sizes.bits)
        begin, end = int(starts[first]), int(starts[last])
        for kept, form in ((floats, _unchanged), (codes, _quantised), (bits, maxsim.sign_bits)):
            if begin < len(kept):
                kept[begin:end] = form(vectors)[: len(kept) - begin]
        maxima = np.maximum.reduceat(vectors @ query_vectors.reshape(-1, DIM).T, starts[first:last] - begin, axis=0)
        exact[:, first:last] = maxima.reshape(last - first, queries, TOKENS).sum(axis=2).T
    return SyntheticPages(starts, floats, codes, bits, query_vectors, exact)


def read(folder: Path) -> SyntheticPages:
    """What `make` wrote, for another process; without the exact scores."""
    names = ("starts", "floats", "codes", "bits", "queries")
    arrays = [np.load(folder / f"{name}.npy", mmap_mode="r+") for name in names]
    return SyntheticPages(*arrays, exact=np.zeros((len(arrays[-1]), 0), np.float32))


def _unchanged(vectors: Floats) -> Floats:
    return vectors


def _quantised(vectors: Floats) -> NDArray[np.int8]:
    return maxsim.quantise(vectors, QUANTISATION_RANGE)


def _file(path: Path, kind: np.dtype, shape: tuple[int, ...]) -> np.memmap:
    return np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)


class PageSource:
    """Pages by their number: the same, whatever is made before them."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._things = unit(rng.standard_normal((_THINGS, DIM), dtype=np.float32))
        self._noises = unit(rng.standard_normal((_NOISES, DIM), dtype=np.float32))
        weights = 1 / (np.arange(_THINGS) + 20)
        self._ends = np.cumsum(weights / weights.sum())

    def length(self, page: int) -> int:
        return int(np.random.default_rng([1, page]).integers(_FEWEST, _MOST + 1))

    def page(self, page: int) -> Floats:
        rng = np.random.default_rng([2, page])
        n = self.length(page)
        shown = np.searchsorted(self._ends, rng.random(_SHOWN)).clip(max=_THINGS - 1)
        vectors = self._things[shown[rng.integers(0, _SHOWN, n)]]
        vectors += 0.7 * self._noises[rng.integers(0, _NOISES, n)]
        vectors += 0.35 * self._noises[rng.integers(0, _NOISES)]
        return unit(vectors)

    def query(self, page: int) -> Floats:
        rng = np.random.default_rng([3, page])
        vectors = self.page(page)
        picked = vectors[rng.integers(0, len(vectors), TOKENS)]
        return unit(picked + 0.6 * unit(rng.standard_normal((TOKENS, DIM), dtype=np.float32)))

    def pages(self, count: int) -> Iterator[tuple[int, Floats]]:
        for first in range(0, count, _BATCH):
            yield first, np.concatenate([self.page(page) for page in range(first, min(first + _BATCH, count))])


def unit(vectors: Floats) -> Floats:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
