"""What a search is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from colvision.embedding import ScoredQuery
from colvision.shard import ShardPage

# What a page's score holds beside MaxSim, by name: the best candidates' stored codes and grid are asked for it.
Terms = Callable[[ScoredQuery, ShardPage], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """`k` best pages; of `documents` only (ids) if given; `soft_idf` weighs rare words up where the link allows it."""

    k: int = 10
    documents: frozenset[str] | None = None
    soft_idf: bool = True
    terms: Terms | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k is {self.k}; ask for at least one page")
