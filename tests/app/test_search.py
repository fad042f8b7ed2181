"""Questions to a real library with the toy encoder: what is found, why, and what readers say of it."""

import base64

import numpy as np
import pytest
from colvision.app.services import search as search_module
from colvision.app.services.library import LibraryService
from colvision.app.services.search import SearchRequest
from colvision.app.settings import LimitReached, Quota, Settings

from colvision.core.encoder import Calibration
from colvision.core.page import PageId
from colvision.errors import PageNotFound
from colvision.evaluation.queries import read_queries
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document
from tests.helpers.pdf_files import text_file, written
from tests.helpers.thesaurus import Thesaurus

pytestmark = pytest.mark.slow

PUMP = [["bleed", "valve"], ["spare", "parts"], ["oil", "filter"]]


def ask(service, text, *, k=10, **limits):
    return service.search.search(SearchRequest(text, **limits), k=k)


def test_an_uploaded_page_is_found_and_explained(service, upload):
    upload()
    answer = ask(service, "oil  filter", k=2)
    best = answer.hits[0]
    assert (best.document, best.page, best.pages, answer.pages) == ("pump.tiff", 3, 3, 3)
    assert [word.word for word in best.words] == ["oil", "filter"]
    assert set(answer.timing_ms) == {"encode", "score", "total"}
    why = service.search.explain(SearchRequest("oil filter"), best.document_id, best.page)
    assert [match.cell for match in why.matches] == [(0, 0), (0, 1)]
    assert sum(match.contribution for match in why.matches) == pytest.approx(best.score, abs=1e-5)


def test_the_bytes_of_a_map_are_its_similarities_to_half_a_step(service, upload):
    upload()
    hit = ask(service, "spare parts").hits[0]
    why = service.search.explain(SearchRequest("spare parts"), hit.document_id, hit.page)
    codes = np.frombuffer(base64.b64decode(why.map), dtype=np.uint8).reshape(len(why.matches), why.rows, why.cols)
    exact = service.library.explain("spare parts", hit.document_id, hit.page).similarity_map
    step = (why.scale.high - why.scale.low) / 254
    back = why.scale.low + (codes.astype(np.float64) - 1) * step
    assert np.array_equal(codes == 0, np.isnan(exact))
    assert np.nanmax(np.abs(np.where(codes == 0, np.nan, back) - exact)) <= step / 2 + 1e-6


def test_a_page_whose_image_is_lost_is_explained_by_its_patches(service, upload):
    upload()
    asked = SearchRequest("oil filter")
    hit = ask(service, "oil filter").hits[0]
    shown = service.search.explain(asked, hit.document_id, hit.page)
    service.library.page_image_path(hit.document_id, hit.page).unlink()
    why = service.search.explain(asked, hit.document_id, hit.page)
    assert [match.cell for match in why.matches] == [match.cell for match in shown.matches]
    assert all(match.box is not None for match in why.matches)


def test_any_page_can_be_explained_with_the_scale_of_the_results(service, upload):
    upload()
    best = ask(service, "valve", k=1).hits[0]
    why = service.search.explain(SearchRequest("valve"), best.document_id, 2)
    assert why.page == 2
    assert why.scale.shown_to == pytest.approx(best.words[0].similarity, abs=1e-6)


def test_a_page_can_be_explained_without_a_search_before(service, upload):
    upload()
    document = service.overview().documents[0]
    assert service.search.explain(SearchRequest("valve"), document.id, 1).matches[0].cell == (0, 1)


def test_an_answer_that_was_asked_for_again_is_kept_longest(service, upload, monkeypatch):
    monkeypatch.setattr(search_module, "_ANSWERS", 2)
    upload()
    for text in ("oil", "valve", "oil", "spare"):
        ask(service, text)
    assert [SearchRequest(text) in service.search._answers for text in ("oil", "valve", "spare")] == [
        True,
        False,
        True,
    ]


def test_a_search_can_be_limited_to_one_document(service, upload):
    upload()
    upload("press.tiff", [["bleed", "press"]])
    press = next(each for each in service.overview().documents if each.name == "press.tiff")
    assert {hit.document for hit in ask(service, "bleed", document=press.id).hits} == {"press.tiff"}


def test_text_layers_are_asked_where_that_is_wished_and_a_hit_tells_their_score(service, upload, tmp_path):
    service.library.ingest(written(tmp_path, text_file("the flange", "a gasket")))
    asked = {use: ask(service, "gasket", text_fusion=use) for use in (True, False)}
    assert [answer.retrievers for answer in asked.values()] == [("maxsim", "bm25"), ("maxsim",)]
    assert asked[True].hits[0].page == 2 and asked[True].hits[0].text_score > 0
    assert asked[False].hits[0].text_score is None and "text" not in asked[False].hits[0].score_terms
    first, *others = asked[True].hits
    assert [hit.score for hit in asked[True].hits] == sorted((hit.score for hit in asked[True].hits), reverse=True)
    assert sum(word.contribution for word in first.words) + sum(first.score_terms.values()) == pytest.approx(
        first.score
    )
    for answer in asked.values():  # the text layer has the word, whether or not it was asked for the order
        told = {(hit.document, hit.page): hit.words[0].in_text for hit in answer.hits}
        assert told.pop(("manual.pdf", 2)) and not any(told.values())
    why = service.search.explain(SearchRequest("gasket", text_fusion=True), first.document_id, 2)
    assert why.score == pytest.approx(first.score, abs=1e-5) and why.matches[0].in_text
    upload()
    told = {hit.document: hit.words[0].in_name for hit in ask(service, "manual").hits}
    assert told.pop("manual.pdf") and told and not any(told.values())


def test_further_encoders_are_asked_and_their_shares_told(service, upload):
    upload()
    service.library.add_encoder("other", ToyEncoder(seed=3))
    upload("press.tiff", [["bleed", "press"]])  # which the job has read by both
    assert [each.documents for each in service.library.encoders()] == [2]
    answer = ask(service, "press")
    first, *_ = answer.hits
    assert answer.retrievers == ("maxsim", "other") and answer.timing_ms["other"] >= 0
    assert sum(word.contribution for word in first.words) + sum(first.score_terms.values()) == pytest.approx(
        first.score
    )
    why = service.search.explain(SearchRequest("press"), first.document_id, first.page)
    assert set(first.shares) >= {"maxsim", "other"} and sum(first.shares.values()) == pytest.approx(first.score)
    assert first.score_terms["other"] == pytest.approx(why.score_terms["other"], abs=1e-5)
    assert why.score == pytest.approx(first.score, abs=1e-5)
    service.library.remove_encoder("other")  # the kept answer is of another time: the page is explained by a new one
    assert "other" not in service.search.explain(SearchRequest("press"), first.document_id, first.page).score_terms
    service.library.add_encoder("other", ToyEncoder(seed=3))
    assert ask(service, "press", encoders=frozenset(["main"])).retrievers == ("maxsim",)
    assert ask(service, "press", first_stage="other").retrievers == ("other", "maxsim")


def test_other_words_are_told_and_where_they_stand(quick_path, tmp_path):
    with open_library(quick_path / "thesaurus", encoder=Thesaurus()) as library:
        library.ingest(save_document(tmp_path / "valve.tiff", [["vent", "valve"], ["fan", "belt"]]))
        search = LibraryService(library, Settings(library.path)).search
        answer = search.search(SearchRequest("bleed"))
        assert answer.other_words == {"bleed": ("vent",)}
        best = answer.hits[0]
        assert (best.page, best.words[0].printed) == (1, "vent")
        why = search.explain(SearchRequest("bleed"), best.document_id, 1)
        assert [match.printed for match in why.matches] == ["vent"]
        assert search.search(SearchRequest("bleed", exact_words=True)).other_words == {}


def test_the_time_of_each_stage_is_told_where_there_are_two(quick_path, tmp_path, monkeypatch):
    monkeypatch.setattr("colvision.maxsim.binary.FIRST_STAGE_PAGES", 1)
    with open_library(quick_path / "staged", encoder=ToyEncoder(dim=64)) as library:
        library.ingest(save_document(tmp_path / "pump.tiff", PUMP))
        answer = ask(LibraryService(library, Settings(library.path)), "oil filter")
    assert list(answer.timing_ms) == ["encode", "first_stage", "rerank", "total"]
    assert (answer.mode, answer.hits[0].page) == ("rerank", 3)


def test_pages_like_another_one_are_found_and_explained_as_a_whole(service, upload):
    upload()
    upload("press.tiff", [["oil", "filter", "press"], ["spare"]])
    pump = next(each for each in service.overview().documents if each.name == "pump.tiff")
    like = SearchRequest("", like=f"{pump.id}:3")
    answer = service.search.search(like)
    best = answer.hits[0]
    assert (best.document, best.page, best.words) == ("press.tiff", 1, ())
    assert (pump.id, 3) not in [(hit.document_id, hit.page) for hit in answer.hits]
    why = service.search.explain(like, best.document_id, 1)
    assert why.matches[0].word == "place 1"
    assert len({match.cell for match in why.matches}) == len(why.matches)
    assert sum(match.contribution for match in why.matches) == pytest.approx(best.score, abs=1e-5)
    with pytest.raises(ValueError, match="is no DOCUMENT:PAGE"):
        service.search.search(SearchRequest("", like="pump"))
    with pytest.raises(ValueError, match="ask with one"):
        SearchRequest("oil", like=f"{pump.id}:3")


def test_a_search_can_be_limited_by_a_filter_and_a_wrong_filter_is_a_sentence(service, upload):
    upload()
    assert [hit.page for hit in ask(service, "bleed", where="page in 2-3", mode="exact").hits] in ([2, 3], [3, 2])
    with pytest.raises(ValueError, match="no document has metadata 'machine'"):
        ask(service, "bleed", where="machine=pump")


def test_a_question_without_words_is_refused(service):
    with pytest.raises(LimitReached, match="type a few words"):
        ask(service, "")


def test_a_kept_answer_of_another_encoder_is_asked_for_again(service, upload):
    upload()
    path = service.library.path
    with open_library(path, encoder=ToyEncoder(seed=3)) as other:
        changed = LibraryService(other, Settings(other.path))
        other.reencode()
        document = changed.overview().documents[0].id
        kept = SearchRequest("valve")
        changed.search.search(kept)
        with open_library(path, encoder=ToyEncoder(seed=4)) as third:
            third.reencode()
            changed.library._session._encoder = third.encoder
        assert changed.search.explain(kept, document, 1).matches[0].cell == (0, 1)


class SureEncoder(ToyEncoder):
    """The toy encoder with a link that calls hardly anything a match."""

    def __init__(self):
        super().__init__()
        self.info = type(self.info)(
            "sure", "f" * 64, self.info.dim, self.info.quantisation_range, Calibration(60.0, 1.2)
        )


def test_a_calibrated_encoder_says_when_no_page_matches_well(quick_path, tmp_path):
    with open_library(quick_path / "sure", encoder=SureEncoder()) as library:
        service = LibraryService(library, Settings(library.path))
        library.ingest(save_document(tmp_path / "pump.tiff", PUMP))
        assert "No page matches well" in ask(service, "valve").notice


def test_judged_pages_are_kept_told_and_exported_as_questions_to_evaluate(service, upload, tmp_path):
    upload()
    document = service.overview().documents[0].id
    for page, verdict in ((3, "relevant"), (1, "irrelevant"), (2, "relevant"), (2, "")):
        service.search.judge(SearchRequest("oil filter"), document, page, verdict)
    service.search.judge(SearchRequest("hook"), document, 1, "irrelevant")
    again = LibraryService(service.library, service.settings)
    assert [hit.verdict for hit in ask(again, "oil filter").hits] == ["relevant", "", "irrelevant"]
    path = tmp_path / "judged.jsonl"
    path.write_text(again.export_judgements())
    (query,) = read_queries(path)
    assert (query.text, query.gold) == ("oil filter", frozenset([PageId("pump", 3)]))
    with pytest.raises(PageNotFound):
        again.search.judge(SearchRequest("oil"), document, 9, "relevant")
    again.delete(document)
    assert (again.export_judgements(), again.overview().judgements) == ("", 0)


def test_judgements_have_a_limit(service, upload):
    upload()
    service = LibraryService(service.library, Settings(service.library.path, quota=Quota(judgements=1)))
    document = service.overview().documents[0].id
    for verdict in ("relevant", "irrelevant"):
        service.search.judge(SearchRequest("oil"), document, 1, verdict)
    with pytest.raises(LimitReached, match="1 pages are judged, the limit"):
        service.search.judge(SearchRequest("oil"), document, 2, "relevant")


def test_a_word_is_found_on_the_pages_of_one_document_seen_or_in_the_text_layer(service, upload, tmp_path):
    upload()  # bleed valve, spare parts, oil filter: seen alone
    upload("press.tiff", [["bleed", "press"]])
    found = service.search.find("pump.tiff", "filter")
    assert [page.page for page in found.pages] == [3] and found.searched == 3
    assert not found.is_sure and not found.pages[0].in_text  # the toy's similarities are no probabilities
    service.library.ingest(written(tmp_path, text_file("the flange", "a gasket", "two gaskets")))
    found = service.search.find("manual.pdf", "gasket")
    assert {page.page for page in found.pages if page.in_text} == {2, 3}
    with pytest.raises(ValueError, match="letter or digit"):
        service.search.find("manual.pdf", "-")


def test_an_explanation_tells_where_the_text_layer_has_a_word(service, tmp_path):
    service.library.ingest(written(tmp_path, text_file("the gaskets and a gasket")))
    [document] = service.overview().documents
    view = service.page_words(document.id, 1)
    why = service.search.explain(SearchRequest("gasket flange"), document.id, 1)
    boxes = [pytest.approx(word.box, abs=1e-4) for word in view.words if word.text.startswith("gasket")]
    assert [match.text_boxes for match in why.matches] == [tuple(boxes), ()]
    assert len(boxes) == 2
