"""Text search and its fusion with MaxSim: one score, by both, and what a search asks."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import colvision
from colvision.cli import main
from colvision.core.encoder import Calibration
from colvision.maxsim import binary
from colvision.search import page_search
from colvision.store import Store
from colvision.store.records import PageText
from colvision.testing import ToyEncoder
from tests.helpers.stores import FAN, PUMP, TOY, add, begin, encoded, text_scores, write


class Calibrated(ToyEncoder):
    """Its link is a probability, as `mini`'s is: text fusion is then on by itself."""

    def __init__(self):
        super().__init__()
        self.info = replace(self.info, calibration=Calibration(20.0, 0.8))


@pytest.fixture(scope="module")
def manuals(tmp_path_factory):
    """A library of three documents; the pages of scan.pdf have no text layer."""
    folder = tmp_path_factory.mktemp("manuals")
    with Store(folder / "library") as store:
        for name, pages in {"pump": PUMP, "fan": FAN, "scan": ("bleed", "angle", "seal")}.items():
            pending = begin(store, write(folder, f"{name}.pdf", name), pages=len(pages), encoder=Calibrated())
            made = [encoded(number, *page.split()[:6]) for number, page in enumerate(pages, 1)]
            texts = ["" if name == "scan" else page for page in pages]
            made = [replace(page, text=PageText(text)) for page, text in zip(made, texts, strict=True)]
            store.writer.commit(pending, made, Calibrated().info)
            assert store.writer.finish(pending) == ""
    with colvision.open_library(folder / "library", encoder=Calibrated()) as library:
        yield library


def found(answer):
    return [(hit.document, hit.page) for hit in answer]


def test_pages_are_ordered_by_the_score_that_is_shown_and_text_is_a_part_of_it(manuals):
    fused, plain = (manuals.search("the valve", k=10, text_fusion=on) for on in (True, False))
    assert (fused.retrievers, plain.retrievers) == (("maxsim", "bm25"), ("maxsim",))
    scores = {(hit.document, hit.page): hit.score for hit in plain}
    pixels = {(hit.document, hit.page): hit.score - hit.score_terms.get("text", 0.0) for hit in fused}
    assert pixels == pytest.approx(scores)
    assert found(fused) != found(plain)
    for answer in (fused, plain):
        assert [hit.rank for hit in answer] == list(range(1, 11))
        assert [hit.score for hit in answer] == sorted((hit.score for hit in answer), reverse=True)
        for hit in answer:
            assert float(hit.contributions.sum()) + sum(hit.score_terms.values()) == pytest.approx(hit.score, abs=1e-5)
            assert manuals.explain(hit).score == pytest.approx(hit.score, abs=1e-5)
            assert dict(manuals.explain(hit).score_terms) == pytest.approx(dict(hit.score_terms), abs=1e-5)
            assert sum(hit.shares.values()) == pytest.approx(hit.score)
    assert [set(hit.shares) for hit in plain] == [{"maxsim"}] * 10
    told = [hit.to_dict() for hit in fused if hit.score_terms.get("text")]
    assert told and all(hit["shares"]["text"] == hit["score_terms"]["text"] > 0 for hit in told)
    assert {hit.text_score for hit in plain} == {None}
    assert manuals.explain("the valve", "fan.pdf", 2).score == pytest.approx(fused[0].score, abs=1e-5)


def test_a_page_of_which_both_know_comes_first_and_says_what_its_text_scores(manuals):
    first = manuals.search("the valve", k=10)[0]
    assert (first.document, first.page) == ("fan.pdf", 2)
    assert first.text_score == text_scores_of(manuals, "the valve")["fan.pdf", 2]


def text_scores_of(library, text):
    with Store(library.path, read_only=True) as store:
        return text_scores(store, text)


def test_text_fusion_is_on_by_itself_only_where_it_was_measured(manuals, store, tmp_path):
    assert manuals.search("the valve").retrievers == ("maxsim", "bm25")
    add(store, write(tmp_path, "pump.pdf", "pump"), *PUMP)
    with colvision.open_library(store.path, encoder=TOY) as library:  # sums similarities, as ColPali does
        assert library.search("valve").retrievers == ("maxsim",)
        assert library.search("valve", text_fusion=True).retrievers == ("maxsim", "bm25")


def test_where_no_layer_knows_a_word_the_pixels_alone_are_searched(manuals):
    answer = manuals.search("seal", text_fusion=True)
    assert answer.retrievers == ("maxsim",)
    assert found(answer)[0] == ("scan.pdf", 3)


def test_a_scan_that_shows_all_words_stays_above_text_that_has_one_of_them(manuals):
    assert found(manuals.search("seal blade", text_fusion=True, k=2)) != found(manuals.search("blade", k=2))
    first = manuals.search("angle", text_fusion=True, k=3)
    assert ("scan.pdf", 2) in found(first)[:2]  # beside fan.pdf, whose page 1 has it in both


def test_filters_are_kept_and_change_no_text_score(manuals):
    everywhere = {(hit.document, hit.page): hit.text_score for hit in manuals.search("the valve", k=10)}
    only = manuals.search("the valve", k=10, document="pump.pdf")
    assert {hit.document for hit in only} == {"pump.pdf"}
    assert all(hit.text_score == everywhere[hit.document, hit.page] for hit in only)


def test_many_at_once_find_what_each_finds_alone(manuals):
    texts = ["the valve", "seal", "spare parts", "bleed the pump"]
    together = manuals.search_many(texts, k=5, text_fusion=True)
    assert [found(answer) for answer in together] == [found(manuals.search(text, k=5)) for text in texts]
    assert [answer.retrievers for answer in together] == [manuals.search(text).retrievers for text in texts]


def test_a_page_that_text_alone_finds_is_among_the_candidates_of_the_first_stage(store, tmp_path, monkeypatch):
    monkeypatch.setattr(binary, "FIRST_STAGE_PAGES", 1)
    monkeypatch.setattr(page_search, "_CANDIDATES", 2)
    encoder = ToyEncoder(dim=64)
    pending = begin(store, write(tmp_path, "pump.pdf", "pump"), pages=60, encoder=encoder)
    pages = [replace(encoded(number, "valve", encoder=encoder), text=PageText("valve")) for number in range(1, 60)]
    pages.append(replace(encoded(60, "other", encoder=encoder), text=PageText("the valve and its rare words")))
    store.writer.commit(pending, pages, encoder.info)
    assert store.writer.finish(pending) == ""
    with colvision.open_library(store.path, encoder=encoder) as library:
        pixels, both = (library.search("rare valve", k=5, text_fusion=on) for on in (False, True))
        assert (pixels.mode, pixels.candidates) == ("rerank", 40)  # four times the ten that a notice is made by
        assert (both.mode, both.candidates) == ("rerank", 41)


def test_the_command_names_its_retrievers(manuals, monkeypatch):
    monkeypatch.setattr("colvision.encoders.spec.load", lambda *given, **options: Calibrated())
    command = ["search", "the valve", "--library", str(manuals.path), "-k", "3"]
    answer = CliRunner().invoke(main, [*command, "--text-fusion"])
    assert answer.exit_code == 0, answer.output
    assert "; in the text layer " in answer.stdout and "valve" in answer.stdout and " [in text]" in answer.stdout
    assert "by their pixels and their text" in answer.stderr
    for option, retrievers in (("--no-text-fusion", ["maxsim"]), ("--text-fusion", ["maxsim", "bm25"])):
        values = json.loads(CliRunner().invoke(main, [*command, option, "--json"]).stdout)
        assert values["retrievers"] == retrievers
        assert (values["hits"][0]["text_score"] is None) == ("bm25" not in retrievers)
