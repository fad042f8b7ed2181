"""Other ways to read and to ask the same pages: text layers beside pictures, simulated scans, fewer vectors."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from colvision.core.query import TEXT_WEIGHT, UNREAD
from colvision.evaluation import EvaluationOptions, evaluate, find_corpus, read_queries
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document
from tests.helpers.evaluation_set import CountingEncoder, page, write_lines
from tests.helpers.pdf_files import text_file, written
from tests.helpers.thesaurus import Thesaurus

pytestmark = pytest.mark.slow


def test_text_fusion_asks_the_text_layers_beside_the_pictures(tmp_path):
    (tmp_path / "manuals").mkdir()
    written(tmp_path / "manuals", text_file("bleed the pump", "close the valve", "spare parts", "wiring"), "pump.pdf")
    rows = [{"query_id": "q", "text": "valve", "gold": [{"doc": "pump", "page": 1}]}]
    queries = read_queries(write_lines(tmp_path / "queries.jsonl", rows))
    reports = {}
    for text_fusion in (False, True):
        options = EvaluationOptions(cache=tmp_path / "cache", text_fusion=text_fusion)
        reports[text_fusion], run = evaluate(
            find_corpus(tmp_path / "manuals"), queries, encoder=ToyEncoder(), options=options
        )
    assert run.ranking("q")[0] == page(2)
    assert [report.setting.retrievers for report in reports.values()] == [("maxsim",), ("maxsim", "bm25")]
    assert "BM25" not in str(reports[False])
    assert "retrievers: maxsim, bm25" in str(reports[True])
    assert reports[True].to_dict()["scoring"]["bm25"] == {"weight": TEXT_WEIGHT, "unread": UNREAD}


def test_exact_words_leave_out_the_others_that_an_encoder_knows(tmp_path):
    (tmp_path / "manuals").mkdir()
    save_document(tmp_path / "manuals" / "pump.pdf", [["fan", "belt"], ["vent", "valve"]])
    rows = [{"query_id": "q", "text": "bleed", "gold": [{"doc": "pump", "page": 1}]}]
    queries = read_queries(write_lines(tmp_path / "queries.jsonl", rows))
    scores = {}
    for exact in (False, True):
        options = EvaluationOptions(cache=tmp_path / "cache", exact_words=exact)
        report, run = evaluate(find_corpus(tmp_path / "manuals"), queries, encoder=Thesaurus(), options=options)
        assert ("the questions' own words alone" in str(report)) is exact
        assert report.to_dict()["scoring"]["exact_words"] is exact
        scores[exact] = {entry.page: entry.score for entry in run.answers["q"]}[page(2)]
    assert scores[False] > 10 * scores[True]


def test_two_evaluations_that_scan_the_same_pages_at_once_do_not_disturb_each_other(evaluation_set, tmp_path):
    corpus = find_corpus(evaluation_set.manuals, level="light", pages=[page(2, "fan")])
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda _: corpus.files(tmp_path, progress=lambda step: None), range(3)))
    assert len({each for files in made for each in files}) == 1
    assert [path.name for path in made[0][0].parent.iterdir()] == ["fan.pdf"]
    assert made[0][0].read_bytes().endswith(b"%%EOF")


def test_a_scan_that_is_interrupted_leaves_nothing_behind(evaluation_set, tmp_path):
    def interrupt(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_corpus(evaluation_set.manuals, level="light", pages=[page(1), page(2)]).files(tmp_path, progress=interrupt)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_pooled_pages_are_a_collection_of_their_own_and_the_report_says_so(evaluation_set, tmp_path):
    encoder, reports = CountingEncoder(), []
    for pool in (1, 2, 2):
        options = EvaluationOptions(cache=tmp_path / "cache", library=tmp_path / "library", pool=pool)
        report, _ = evaluate(
            find_corpus(evaluation_set.manuals), evaluation_set.queries, encoder=encoder, options=options
        )
        reports.append(report)
    assert encoder.encoded == 2 * 5
    assert [report.to_dict()["pool"] for report in reports] == [1, 2, 2]
    assert ", pool 2, renderer" in str(reports[1]) and "pool" not in str(reports[0])
    with open_library(tmp_path / "library", encoder=encoder) as library:
        vectors = [collection.vectors for collection in library.status().collections if collection.pages]
    assert vectors[1] < 0.7 * vectors[0]
