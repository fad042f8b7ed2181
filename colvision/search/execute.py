"""Which pages are compared, and how. Queries that come together share every pass over the pages.

A scan compares the int8 codes of all pages. A first stage chooses pages, and their codes alone are compared: inverted
lists for calibrations to probabilities, where shards have them (see `lists`), and the sign bits of all pages for plain
MaxSim, above `FIRST_STAGE_PAGES`. A steep calibration needs more than signs tell: among 1,685 scanned pages of `mini`,
the best 200 by sign bits hold .62 of the ten best.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import groupby

import numpy as np

from colvision.core.embedding import QueryEmbedding
from colvision.core.encoder import EncoderInfo
from colvision.core.query import SEEN, ScoredQuery, word_values
from colvision.maxsim.selection import Pages
from colvision.search.device import SearchDevice
from colvision.search.options import QueryRequest, SearchOptions
from colvision.search.others import OtherEncoder, OtherSearch, OthersFound, ask_others
from colvision.search.page_search import SEARCH_BYTES, PageSearch
from colvision.search.ranking import ScoredPages, rank_pages, with_text_scale
from colvision.search.results import Answer
from colvision.search.scan import PageTable, pages_in_scope
from colvision.store import Snapshot
from colvision.store.fulltext import TextScores


def search_pages(
    snapshot: Snapshot,
    query: QueryEmbedding,
    *,
    info: EncoderInfo,
    options: SearchOptions | None = None,
    texts: TextScores | None = None,
) -> Answer:
    """One query's answer.

    score(page) = sum over tokens of weight * calibration(max over the page's vectors of the similarity), and the terms
    of `score_terms`. Ties break by document name, then page. Filters cut pages before they are scored and change no
    score: idf is the collection's.
    """
    return search_many(snapshot, [QueryRequest(query, options or SearchOptions(), texts)], info=info)[0]


def search_many(
    snapshot: Snapshot,
    requests: Sequence[QueryRequest],
    *,
    info: EncoderInfo,
    memory: int = SEARCH_BYTES,
    others: Mapping[str, OtherEncoder] | None = None,
    device: SearchDevice | None = None,
) -> list[Answer]:
    """The answers to several queries, the same as one by one; those with the same filter share the passes.

    `others` are the further encoders that the requests name, each of which compares query by query. `memory` bounds the
    bytes that a pass holds beside the mapped shards, as far as one query allows. `device` compares the shards that it
    holds.
    """
    table = PageTable.of(snapshot, device)
    answers: dict[int, Answer] = {}
    order = sorted(range(len(requests)), key=lambda i: _scope_key(requests[i]))
    for _, group in groupby(order, key=lambda i: _scope_key(requests[i])):
        positions = list(group)
        search = PageSearch(table, info, pages_in_scope(table, requests[positions[0]].options), memory)
        searches = {name: OtherSearch.of(other, search) for name, other in (others or {}).items()}
        for batch in search.batches(positions, requests):
            answers.update(zip(batch, _answers(search, [requests[i] for i in batch], searches), strict=True))
    return [answers[i] for i in range(len(requests))]


def weigh_query(
    snapshot: Snapshot,
    query: QueryEmbedding,
    *,
    info: EncoderInfo,
    texts: TextScores | None = None,
    device: SearchDevice | None = None,
) -> ScoredQuery:
    """A query with the weights that a search of the whole collection gives its tokens.

    Pages are compared where those are expected document frequencies, and not at all where they are the query's own.
    """
    search = PageSearch(PageTable.of(snapshot, device), info, None, SEARCH_BYTES)
    request = QueryRequest(query, texts=texts)
    if search.is_weighed(request):
        [scored] = search.scan([request])
        weighed = scored.query
    else:
        weighed = search.weigh(query, query.weights)
    return with_text_scale(weighed, texts, 0.0 if texts is None else search.no_match(weighed))


def _scope_key(request: QueryRequest) -> str:
    options = request.options
    documents = None if options.documents is None else sorted(options.documents)
    return repr((documents, options.where, options.mode, options.first_stage, request.query.is_example))


def _answers(search: PageSearch, requests: Sequence[QueryRequest], others: Mapping[str, OtherSearch]) -> list[Answer]:
    """The answers to requests of one filter. Raises `LibraryDamaged`."""
    started = time.perf_counter()
    asked = [ask_others(request, others) for request in requests]
    found, spent, mode = compare_pages(search, requests, asked)
    answers = []
    for scored, of_others in zip(found, asked, strict=True):
        fusing = time.perf_counter()
        scored = _with_others(search, scored, of_others)
        ranked = rank_pages(search.table, scored, search.info.quantisation_range)
        fused = {"fusion": (time.perf_counter() - fusing) * 1000} if scored.others else {}
        timing = {**of_others.timing_ms, **spent, **fused, "total": (time.perf_counter() - started) * 1000}
        hits = ranked.hits(scored.options.k)
        answer = Answer(hits, ranked.query, len(search.pages), mode, len(scored.pages), timing, retrievers(scored))
        answers.append(replace(answer, unseen=unseen_codes(scored), notices=of_others.notices))
    return answers


def retrievers(scored: ScoredPages) -> tuple[str, ...]:
    stage = scored.options.first_stage
    first = [] if stage is None else [stage if isinstance(stage, str) else stage.name]
    texts = [] if scored.texts is None else ["bm25"]
    return (*first, "maxsim", *texts, *(other.name for other in scored.others))


def compare_pages(
    search: PageSearch, requests: Sequence[QueryRequest], asked: Sequence[OthersFound]
) -> tuple[list[ScoredPages], dict[str, float], str]:
    """Each query and the codes of the pages that can be among its best; milliseconds; how it was done."""
    started = time.perf_counter()
    options = requests[0].options
    if options.first_stage is not None:
        narrowed = [_narrowed(search, *each) for each in zip(requests, asked, strict=True)]
        if search.reads_lists(options, is_example=requests[0].query.is_example):
            found = search.rerank(requests, narrowed, search.weigh_by_lists(requests))
        elif search.info.calibration.is_probability:  # whose weights are those of all pages
            found = [_cut(*each) for each in zip(search.scan(requests), narrowed, strict=True)]
        else:
            found = search.rerank(requests, narrowed)
        return found, {"rerank": (time.perf_counter() - started) * 1000}, "rerank"
    by_lists = search.reads_lists(options, is_example=requests[0].query.is_example)
    if not by_lists and not search.has_first_stage(options):
        return search.scan(requests), {"score": (time.perf_counter() - started) * 1000}, "exact"
    queries, selected = search.select_by_lists(requests) if by_lists else (None, search.select_candidates(requests))
    candidates = [
        reduce(np.union1d, (each.candidates for each in of_others.found.values()), pages)
        for pages, of_others in zip(selected, asked, strict=True)
    ]
    first_stage_done = time.perf_counter()
    found = search.rerank(requests, candidates, queries)
    spent = {
        "first_stage": (first_stage_done - started) * 1000,
        "rerank": (time.perf_counter() - first_stage_done) * 1000,
    }
    return found, spent, "lists" if by_lists else "rerank"


def _narrowed(search: PageSearch, request: QueryRequest, asked: OthersFound) -> Pages:
    """The best pages by the first stage; all where that is a further encoder that has gone, as the answer says."""
    stage = request.options.first_stage
    if isinstance(stage, str):
        found = asked.found.get(stage)
        return search.pages if found is None else found.candidates
    keys = {row.id: row.key for row in search.table.snapshot.documents.values()}
    known = [(keys[each.document], each.page) for each in request.candidates if each.document in keys]
    documents, pages = np.array(known, np.int64).reshape(-1, 2).T
    rows = np.unique(search.table.find(documents, pages.astype(np.int32)))
    return np.intersect1d(rows[rows >= 0], search.pages)


def _cut(scored: ScoredPages, pages: Pages) -> ScoredPages:
    return replace(scored, pages=pages, maxima=scored.maxima[np.searchsorted(scored.pages, pages)])


def _with_others(search: PageSearch, scored: ScoredPages, asked: OthersFound) -> ScoredPages:
    """With the scores of further encoders; the order is the own one alone where one of them was a first stage."""
    if not asked.found or scored.options.first_stage is not None:
        return scored
    others = tuple(each.scores(scored, search) for each in asked.found.values())
    return replace(scored, others=others, floor=search.no_match(scored.query))


def unseen_codes(scored: ScoredPages) -> tuple[str, ...]:
    """The words of a query with a digit in them that no page was seen to have."""
    query = scored.query
    if not query.calibration.is_probability or query.embedding.is_example or not len(scored.maxima):
        return ()
    best = word_values(query.embedding, query.calibration, scored.maxima).max(axis=0)  # (t,)
    words = query.embedding.tokens_of_words()
    return tuple(word for word, [token, *_] in words if best[token] < SEEN and any(map(str.isdigit, word)))
