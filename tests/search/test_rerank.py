"""A reranker orders the best pages of an answer: by the number that is shown, and what it cannot read is said."""

import json
from dataclasses import replace

import pytest

import colvision
from colvision.core.encoder import Calibration
from colvision.search.rerank import RerankOptions
from colvision.store.records import PageText
from colvision.testing import ToyEncoder, save_document
from tests.helpers.rerankers import ScriptedReranker
from tests.helpers.stores import begin, encoded, write

PAGES = ("pump oil", "pump valve oil", "pump", "oil", "fan belt")
SCORES = {"pump oil": 1.5, "pump valve oil": -2.0, "pump": 7.0, "oil": 3.0, "fan belt": 0.5}


def by_text(query, page):
    return SCORES[page.text]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Five pages with text layers, and a sixth without."""
    folder = tmp_path_factory.mktemp("manuals")
    with colvision.open_library(folder / "library", encoder=ToyEncoder()) as opened:
        store = opened._store
        for name, pages in {"text.pdf": PAGES, "scan.pdf": ("pump oil",)}.items():
            pending = begin(store, write(folder, name, name), pages=len(pages))
            made = [encoded(number, *page.split()) for number, page in enumerate(pages, 1)]
            texts = ["" if name == "scan.pdf" else page for page in pages]
            made = [replace(page, text=PageText(text)) for page, text in zip(made, texts, strict=True)]
            store.writer.commit(pending, made, opened.encoder.info)
            assert store.writer.finish(pending) == ""
        yield opened


def places(answer):
    return [(hit.document, hit.page) for hit in answer]


def test_pages_come_in_the_order_of_the_number_that_is_shown_and_keep_the_first_score_with_its_parts(library):
    first, answer = library.search("pump oil"), library.search("pump oil", rerank=ScriptedReranker(by_text))
    assert [hit.rerank_score for hit in answer] == [7.0, 3.0, 1.5, 0.5, -2.0, None]
    assert [hit.rank for hit in answer] == [1, 2, 3, 4, 5, 6]
    assert places(answer) == [("text.pdf", page) for page in (3, 4, 1, 5, 2)] + [("scan.pdf", 1)]
    assert {place: hit.score for place, hit in zip(places(answer), answer, strict=True)} == {
        place: hit.score for place, hit in zip(places(first), first, strict=True)
    }
    for hit in answer:
        assert float(hit.contributions.sum()) + sum(hit.score_terms.values()) == pytest.approx(hit.score, abs=1e-5)
        assert library._store.stored_page(library._store.find(hit.document_id), hit.page)
    assert "rerank score 7.000, score" in repr(answer[0])


def test_the_answer_names_the_reranker_its_time_and_what_it_could_not_read(library):
    answer = library.search("pump oil", rerank=ScriptedReranker(by_text))
    assert answer.reranking == colvision.Reranking("scripted", "text", candidates=6, unread=1)
    assert answer.notice == (
        "1 of 6 candidates have no text that scripted could read: they stand below the others, in their first order."
    )
    assert 0 < answer.timing_ms["reranker"] <= answer.timing_ms["total"]
    told = json.loads(json.dumps(answer.to_dict()))
    assert told["reranker"] == {"name": "scripted", "reads": "text", "candidates": 6, "unread": 1}
    assert [hit["rerank_score"] for hit in told["hits"]] == [7.0, 3.0, 1.5, 0.5, -2.0, None]
    plain = library.search("pump oil")
    assert plain.reranking is None and plain.notice == "" and "reranker" not in plain.timing_ms
    assert plain.to_dict()["reranker"] is None and plain[0].to_dict()["rerank_score"] is None


def test_it_is_given_the_best_candidates_alone_and_the_others_follow_in_their_first_order(library):
    reranker = ScriptedReranker(by_text)
    first = library.search("pump oil", k=6)
    answer = library.search("pump oil", k=6, rerank=reranker, candidates=3)
    [(query, pages)] = reranker.seen
    assert query == "pump oil"
    assert [page.text for page in pages] == [hit.text for hit in first[:3] if hit.text]
    assert all(page.image is None for page in pages)
    assert sorted(places(answer)[:3]) == sorted(places(first)[:3])
    assert places(answer)[3:] == places(first)[3:]
    assert [hit.rank for hit in answer] == [1, 2, 3, 4, 5, 6]


def test_fewer_pages_than_candidates_are_shown_and_the_best_may_come_from_beyond_them(library):
    first = library.search("pump valve", k=2)
    answer = library.search("pump valve", k=2, rerank=ScriptedReranker(by_text))
    assert places(answer) == [("text.pdf", 3), ("text.pdf", 4)]
    assert places(answer) != places(first)
    assert [hit.rank for hit in answer] == [1, 2]


def test_equal_scores_stay_in_the_first_order(library):
    answer = library.search("pump oil", rerank=ScriptedReranker(lambda query, page: 0.0))
    first = [hit for hit in library.search("pump oil") if hit.document == "text.pdf"]
    assert places(answer)[:5] == places(first)


def test_several_texts_get_the_answers_of_each(library):
    reranker = ScriptedReranker(by_text)
    together = library.search_many(["pump", "oil valve"], k=3, rerank=reranker, candidates=4)
    assert [places(each) for each in together] == [
        places(library.search(text, k=3, rerank=reranker, candidates=4)) for text in ("pump", "oil valve")
    ]
    assert [query for query, _ in reranker.seen[:2]] == ["pump", "oil valve"]


def test_an_empty_answer_asks_no_reranker(library):
    reranker = ScriptedReranker(by_text)
    answer = library.search("pump", where="page=99", rerank=reranker)
    assert (len(answer), reranker.seen, answer.notice) == (0, [], "")


def test_the_notice_that_no_page_matches_is_made_by_the_pages_that_it_was_made_by_before(tmp_path):
    """A reranker is given more pages: among fifty, one has a word by chance."""
    encoder = ToyEncoder()
    encoder.info = replace(encoder.info, calibration=Calibration(20.0, 0.8))
    save_document(tmp_path / "manual.tiff", [["pump", f"w{number}"] for number in range(30)])
    with colvision.open_library(tmp_path / "library", encoder=encoder) as library:
        library.ingest(tmp_path / "manual.tiff")
        for text in ("zebra crossing", "pump"):
            plain = library.search(text)
            answer = library.search(text, rerank=ScriptedReranker(lambda query, page: 1.0, reads="image"))
            assert answer.notice == plain.notice
            assert [hit.page for hit in answer.judged] == [hit.page for hit in plain.judged]
            assert len(answer.judged) == 10 < answer.reranking.candidates


def test_pictures_are_shown_a_few_at_a_time_and_a_damaged_one_is_counted(tmp_path):
    reranker = ScriptedReranker(lambda query, page: -page.image.getpixel((0, 0))[0] + len(page.text), reads="image")
    save_document(tmp_path / "manual.tiff", [["pump", f"w{number}"] for number in range(11)])
    with colvision.open_library(tmp_path / "library", encoder=ToyEncoder()) as library:
        library.ingest(tmp_path / "manual.tiff")
        lost = library.search("pump w3")[0]
        library.page_image_path(lost.document_id, lost.page).write_bytes(b"no picture")
        answer = library.search("pump w3", k=11, rerank=reranker)
        assert [len(pages) for _, pages in reranker.seen] == [7, 3]
        assert all(page.image.mode == "RGB" and page.text == "" for _, pages in reranker.seen for page in pages)
        assert (answer[-1].page, answer[-1].rerank_score) == (lost.page, None)
        assert answer.reranking.unread == 1 and "no image that scripted could read" in answer.notice


def test_a_document_deleted_meanwhile_is_left_out(library, tmp_path):
    save_document(tmp_path / "a.tiff", [["pump"]])
    save_document(tmp_path / "b.tiff", [["pump", "oil"]])

    with colvision.open_library(tmp_path / "library", encoder=ToyEncoder()) as opened:
        opened.ingest([tmp_path / "a.tiff", tmp_path / "b.tiff"])
        search = opened._session.searcher.search

        def search_and_lose(*arguments):
            answer = search(*arguments)
            opened.delete("a.tiff")
            return answer

        opened._session.searcher.search = search_and_lose
        answer = opened.search("pump", rerank=ScriptedReranker(lambda query, page: 1.0, reads="image"))
    assert [hit.document for hit in answer] == ["b.tiff"]
    assert answer.notice == ""


def test_no_candidate_at_all_is_refused(library):
    with pytest.raises(ValueError, match="candidates is 0; a reranker needs at least one page"):
        library.search("pump", rerank=ScriptedReranker(by_text), candidates=0)
    with pytest.raises(ValueError, match="at least one page"):
        RerankOptions(ScriptedReranker(by_text), -1)


def test_a_reranker_of_ones_own_follows_the_protocol():
    assert isinstance(ScriptedReranker(by_text), colvision.Reranker)
    assert not isinstance(ToyEncoder(), colvision.Reranker)
