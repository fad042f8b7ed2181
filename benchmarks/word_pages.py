"""Made-up pages of mini's kind: vectors about the vectors of words, which mini's query tower gives, in pages of a topic.

The words are those of Python's standard library. A page has its words by Zipf's law (word of rank i with weight 1 / i):
half of them in the order of ranks that all pages share, half in that of its topic, one of 400. A word is seen by two
vectors: .66 of its own direction, away from the mean of all words, and .75 of a vector of the sample manual's pages,
of unit length then, so that the similarity to the query's vector has about the mean and spread that words have on the
sample manual. A query is five words of one page, none of the 100 most frequent.
"""

import re
import sysconfig
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colvision import Library, load_encoder
from colvision.core.embedding import PageEmbedding, PatchGrid
from colvision.core.encoder import EncoderInfo

WORDS = 20_000
_TOPICS, _OF_TOPIC = 400, 0.5
_OWN, _NOISE = 0.66, 0.75
_FREQUENT = 100
_QUERY_WORDS = 5
Floats = NDArray[np.float32]


class WordPages:
    """Pages by their numbers, always the same, of `vectors` each, by the vectors of the sample manual in `sample`."""

    def __init__(self, sample: Library, vectors: int) -> None:
        self.encoder = load_encoder("mini")
        self.vectors = vectors
        self._noise = np.concatenate([_page_vectors(sample, page) for page in range(1, _sample_pages(sample) + 1)])
        weights = 1 / (np.arange(len(self.words)) + 1)
        self._ends = np.cumsum(weights / weights.sum())
        side = int(np.sqrt(vectors))
        self.grid = PatchGrid(np.arange(side * (vectors // side), dtype=np.int32).reshape(side, -1))
        self.vectors = self.grid.cells.size

    @property
    def info(self) -> EncoderInfo:
        return self.encoder.info

    @cached_property
    def words(self) -> list[str]:
        """In the order of their ranks, by lot."""
        library = Path(sysconfig.get_path("stdlib"))
        found = {
            word.lower()
            for path in sorted(library.glob("*.py"))
            for word in re.findall(r"[A-Za-z]{3,14}", path.read_text(encoding="utf-8", errors="ignore"))
        }
        words = sorted(found)
        return [words[place] for place in np.random.default_rng(0).permutation(len(words))[:WORDS]]

    @cached_property
    def _directions(self) -> Floats:
        queries = [self.encoder.encode_queries(self.words[at : at + 500]) for at in range(0, len(self.words), 500)]
        vectors = np.stack([query.vectors[0] for batch in queries for query in batch])
        return _unit(vectors - vectors.mean(axis=0))

    def _shown(self, page: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """The numbers of a page's words."""
        count = -(-self.vectors // 2)
        ranks = np.searchsorted(self._ends, rng.random(count)).clip(max=len(self.words) - 1)
        order = np.random.default_rng([1, page % _TOPICS]).permutation(len(self.words))
        return np.where(rng.random(count) < _OF_TOPIC, order[ranks], ranks)

    def page(self, page: int) -> PageEmbedding:
        rng = np.random.default_rng([2, page])
        words = np.repeat(self._shown(page, rng), 2)[: self.vectors]
        noise = self._noise[rng.integers(0, len(self._noise), self.vectors)]
        return PageEmbedding.from_patches(_unit(_OWN * self._directions[words] + _NOISE * noise), self.grid)

    def pages(self, first: int, count: int) -> Iterator[PageEmbedding]:
        return (self.page(page) for page in range(first, first + count))

    def query(self, page: int) -> str:
        shown = self._shown(page, np.random.default_rng([2, page]))
        rare = np.unique(shown[shown >= _FREQUENT])
        picked = np.random.default_rng([3, page]).choice(rare, _QUERY_WORDS, replace=False)
        return " ".join(self.words[word] for word in picked)


def _sample_pages(sample: Library) -> int:
    return sum(document.pages for document in sample.documents())


def _page_vectors(sample: Library, page: int) -> Floats:
    (document,) = sample.documents()
    return sample.page_vectors(document.id, page)


def _unit(vectors: Floats) -> Floats:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
