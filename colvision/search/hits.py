"""What a search answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from colvision.embedding import Floats, ScoredQuery

NO_MATCH = "No page matches well: none of these words was found with confidence. The nearest pages are shown."
_FOUND = 0.5  # a word is likelier on the page than not


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """A page and why: `similarity` and `contributions` are (t,), in the order of `query.embedding.tokens`.

    `score` is the sum of `contributions` and of `terms`, what else the score holds, by name. `rank` counts from 1. With
    text fusion the order is that of `fused`, in which `text_score` (BM25) has its part; without, both are None.
    """

    document: str
    document_id: str
    page: int
    score: float
    similarity: Floats
    contributions: Floats
    terms: Mapping[str, float]
    query: ScoredQuery
    rank: int
    text_score: float | None = None
    fused: float | None = None

    def __repr__(self) -> str:
        return f"Hit({self.document!r}, page {self.page}, score {self.score:.3f})"


@dataclass(frozen=True, slots=True, eq=False)
class Answer(Sequence[Hit]):
    """Hits, best first, of the `pages` that were searched.

    `mode` says how: "exact" (every page's codes were compared) or "rerank" (the codes of the best `candidates` by their
    sign bits). `arms` is what was asked: "maxsim", and "text" where the text layers know a word of the query and text
    fusion is on. `timing_ms` says how long each part took.
    """

    hits: tuple[Hit, ...]
    query: ScoredQuery
    pages: int
    mode: str
    candidates: int
    timing_ms: Mapping[str, float]
    arms: tuple[str, ...] = ("maxsim",)

    def __repr__(self) -> str:
        lines = "".join(f"\n  {hit!r}" for hit in self.hits)
        return f"Answer({self.query.embedding.text!r}: {len(self.hits)} of {self.pages} pages{lines})"

    @property
    def notice(self) -> str:
        """A sentence when no page matches well: no word of the query is likelier than not on any of the hits.

        "" where the encoder's link is no probability: a similarity alone does not tell; and where a text layer has one.
        """
        if not self.hits or not self.query.link.is_probability or any(hit.text_score for hit in self.hits):
            return ""
        surest = max(_surest(hit) for hit in self.hits)
        return "" if surest >= _FOUND else NO_MATCH

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    @overload
    def __getitem__(self, place: int) -> Hit: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, place: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[place]


def _surest(hit: Hit) -> float:
    """The chance of the word that the page holds most surely; a word of several tokens has their mean similarity."""
    embedding = hit.query.embedding
    words = {
        word for word, asked in zip(embedding.word.tolist(), embedding.is_query, strict=True) if asked and word >= 0
    }
    means = [hit.similarity[(embedding.word == word) & embedding.is_query].mean() for word in words]
    return float(hit.query.link(np.array(means, dtype=np.float32)).max()) if means else 0.0
