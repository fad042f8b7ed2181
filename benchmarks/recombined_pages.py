"""Made-up pages of mini's kind, as many as wanted: the vectors of real ones, put together anew.

A page takes three quarters of its vectors from three pages of one document and the rest from all pages, each with .3 of
noise (a normal deviate with the covariance of all, of unit length) added, and brought to unit length. So its words are
seen as mini sees words, as often and as near to each other as in real manuals. Drawn around words' query vectors
instead, pages hold many words that look alike and that mini tells apart, and no first stage would have it easy.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import PageEmbedding, PatchGrid
from colvision.maxsim import dequantise
from colvision.store import Store

_FROM = 3
_OF_ALL = 0.25
_NOISE, _NOISES = 0.3, 1 << 16
Floats = NDArray[np.float32]


class RecombinedPages:
    """Pages by their numbers, always the same, of `vectors` each, from the largest collection of a library."""

    def __init__(self, library: Path, vectors: int) -> None:
        with Store(library, create=False) as store:
            name = max((row.name for row in store.collections()), key=lambda name: store.snapshot(name).pages)
            snapshot = store.snapshot(name)
            assert snapshot.collection.info is not None
            self.info = snapshot.collection.info
            self._codes = np.concatenate([part.shard.codes for part in snapshot.shards])
            counts = np.concatenate([np.diff(part.shard.starts) for part in snapshot.shards])
            documents = np.concatenate([part.document for part in snapshot.shards])
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self._pages_of = [np.flatnonzero(documents == key) for key in np.unique(documents)]
        self._share = np.array([len(pages) for pages in self._pages_of]) / len(documents)
        some = dequantise(self._codes[:: max(len(self._codes) // 20_000, 1)], self.info.quantisation_range)
        axes = np.linalg.cholesky(np.cov(some.T) + 1e-6 * np.eye(some.shape[1])).T
        self._noise = _unit(np.random.default_rng(0).standard_normal((_NOISES, len(axes))) @ axes)
        rows = int(np.sqrt(vectors))
        self.grid = PatchGrid.full(rows, vectors // rows)

    def page(self, page: int) -> PageEmbedding:
        rng = np.random.default_rng([1, page])
        count = int(self.grid.cells.size)
        own = self._pages_of[rng.choice(len(self._pages_of), p=self._share)]
        pages = own[rng.integers(0, len(own), _FROM)]
        places = rng.random(count)
        of_page = pages[rng.integers(0, _FROM, count)]
        first, last = self._starts[of_page], self._starts[of_page + 1]
        chosen = np.where(
            rng.random(count) < _OF_ALL, places * len(self._codes), first + places * (last - first)
        ).astype(np.int64)
        vectors = dequantise(self._codes[chosen], self.info.quantisation_range)
        noise = self._noise[rng.integers(0, _NOISES, count)]
        return PageEmbedding.from_patches(_unit(_unit(vectors) + _NOISE * noise), self.grid)


def _unit(vectors: NDArray[np.floating]) -> Floats:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
