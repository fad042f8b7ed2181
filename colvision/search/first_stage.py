"""The candidates of a first stage from outside, such as an engine, as pages of a collection."""

import time
from typing import NamedTuple

import numpy as np

from colvision.core.embedding import QueryEmbedding
from colvision.core.encoder import EncoderInfo
from colvision.core.first_stage import FirstStage, PageScope
from colvision.core.page import PageId
from colvision.errors import EncoderMismatch
from colvision.maxsim.int8 import rounded_query
from colvision.search.options import SearchOptions
from colvision.search.scan import PageTable, pages_in_scope
from colvision.store import Snapshot

_CANDIDATES = 256  # as many as the sign bits choose: see `PageSearch`


class StagedPages(NamedTuple):
    """What a first stage has found for a query, in `seconds`; `notices` are sentences on what it does not hold."""

    pages: tuple[PageId, ...]
    notices: tuple[str, ...]
    seconds: float


def ask_first_stage(
    stage: FirstStage, snapshot: Snapshot, query: QueryEmbedding, *, info: EncoderInfo, options: SearchOptions
) -> StagedPages:
    """Raises `EncoderMismatch` where it holds the vectors of another encoder, and what the stage itself raises."""
    started = time.perf_counter()
    counts = query.weights > 0
    tokens = rounded_query(query.vectors[counts]) * query.weights[counts, None]
    scope = _scope(PageTable.of(snapshot), options)
    found = stage.find(tokens, max(_CANDIDATES, 4 * options.k), scope)
    other = next((each.fingerprint for each in found if each.fingerprint != info.fingerprint), None)
    if other is not None:
        raise EncoderMismatch(
            f"{stage.name} holds pages of another encoder (fingerprint {other[:12]}), not of {info.name} "
            f"({info.fingerprint[:12]}): run `colvision export` again"
        )
    held, pages = stage.pages, snapshot.pages
    notices = () if held == pages else (f"{stage.name} holds {held} pages, the collection {pages}: export it again.",)
    ids = tuple(PageId(each.document, each.page) for each in found)
    return StagedPages(ids, notices, time.perf_counter() - started)


def _scope(table: PageTable, options: SearchOptions) -> PageScope:
    """As an engine can be told: it may let more pages through than the filter, which the search still holds to."""
    pages = pages_in_scope(table, options)
    if pages is None:
        return PageScope()
    keys = np.unique(table.document[pages])
    documents = tuple(sorted(table.snapshot.documents[key].id for key in keys.tolist()))
    is_whole = len(pages) == int(np.isin(table.document, keys).sum())
    return PageScope(documents, None if is_whole else tuple(np.unique(table.page[pages]).tolist()))
