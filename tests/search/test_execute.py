"""Which pages are compared, and how: every way gives a page the same score."""

import tracemalloc

import numpy as np
import pytest

from colvision.maxsim.binary import FIRST_STAGE_PAGES
from colvision.search import (
    Filter,
    QueryRequest,
    SearchOptions,
    execute,
    page_search,
    parse_filter,
    search_many,
    search_pages,
)
from colvision.search.scan import PageTable
from tests.helpers.random_collections import PAGES_A_DOCUMENT, PLAIN, SHARP, made_pages, made_snapshot, query_near

LARGE = FIRST_STAGE_PAGES + 400


@pytest.fixture(scope="module")
def pages():
    return made_pages(np.random.default_rng(0), LARGE)


@pytest.fixture(scope="module")
def large(pages, tmp_path_factory):
    return made_snapshot(tmp_path_factory.mktemp("large"), pages)


@pytest.fixture
def queries(pages):
    rng = np.random.default_rng(1)
    return [query_near(rng, pages[place], tokens=int(rng.integers(1, 9))) for place in rng.integers(0, LARGE, 12)]


def ranked(answer):
    return [(hit.document, hit.page, hit.score) for hit in answer]


def exactly(snapshot, query, *, info=PLAIN, **options):
    return search_pages(snapshot, query, info=info, options=SearchOptions(mode="exact", **options))


def test_above_a_size_candidates_are_chosen_by_sign_bits_and_the_answer_says_so(large, queries):
    answer = search_pages(large, queries[0], info=PLAIN)
    assert (answer.mode, answer.pages, answer.candidates) == ("rerank", LARGE, 256)
    assert set(answer.timing_ms) == {"first_stage", "rerank", "total"}
    whole = exactly(large, queries[0])
    assert (whole.mode, whole.pages, whole.candidates) == ("exact", LARGE, LARGE)
    assert set(whole.timing_ms) == {"score", "total"}


def test_the_page_a_query_was_made_from_comes_first_with_its_exact_score(large, queries):
    for query in queries:
        assert ranked(search_pages(large, query, info=PLAIN))[0] == ranked(exactly(large, query))[0]


def test_a_page_has_the_same_score_in_both_modes(large, queries):
    for query in queries:
        everywhere = {hit[:2]: hit[2] for hit in ranked(exactly(large, query, k=LARGE))}
        found = ranked(search_pages(large, query, info=PLAIN))
        assert found and all(everywhere[hit[:2]] == hit[2] for hit in found)


def test_a_probability_link_is_scanned_whatever_the_size(large, queries):
    answer = search_pages(large, queries[0], info=SHARP)
    assert (answer.mode, answer.candidates) == ("exact", LARGE)


def test_more_pages_than_candidates_can_be_found(large, queries):
    answer = search_pages(large, queries[0], info=PLAIN, options=SearchOptions(k=300))
    assert len(answer) == 300 and answer.candidates == 1200


@pytest.mark.parametrize(("info", "scans"), [(PLAIN, 0), (SHARP, 1)], ids=["plain", "sharp"])
def test_a_query_is_weighed_as_its_search_does_with_no_more_passes_than_that_takes(
    large, queries, monkeypatch, info, scans
):
    searched = search_pages(large, queries[0], info=info).query
    maxima, compared = page_search.code_maxima, []
    monkeypatch.setattr(page_search, "code_maxima", lambda *given: compared.append(1) or maxima(*given))
    monkeypatch.setattr(execute, "rank_pages", lambda *_: pytest.fail("pages are ranked"))
    query = execute.weigh_query(large, queries[0], info=info)
    assert (query.weights.tolist(), query.calibration, query.fingerprint, query.mean_vectors) == (
        searched.weights.tolist(),
        searched.calibration,
        searched.fingerprint,
        searched.mean_vectors,
    )
    assert len(compared) == scans


@pytest.mark.parametrize("info", [PLAIN, SHARP], ids=["plain", "sharp"])
@pytest.mark.parametrize("mode", ["auto", "exact"])
def test_queries_that_come_together_get_the_answers_that_each_gets_alone(large, queries, info, mode):
    where = [None, parse_filter("number<3 and page in 2-9"), parse_filter("number>=5")]
    requests = [
        QueryRequest(query, SearchOptions(k=3 + i % 4, where=where[i % 3], mode=mode, soft_idf=i % 5 > 0))
        for i, query in enumerate(queries)
    ]
    together = search_many(large, requests, info=info)
    for request, answer in zip(requests, together, strict=True):
        alone = search_pages(large, request.query, info=info, options=request.options)
        assert ranked(answer) == ranked(alone) and len(alone) == request.options.k
        assert (answer.mode, answer.pages, answer.candidates) == (alone.mode, alone.pages, alone.candidates)
        np.testing.assert_array_equal(answer.query.weights, alone.query.weights)


def test_queries_that_want_the_same_pages_share_the_second_stage_and_its_answers(large, pages):
    rng = np.random.default_rng(2)
    alike = [query_near(rng, pages[7], tokens=tokens) for tokens in (3, 5, 8, 8, 8, 8)] * 2
    together = search_many(large, [QueryRequest(query) for query in alike], info=PLAIN)
    for query, answer in zip(alike, together, strict=True):
        assert ranked(answer) == ranked(search_pages(large, query, info=PLAIN)) and answer.mode == "rerank"


def test_little_memory_means_smaller_batches_and_the_same_answers(large, queries):
    requests = [QueryRequest(query, SearchOptions(mode="exact")) for query in queries * 2]
    search_many(large, requests[:1], info=PLAIN)  # what is loaded once is no part of it
    peaks = {}
    for memory in (64 << 20, 100_000):
        tracemalloc.start()
        answers = search_many(large, requests, info=PLAIN, memory=memory)
        peaks[memory] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert [ranked(answer) for answer in answers] == [ranked(exactly(large, request.query)) for request in requests]
    assert peaks[100_000] < peaks[64 << 20] / 2


def test_a_filter_cuts_pages_and_changes_no_score(large, queries):
    where = Filter.of({"number": {"<": 2}, "page": [1, 2, 3]})
    for info in (PLAIN, SHARP):
        answer = search_pages(large, queries[0], info=info, options=SearchOptions(where=where))
        assert answer.pages == len(answer) == 6
        assert {hit.document for hit in answer} == {"d000", "d001"} and {hit.page for hit in answer} == {1, 2, 3}
        whole = search_pages(large, queries[0], info=info)
        np.testing.assert_array_equal(answer.query.weights, whole.query.weights)
    everywhere = {hit[:2]: hit[2] for hit in ranked(exactly(large, queries[0], k=LARGE))}
    few = search_pages(large, queries[0], info=PLAIN, options=SearchOptions(where=where))
    assert all(everywhere[hit[:2]] == hit[2] for hit in ranked(few))


def test_a_filter_that_leaves_few_pages_of_many_means_a_scan_of_those(large, queries):
    answer = search_pages(large, queries[0], info=PLAIN, options=SearchOptions(where=parse_filter("number=3")))
    assert (answer.mode, answer.pages, answer.candidates) == ("exact", PAGES_A_DOCUMENT, PAGES_A_DOCUMENT)


def test_a_filter_that_leaves_no_page_answers_with_nothing(large, queries):
    for info in (PLAIN, SHARP):
        options = SearchOptions(where=parse_filter("number=3 and number=4"))
        answer = search_pages(large, queries[0], info=info, options=options)
        assert len(answer) == answer.pages == answer.candidates == 0


def test_deleted_pages_are_never_found_in_either_mode(pages, queries, tmp_path):
    dead = frozenset(range(0, LARGE, 7))
    snapshot = made_snapshot(tmp_path, pages, dead=dead)
    gone = {(f"d{place // PAGES_A_DOCUMENT:03}", place % PAGES_A_DOCUMENT + 1) for place in dead}
    for mode in ("auto", "exact"):
        for query in queries:
            answer = search_pages(snapshot, query, info=PLAIN, options=SearchOptions(k=50, mode=mode))
            assert (answer.pages, len(answer)) == (LARGE - len(dead), 50)
            assert not gone & {(hit.document, hit.page) for hit in answer}


def test_a_table_finds_every_page_where_it_lies(large, pages):
    table = PageTable.of(large)
    assert len(table) == LARGE
    for row in (0, 1, LARGE // 3, LARGE // 3 + 1, LARGE - 1):
        assert len(table.read_page(row).codes) == len(pages[row])
    assert table.mean_vectors == pytest.approx(np.mean([len(page) for page in pages]))


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="expected 'auto' or 'exact'"):
        SearchOptions(mode="fast")
