"""Searches by inverted lists: every answer has the scores that `exact` gives, and the pages, as a rule."""

from dataclasses import replace

import numpy as np
import pytest

from colvision.core.embedding import QueryEmbedding
from colvision.maxsim import inverted_lists
from colvision.search import QueryRequest, SearchOptions, parse_filter, search_many, search_pages
from colvision.search.execute import weigh_query
from colvision.search.lists import NONE, list_maxima
from colvision.search.scan import PageTable, code_maxima
from colvision.store import Store
from tests.helpers.word_vectors import DIRECTIONS, INFO, WORDS, add, query, query_about

DOCUMENTS = 40  # 800 pages, of which the first 600 have lists


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lists")
    with pytest.MonkeyPatch.context() as patch, Store(folder / "library") as store:
        patch.setattr(inverted_lists, "LISTS_PAGES", 500)
        for document in range(DOCUMENTS):
            add(
                store, folder, document, texts=document % 2 == 0, name=f"{WORDS[300]} list.pdf" if document == 7 else ""
            )
        store.compact()
        yield store


@pytest.fixture(scope="module")
def snapshot(store):
    return store.snapshot("default")


QUERIES = [query_about(document, page) for document in range(0, DOCUMENTS, 2) for page in (1, 9)]


def answer(snapshot, asked, *, mode="auto", texts=None, **options):
    return search_pages(snapshot, asked, info=INFO, options=SearchOptions(mode=mode, **options), texts=texts)


def ranked(found):
    return [(hit.document, hit.page, hit.score) for hit in found]


def places(found):
    return {(hit.document, hit.page) for hit in found}


def test_shards_have_lists_and_the_answer_says_that_it_read_them(snapshot):
    assert all(part.centroids is not None and part.shard.bits is not None for part in snapshot.shards)
    found = answer(snapshot, QUERIES[0])
    assert (found.mode, found.pages) == ("lists", 800) and found.candidates < 800
    assert set(found.timing_ms) == {"first_stage", "rerank", "total"}
    assert answer(snapshot, QUERIES[0], mode="exact").mode == "exact"


@pytest.mark.parametrize("soft_idf", [True, False])
def test_answers_are_those_of_an_exact_search(snapshot, soft_idf):
    found = [answer(snapshot, asked, soft_idf=soft_idf) for asked in QUERIES]
    every = [answer(snapshot, asked, mode="exact", soft_idf=soft_idf, k=800) for asked in QUERIES]
    for one, whole in zip(found, every, strict=True):
        scores = {hit.document + str(hit.page): hit.score for hit in whole}
        assert all(scores[hit.document + str(hit.page)] == hit.score for hit in one)
    shares = [len(places(one) & places(whole.hits[:10])) / 10 for one, whole in zip(found, every, strict=True)]
    assert np.mean(shares) >= 0.99


def test_similarities_of_what_lists_hold_are_near_the_exact_ones(snapshot):
    table = PageTable.of(snapshot)
    for asked in QUERIES[:5]:
        found = list_maxima(table, asked, INFO)
        exact = code_maxima(table, found.pages, asked.vectors, INFO.quantisation_range)
        is_there = found.maxima > NONE
        differences = np.abs(found.maxima - exact)[is_there]  # the best vector may be in another list
        assert np.quantile(differences, 0.99) < 0.15 and differences.mean() < 0.03
        likely = INFO.calibration(code_maxima(table, np.arange(800), asked.vectors, INFO.quantisation_range)) > 0.5
        assert likely.sum() <= 1.02 * (INFO.calibration(found.of(np.arange(800))) > 0.3).sum()


def test_weights_are_near_those_of_all_pages(snapshot, monkeypatch):
    by_lists = [weigh_query(snapshot, asked, info=INFO).weights for asked in QUERIES]
    without = replace(snapshot, shards=tuple(replace(part, centroids=None) for part in snapshot.shards))
    of_all = [weigh_query(without, asked, info=INFO).weights for asked in QUERIES]
    differences = np.concatenate(by_lists) - np.concatenate(of_all)
    assert np.abs(differences).max() < 0.5 and abs(differences.mean()) < 0.2
    monkeypatch.setattr("colvision.search.lists._UNREAD_SHARE", 0.0)
    read_alone = np.concatenate([weigh_query(snapshot, asked, info=INFO).weights for asked in QUERIES])
    assert (read_alone >= np.concatenate(by_lists) - 1e-6).all()


def test_filters_cut_pages_and_change_no_score(snapshot):
    for asked in QUERIES[:6]:
        every = {hit[:2]: hit[2] for hit in ranked(answer(snapshot, asked, mode="exact", k=800))}
        where = parse_filter("page in 3-9 and document!=d004.pdf")
        some = answer(snapshot, asked, where=where)
        assert some.mode == "lists" and some.pages == 39 * 7 and len(some) == 10
        assert all(3 <= hit.page <= 9 and hit.document != "d004.pdf" for hit in some)
        assert all(every[hit[:2]] == hit[2] for hit in ranked(some))
        exact = answer(snapshot, asked, where=where, mode="exact")
        assert ranked(exact)[:5] == ranked(some)[:5]
    few = answer(snapshot, QUERIES[0], documents=frozenset([snapshot.documents[3].id]), k=50)
    assert len(few) == 20 and {hit.document for hit in few} == {"d002.pdf"}


def test_queries_together_have_the_answers_that_each_has_alone(snapshot):
    asked = [QueryRequest(each, SearchOptions(k=k)) for each, k in zip(QUERIES, [1, 10, 30] * 20, strict=False)]
    together = search_many(snapshot, asked, info=INFO)
    assert [ranked(each) for each in together] == [
        ranked(answer(snapshot, request.query, k=request.options.k)) for request in asked
    ]


def test_a_word_that_is_nowhere_still_gives_as_many_pages_as_asked_for(snapshot):
    nowhere = QueryEmbedding.of_words("nowhere", ["nowhere"], -DIRECTIONS[:1])
    found = answer(snapshot, nowhere, k=25)
    assert len(found) == 25 and found.mode == "lists" and found.notice


def test_pages_whose_text_or_name_alone_has_a_word_are_candidates(store, snapshot):
    unseen = QueryEmbedding.of_words(WORDS[300], [WORDS[300]], unit_of(-DIRECTIONS[300]))
    texts = store.text_scores("default", WORDS[300])
    assert len(texts.page_keys)
    found = answer(snapshot, unseen, texts=texts, k=60)
    exact = answer(snapshot, unseen, texts=texts, k=60, mode="exact")
    told = {(hit.document, hit.page) for hit in exact if hit.text_score or hit.in_name}
    assert told and told <= places(found)
    assert {hit.document for hit in found if hit.in_name} == {f"{WORDS[300]} list.pdf"}


def unit_of(vector):
    return (vector / np.linalg.norm(vector))[None].astype(np.float32)


def test_under_a_filter_the_best_texts_are_those_of_its_pages(store, snapshot, monkeypatch):
    monkeypatch.setattr("colvision.search.page_search._LIST_CANDIDATES", 12)
    monkeypatch.setattr("colvision.search.page_search._LIST_CANDIDATES_A_ROOT", 0.0)
    monkeypatch.setattr("colvision.search.page_search._CANDIDATES", 5)
    for word in (6, 8, 10, 12):
        unseen = QueryEmbedding.of_words(WORDS[word], [WORDS[word]], unit_of(-DIRECTIONS[word]))
        texts = store.text_scores("default", WORDS[word])
        for document in ("d036.pdf", "d038.pdf", "d020.pdf"):
            where = parse_filter(f"document={document}")
            found = answer(snapshot, unseen, texts=texts, where=where, k=3)
            exact = answer(snapshot, unseen, texts=texts, where=where, k=3, mode="exact")
            assert found.mode == "lists" and [hit.text_score for hit in found] == [hit.text_score for hit in exact]


def test_a_number_that_is_somewhere_is_not_told_as_unseen(snapshot):
    asked = QUERIES[3]
    numbered = replace(asked, tokens=tuple(f"{place}77" for place in range(len(asked.tokens))))
    assert answer(snapshot, numbered).unseen == answer(snapshot, numbered, mode="exact").unseen == ()


def test_a_page_as_the_query_is_compared_with_all_pages(snapshot):
    example = replace(QUERIES[0], is_example=True)
    assert answer(snapshot, example, soft_idf=False).mode == "exact"
    both = search_many(
        snapshot, [QueryRequest(example, SearchOptions(soft_idf=False)), QueryRequest(QUERIES[0])], info=INFO
    )
    assert [each.mode for each in both] == ["exact", "lists"]


def test_deleted_and_replaced_pages_are_out_of_the_lists_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(inverted_lists, "LISTS_PAGES", 100)
    with Store(tmp_path / "library") as store:
        rows = [add(store, tmp_path, document) for document in range(8)]
        store.compact()
        assert all(part.centroids is not None for part in store.snapshot("default").shards)
        asked = query_about(2, 5)
        before = answer(store.snapshot("default"), asked)
        assert ("d002.pdf", 5) in places(before)
        store.writer.delete(rows[2])
        after = answer(store.snapshot("default"), asked, k=140)
        assert after.mode == "lists" and after.pages == 140
        assert "d002.pdf" not in {hit.document for hit in after}
        add(store, tmp_path, 3, version=1, replace=True)
        snapshot = store.snapshot("default")
        own = query_about(1003, 5)
        assert ranked(answer(snapshot, own))[0][:2] == ("d003.pdf", 5)
        assert ranked(answer(snapshot, own))[0] == ranked(answer(snapshot, own, mode="exact"))[0]
        assert list_maxima(PageTable.of(snapshot), own, INFO).pages.max() < len(PageTable.of(snapshot))


def test_a_shard_without_lists_is_compared_as_a_whole_beside_those_with_them(snapshot):
    first, *others = snapshot.shards
    mixed = replace(snapshot, shards=(replace(first, centroids=None), *others))
    for asked in QUERIES[:4]:
        found = answer(mixed, asked)
        exact = answer(mixed, asked, mode="exact", k=800)
        scores = {hit[:2]: hit[2] for hit in ranked(exact)}
        assert all(scores[hit[:2]] == hit[2] for hit in ranked(found))
        assert len(places(found) & places(exact.hits[:10])) >= 9


def test_a_query_of_many_words_reads_lists_for_some_at_a_time(snapshot):
    long = query(*range(5, 45))
    found, exact = answer(snapshot, long), answer(snapshot, long, mode="exact")
    assert found.mode == "lists" and len(places(found) & places(exact)) >= 9


def test_terms_are_computed_for_pages_that_can_be_among_the_best_alone(store, snapshot, monkeypatch):
    texts = {asked.text: store.text_scores("default", asked.text) for asked in QUERIES}
    for with_texts in (False, True):
        found = [answer(snapshot, asked, texts=texts[asked.text] if with_texts else None) for asked in QUERIES]
        with monkeypatch.context() as patch:
            patch.setattr("colvision.search.ranking._BOUNDED_TOKENS", -1)
            every = [answer(snapshot, asked, texts=texts[asked.text] if with_texts else None) for asked in QUERIES]
        assert [ranked(each) for each in found] == [ranked(each) for each in every]
