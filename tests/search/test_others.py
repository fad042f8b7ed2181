"""What a search makes of further encoders: fused scores, filters, candidates, first stages."""

from dataclasses import replace

import numpy as np
import pytest

from colvision.core.query import UNREAD
from colvision.errors import FurtherEncoderNotFound
from colvision.library import Library
from colvision.search import page_search
from colvision.search.fusion import ENCODER_WEIGHT
from colvision.store import Store
from colvision.testing import ToyEncoder, save_document
from tests.helpers.further_encoders import OTHER, Sharp, opened, places, save_files


@pytest.fixture
def files(quick_path):
    return save_files(quick_path)


@pytest.fixture
def library(quick_path, files):
    with opened(quick_path) as library:
        library.ingest(files)
        yield library


def fused(own, other, *, floor=None):
    """{page: score} of each encoder alone -> fused, in the words of docs/several-encoders.md."""
    mean = {name: np.mean(list(scores.values())) for name, scores in (("own", own), ("other", other))}
    floor = mean["own"] if floor is None else floor
    best, best_other = max(own.values()), max(other.values())
    unit = best - floor
    answer = {}
    for page, score in own.items():
        share = (score - floor) / unit
        share_other = (other.get(page, mean["other"]) - mean["other"]) / (best_other - mean["other"])
        more = ENCODER_WEIGHT * (max(share_other, UNREAD * share) - UNREAD * share) / (1 + ENCODER_WEIGHT * UNREAD)
        answer[page] = score + unit * max(more, 0)
    return answer


def scores_alone(folder, files, encoder, text):
    with Library(Store(folder), encoder) as alone:
        alone.ingest(files)
        return {(hit.document, hit.page): hit.score for hit in alone.search(text, k=100, text_fusion=False)}


@pytest.mark.parametrize("text", ["valve", "oil filter", "spare hook"])
def test_a_search_by_two_encoders_is_what_two_libraries_say_put_together(quick_path, library, files, text):
    library.add_encoder("other", OTHER)
    own = scores_alone(quick_path / "one", files, ToyEncoder(), text)
    other = scores_alone(quick_path / "two", files, OTHER, text)
    answer = library.search(text, k=100)
    expected = fused(own, other)
    assert {(hit.document, hit.page): hit.score for hit in answer} == pytest.approx(expected, abs=1e-5)
    assert places(answer) == sorted(expected, key=lambda page: (-expected[page], page))
    assert answer.retrievers == ("maxsim", "other") and answer.timing_ms["other"] > 0 and answer.notice == ""
    for hit in answer:
        assert hit.score == pytest.approx(hit.contributions.sum() + sum(hit.score_terms.values()), abs=1e-5)
        assert set(hit.score_terms) <= {"other"}
    assert answer.to_dict()["retrievers"] == ["maxsim", "other"]


@pytest.mark.parametrize(("own", "other"), [(Sharp(), OTHER), (ToyEncoder(), Sharp(seed=3)), (Sharp(), Sharp(seed=3))])
def test_an_explanation_sums_to_the_score_of_the_hit(quick_path, files, own, other):
    with opened(quick_path, own) as library:
        library.ingest(files)
        library.add_encoder("other", other)
        for hit in library.search("oil filter", k=100):
            why = library.explain(hit)
            assert why.score == pytest.approx(hit.score, abs=1e-5)
            assert why.score_terms == pytest.approx(dict(hit.score_terms), abs=1e-5)
            by_other = library.explain(hit, encoder="other")
            assert by_other.query.fingerprint == other.info.fingerprint and by_other.score_terms == {}
            again = library.explain("oil filter", hit.document_id, hit.page, encoder="other")
            assert again.score == pytest.approx(by_other.score, abs=1e-5)


def test_empty_pages_move_no_other_page(quick_path, files):
    """They are all one vector, and would draw the score of no match to theirs."""
    with opened(quick_path) as library:
        library.ingest(files)
        library.add_encoder("other", OTHER)
        before = library.search("oil filter")[0].score_terms["other"]
        library.ingest(save_document(quick_path / "blank.pdf", [[]] * 12))
        library.ingest(save_document(quick_path / "one.pdf", [[]]))
        one = library.search("oil filter")[0].score_terms["other"]
        library.delete("blank.pdf")
        assert one == library.search("oil filter")[0].score_terms["other"]
        assert one == pytest.approx(before, rel=0.2)


def test_an_own_encoder_that_sees_nothing_leaves_the_order_to_the_other(quick_path, files):
    class Blind(Sharp):
        def encode_queries(self, texts):
            return [replace(query, unread=frozenset(query.words)) for query in super().encode_queries(texts)]

    with opened(quick_path, Blind()) as library:
        library.ingest(files)
        library.add_encoder("other", OTHER)
        assert places(library.search("hook", k=1)) == [("crane.pdf", 1)]


def test_which_encoders_are_asked(library):
    library.add_encoder("other", OTHER)
    library.add_encoder("third", ToyEncoder(seed=4))
    plain = library.search("valve", encoders=())
    assert plain.retrievers == ("maxsim",) == library.search("valve", encoders=["main"]).retrievers
    assert all(hit.score_terms == {} for hit in plain)
    assert library.search("valve").retrievers == ("maxsim", "other", "third")
    assert library.search("valve", encoders="third").retrievers == ("maxsim", "third")
    assert [answer.retrievers for answer in library.search_many(["hook", "oil"])] == [("maxsim", "other", "third")] * 2
    assert library.search_many([]) == []
    assert library.search_like("pump.tiff", 1).retrievers == ("maxsim",)
    with pytest.raises(FurtherEncoderNotFound, match="no further encoder 'fourth': it has 'other', 'third'"):
        library.search("valve", encoders=["fourth"])
    with pytest.raises(ValueError, match="other, third: explain its text"):
        library.explain(library.search("valve")[0], encoder="fourth")


def test_queries_together_are_answered_as_alone(library):
    library.add_encoder("other", OTHER)
    texts = ["valve", "oil filter", "hook"]
    together = library.search_many(texts)
    for text, answer in zip(texts, together, strict=True):
        alone = library.search(text)
        assert places(answer) == places(alone)
        assert [hit.score for hit in answer] == pytest.approx([hit.score for hit in alone])


def test_filters_cut_pages_of_both(library):
    library.set_metadata("crane.pdf", {"machine": "crane"})
    library.add_encoder("other", OTHER)
    answer = library.search("valve", where="machine=crane")
    assert places(answer) == [("crane.pdf", 2), ("crane.pdf", 1)] and answer.pages == 2
    assert set(places(library.search("valve", document="pump.tiff"))) == {("pump.tiff", page) for page in (1, 2, 3)}


def test_candidates_of_either_encoder_are_found_with_the_scores_of_an_exact_search(quick_path, files, monkeypatch):
    """Sign bits choose two pages of five: the best by the one encoder is none of the other's."""
    monkeypatch.setattr(page_search, "_CANDIDATES", 2)
    monkeypatch.setattr("colvision.maxsim.binary.FIRST_STAGE_PAGES", 1)
    with opened(quick_path, ToyEncoder(dim=64)) as library:
        library.ingest(files)
        library.add_encoder("other", ToyEncoder(seed=3, dim=64))
        exact = {(hit.document, hit.page): hit.score for hit in library.search("spare hook", mode="exact", k=100)}
        store, searcher = library._store, library._session.searcher
        monkeypatch.setattr("colvision.search.searcher.JUDGED", 1)
        answer = library.search("spare hook", k=1)
        assert answer.mode == "rerank" and answer.candidates >= 4 and store and searcher
        for hit in answer:
            assert hit.score == pytest.approx(exact[hit.document, hit.page], abs=1e-5)


def test_an_encoder_with_candidates_beside_one_that_scans(quick_path, files, monkeypatch):
    monkeypatch.setattr(page_search, "_CANDIDATES", 2)
    monkeypatch.setattr("colvision.maxsim.binary.FIRST_STAGE_PAGES", 1)
    monkeypatch.setattr("colvision.search.searcher.JUDGED", 1)
    for number, (own, other) in enumerate([(ToyEncoder(), ToyEncoder(seed=3, dim=64)), (ToyEncoder(dim=64), OTHER)]):
        with opened(quick_path / str(number), own) as library:
            library.ingest([save_document(quick_path / f"{number}.tiff", [[f"w{page}", "the"] for page in range(12)])])
            library.ingest(files)
            library.add_encoder("other", other)
            for text in ("hook", "w7", "oil"):
                exact = library.search(text, mode="exact", k=1)
                found = library.search(text, k=1)
                assert places(found) == places(exact)
                assert found[0].score == pytest.approx(exact[0].score, abs=1e-5)


def test_a_first_stage_chooses_and_the_own_encoder_orders(library, monkeypatch):
    monkeypatch.setattr(page_search, "_CANDIDATES", 2)
    monkeypatch.setattr("colvision.search.searcher.JUDGED", 1)
    library.add_encoder("other", OTHER)
    own = {(hit.document, hit.page): hit.score for hit in library.search("valve", encoders=(), k=100)}
    answer = library.search("valve", first_stage="other", k=1)
    assert answer.retrievers == ("other", "maxsim") and answer.mode == "rerank" and answer.candidates == 4
    assert answer[0].score == pytest.approx(own[answer[0].document, answer[0].page]) == max(own.values())
    with pytest.raises(ValueError, match="give one of the two"):
        library.search("valve", first_stage="other", mode="exact")
    with pytest.raises(ValueError, match="leave the encoders out"):
        library.search("valve", first_stage="other", encoders=["other"])
    with pytest.raises(FurtherEncoderNotFound, match="no further encoder 'x'"):
        library.search("valve", first_stage="x")


def test_a_first_stage_of_probabilities_keeps_their_weights(quick_path, files, monkeypatch):
    monkeypatch.setattr(page_search, "_CANDIDATES", 1)
    monkeypatch.setattr("colvision.search.searcher.JUDGED", 1)
    with opened(quick_path, Sharp()) as library:
        library.ingest(files)
        library.add_encoder("other", OTHER)
        plain = library.search("valve bleed", encoders=(), k=1, text_fusion=False)
        narrowed = library.search("valve bleed", first_stage="other", k=1, text_fusion=False)
        assert narrowed.candidates == 4 and narrowed[0].score == pytest.approx(plain[0].score)


def test_probabilities_count_as_shares_of_what_they_can_reach(quick_path, files):
    other = np.unique(list(scores_alone(quick_path / "two", files, OTHER, "spare hook").values()))
    with opened(quick_path, Sharp()) as library:
        library.ingest(files)
        library.add_encoder("other", OTHER)
        answer = library.search("spare hook", text_fusion=False)
        query, best = answer.query, max(hit.contributions.sum() for hit in answer)
    most = query.weights.sum() / (1 + np.exp(-20.0 * (1 - 0.8)))  # of a page that has each word for certain
    assert most > 1.5 * best, "no page has both words"
    assert query.others["other"].scale.unit == pytest.approx(most / (other.max() - other.mean()), rel=1e-4)
