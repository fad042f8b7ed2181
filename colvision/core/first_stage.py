"""What a first stage from outside is to the other packages: it chooses the pages that a search compares."""

from typing import NamedTuple, Protocol, runtime_checkable

from colvision.core.embedding import Floats


class PageScope(NamedTuple):
    """Which pages may be chosen: those of `documents` (ids) that have one of these numbers, each None for all."""

    documents: tuple[str, ...] | None = None
    pages: tuple[int, ...] | None = None


class FoundPage(NamedTuple):
    """A page by its document's id and its number from 1. `score` is the first stage's own, the higher the better;
    `fingerprint` is that of the encoder whose vectors were compared.
    """

    document: str
    page: int
    score: float
    fingerprint: str


@runtime_checkable
class FirstStage(Protocol):
    """Finds candidates among pages that it holds itself, such as an engine that they were exported to.

    `name` is told in the answer, `pages` is how many it holds.
    """

    @property
    def name(self) -> str: ...

    @property
    def pages(self) -> int: ...

    def find(self, query: Floats, count: int, scope: PageScope) -> list[FoundPage]:
        """Its `count` best pages, best first. `query` (t, dim) are the tokens, each times its weight."""
        ...
