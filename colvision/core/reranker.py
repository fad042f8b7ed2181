"""What a reranker is to the other packages: a query and pages go in together, one score a page comes out."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from PIL import Image


class Candidate(NamedTuple):
    """A page as a reranker is shown it: its `text`, or its `image` (RGB); what it does not read is left out."""

    text: str = ""
    image: Image.Image | None = None


@runtime_checkable
class Reranker(Protocol):
    """Scores a query and a page together, where an encoder compares vectors that were made of each alone.

    `name` is told wherever its order is shown; `reads` says what of a page it is to be given.
    """

    @property
    def name(self) -> str: ...

    @property
    def reads(self) -> Literal["text", "image"]: ...

    def score(self, query: str, pages: Sequence[Candidate]) -> list[float]:
        """One score a page, in order, the higher the better: numbers of its own, which only compare with each other.

        A page's score does not depend on the pages beside it. Raises `ValueError` for a query that is too long.
        """
        ...
