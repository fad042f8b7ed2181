"""What a search answers."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

from colvision.core.embedding import Floats
from colvision.core.query import ScoredQuery

NO_MATCH = "No page matches well: too few of these words were found together. The nearest pages are shown."
# What the best page must reach, as a share of what a page gets that surely has every word once, by itself. The best of
# more pages is better by chance, about as the logarithm of their number. `benchmarks/no_match.py` measures how often
# the notice is wrong; both values were chosen on the sample manual (20 pages) and 300 pages of the development set.
_MATCHES_WELL, _MORE_PAGES = 0.04, 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """A page and why: `similarity` and `contributions` are (t,), in the order of `query.embedding.tokens`.

    `score` is the sum of `contributions` and of `score_terms`, what else the score holds, by name. `rank` counts from
    1. With text fusion the order is that of `fused`, in which `text_score` (BM25) has its part; without, both are None.
    """

    document: str
    document_id: str
    page: int
    score: float
    similarity: Floats
    contributions: Floats
    score_terms: Mapping[str, float]
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
    sign bits). `retrievers` are what the pages were found by: "maxsim", and "bm25" where the text layers
    know a word of the query and text fusion is on. `timing_ms` says how long each part took.
    """

    hits: tuple[Hit, ...]
    query: ScoredQuery
    pages: int
    mode: str
    candidates: int
    timing_ms: Mapping[str, float]
    retrievers: tuple[str, ...] = ("maxsim",)

    def __repr__(self) -> str:
        lines = "".join(f"\n  {hit!r}" for hit in self.hits)
        return f"Answer({self.query.embedding.text!r}: {len(self.hits)} of {self.pages} pages{lines})"

    @property
    def notice(self) -> str:
        """A sentence when no page matches well: the best score is low for the weights of the query's words.

        "" where the encoder's calibration gives no probability: a similarity alone does not tell.
        """
        total_weight = float(self.query.weights.sum())
        if not self.hits or not self.query.calibration.is_probability or total_weight <= 0:
            return ""
        needed = (_MATCHES_WELL + _MORE_PAGES * math.log(self.pages)) * total_weight
        return "" if max(hit.score for hit in self.hits) >= needed else NO_MATCH

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
