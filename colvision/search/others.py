"""What the further encoders of a collection find among its pages, in the same search."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import QueryEmbedding
from colvision.core.encoder import EncoderInfo
from colvision.core.query import ScoredQuery, Scores
from colvision.maxsim.selection import Pages
from colvision.search.fusion import OtherScores
from colvision.search.options import QueryRequest
from colvision.search.page_search import PageSearch
from colvision.search.ranking import ScoredPages, best_rows
from colvision.search.scan import PageTable
from colvision.store import Snapshot


@dataclass(frozen=True, slots=True, eq=False)
class OtherEncoder:
    """A further encoder of a collection, and what it has made of its pages: see `Snapshots.take_companion`."""

    name: str
    info: EncoderInfo
    snapshot: Snapshot


@dataclass(frozen=True, slots=True, eq=False)
class OtherFound:
    """What a further encoder finds for one query: `candidates` are its best pages, as rows of the collection's table.

    `known` (own pages,) are its scores where all were compared.
    """

    other: "OtherSearch"
    query: ScoredQuery
    candidates: Pages
    known: Scores | None

    def scores(self, scored: ScoredPages, own: PageSearch) -> OtherScores:
        """Of the pages that were compared by the collection's `own` encoder.

        Where this one was to choose candidates first, it compares those and the best by the own one: no other page can
        be among the best of both.
        """
        zero = self.other.search.no_match(self.query)
        wanted = scored.pages
        count = own.candidate_count(scored.options)
        if self.known is None and len(wanted) > count + len(self.candidates):
            best = scored.pages[best_rows(scored.query.scores(scored.maxima), count)]
            wanted = np.union1d(best, self.candidates)
        scores = np.full(len(scored.pages), zero, np.float64)
        scores[np.searchsorted(scored.pages, wanted)] = self._scores(wanted, zero)
        return OtherScores(self.other.name, self.query, scores, zero)

    def _scores(self, pages: Pages, zero: float) -> Scores:
        rows = self.other.row_of[pages]
        is_read = rows >= 0
        scores = np.full(len(pages), zero, np.float64)
        if self.known is not None:
            scores[is_read] = self.known[rows[is_read]]
        else:
            compared, place = np.unique(rows[is_read], return_inverse=True)
            scores[is_read] = self.other.search.scores(self.query, compared)[place]
        return scores


@dataclass(frozen=True, slots=True, eq=False)
class OtherSearch:
    """A further encoder's pages under the filter of a search.

    `row_of` (pages of the collection's table,) is the row in its own table, -1 where it has not read a page; `owner` is
    the other way round.
    """

    name: str
    fingerprint: str
    search: PageSearch
    row_of: NDArray[np.int64]
    owner: NDArray[np.int64]

    @classmethod
    def of(cls, other: OtherEncoder, own: PageSearch) -> "OtherSearch":
        table = PageTable.of(other.snapshot, own.table.device)
        owner = own.table.find(table.document, table.page)
        row_of = np.full(len(own.table), -1, np.int64)
        row_of[owner[owner >= 0]] = np.flatnonzero(owner >= 0)
        may_be_found = np.zeros(len(own.table) + 1, np.bool_)  # the last one, of row -1, may not
        may_be_found[own.pages] = True
        search = PageSearch(table, other.info, np.flatnonzero(may_be_found[owner]), own.memory)
        return cls(other.name, other.info.fingerprint, search, row_of, owner)

    def find(self, embedding: QueryEmbedding, request: QueryRequest) -> OtherFound:
        """Raises `LibraryDamaged`."""
        own = QueryRequest(embedding, request.options)
        known = None
        if self.search.has_first_stage(request.options):
            [pages] = self.search.select_candidates([own])
            query = self.search.weigh(embedding, embedding.weights)
        else:
            [scored] = self.search.scan([own])
            query, scores = scored.query, scored.query.scores(scored.maxima)
            known = np.full(len(self.search.table), np.nan)
            known[scored.pages] = scores
            pages = scored.pages[best_rows(scores, self.search.candidate_count(request.options))]
        return OtherFound(self, query, np.sort(self.owner[pages]), known)

    @property
    def notice(self) -> str:
        """That it has not read all pages, "" if it has."""
        read = int((self.row_of >= 0).sum())
        return f"{self.name} has read {read} of {len(self.row_of)} pages." if read < len(self.row_of) else ""


@dataclass(frozen=True, slots=True)
class OthersFound:
    """What further encoders find for one request, how long each took, and what is to be said of them."""

    found: Mapping[str, OtherFound]
    timing_ms: Mapping[str, float]
    notices: tuple[str, ...]


def ask_others(request: QueryRequest, others: Mapping[str, OtherSearch]) -> OthersFound:
    """Asks those that the request has a query for. Raises `LibraryDamaged`."""
    found, timing_ms = {}, {}
    notices = list(request.notices)
    for each in request.others:
        other = others.get(each.name)
        if other is None or other.fingerprint != each.fingerprint:
            notices.append(f"{each.name} was not asked: it was removed a moment ago.")
            continue
        started = time.perf_counter()
        found[each.name] = other.find(each.query, request)
        timing_ms[each.name] = (time.perf_counter() - started) * 1000
        notices += filter(None, [other.notice])
    return OthersFound(found, timing_ms, tuple(notices))
