"""What a search is to find, and how."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from colvision.core.embedding import QueryEmbedding
from colvision.core.first_stage import FirstStage
from colvision.core.names import MAIN_ENCODER
from colvision.core.page import PageId
from colvision.search.filters import Filter
from colvision.search.statistics import CollectionStatistics
from colvision.store.fulltext import TextScores

Mode = Literal["auto", "exact"]


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """The `k` best pages; only of `documents` (ids) and `where` it holds, if given.

    `mode` "exact" compares every page's codes, "auto" may choose candidates by their sign bits first. `soft_idf` weighs
    rare words up where the calibration gives probabilities. `text_fusion` orders pages by their text layers, too; None
    does where MaxSim adds up probabilities, for which the fusion was measured. `exact_words` looks for the query's own
    words alone, where the encoder knows translations of them. `encoders` are the names of the further encoders to ask,
    None for those that `default_encoders` says. With `first_stage` the best pages by the further encoder of this name
    are compared alone, and ordered by the collection's own; so are the pages that a `FirstStage` finds.
    """

    k: int = 10
    documents: frozenset[str] | None = None
    where: Filter | None = None
    mode: Mode = "auto"
    soft_idf: bool = True
    text_fusion: bool | None = None
    exact_words: bool = False
    encoders: frozenset[str] | None = None
    first_stage: str | FirstStage | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k is {self.k}; ask for at least one page")
        if self.mode not in ("auto", "exact"):
            raise ValueError(f"mode is {self.mode!r}; expected 'auto' or 'exact'")
        if self.first_stage is not None and self.mode == "exact":
            raise ValueError("mode 'exact' compares every page, a first stage leaves most out: give one of the two")
        if self.first_stage is not None and (self.encoders or frozenset()) - {MAIN_ENCODER}:
            raise ValueError("after a first stage the collection's own encoder orders alone: leave the encoders out")


class OtherQuery(NamedTuple):
    """A query as a further encoder reads it, which is called `name`."""

    name: str
    fingerprint: str
    query: QueryEmbedding


class QueryRequest(NamedTuple):
    """One query and how it is to be answered; `texts` is what the text layers say of it, None without text fusion.

    `others` is the same query by further encoders, `notices` what is to be said of those that could not be asked.
    `statistics` are those of the collection that the searched one is a part of, None for all of it.
    `candidates` are what a `FirstStage` has found.
    """

    query: QueryEmbedding
    options: SearchOptions = SearchOptions()
    texts: TextScores | None = None
    others: tuple[OtherQuery, ...] = ()
    notices: tuple[str, ...] = ()
    statistics: CollectionStatistics | None = None
    candidates: tuple[PageId, ...] = ()
