"""What a search answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

from colvision.embedding import Floats, ScoredQuery


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """A page and why: `similarity` and `contributions` are (t,), in the order of `query.embedding.tokens`.

    `score` is the sum of `contributions` and of `terms`, what else the score holds, by name.
    """

    document: str
    document_id: str
    page: int
    score: float
    similarity: Floats
    contributions: Floats
    terms: Mapping[str, float]
    query: ScoredQuery

    def __repr__(self) -> str:
        return f"Hit({self.document!r}, page {self.page}, score {self.score:.3f})"


@dataclass(frozen=True, slots=True, eq=False)
class Answer(Sequence[Hit]):
    """Hits, best first; how many pages were searched, in which mode, and how long each part took."""

    hits: tuple[Hit, ...]
    query: ScoredQuery
    pages: int
    mode: str
    timing_ms: Mapping[str, float]

    def __repr__(self) -> str:
        lines = "".join(f"\n  {hit!r}" for hit in self.hits)
        return f"Answer({self.query.embedding.text!r}: {len(self.hits)} of {self.pages} pages{lines})"

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
