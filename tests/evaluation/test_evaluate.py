"""A corpus is read once, whatever is searched for; a report names its setting; unreadable queries are refused."""

import json
from dataclasses import replace

import pytest

from colvision.errors import InputError
from colvision.evaluation import EvaluationOptions, evaluate, find_corpus
from colvision.evaluation.queries import Query
from colvision.evaluation.runs import write_run
from colvision.testing import ToyEncoder, save_document
from tests.helpers.evaluation_set import MANUALS, CountingEncoder, page, query
from tests.helpers.ocr import Reciter

pytestmark = pytest.mark.slow


def test_every_page_is_found_by_its_own_words(evaluation_set):
    corpus = find_corpus(evaluation_set.manuals)
    report, run = evaluate(
        corpus, evaluation_set.queries, encoder=ToyEncoder(), options=EvaluationOptions(cache=evaluation_set.cache)
    )
    assert [(row.group, row.queries) for row in report.rows] == [
        ("all", 5), ("content", 3), ("title", 2), ("content/visual", 3),
    ]  # fmt: skip
    assert report.rows[0].mean.precision1 == 1.0
    assert report.rows[0].mean.ndcg10 == 1.0
    assert run.ranking("fan-1")[0] == page(2, "fan")
    assert {len(answer) for answer in run.answers.values()} == {5}  # every page there is, as there are fewer than 160


def test_a_report_names_all_that_another_run_must_share(evaluation_set):
    encoder = ToyEncoder()
    options = EvaluationOptions(cache=evaluation_set.cache)
    report, _ = evaluate(find_corpus(evaluation_set.manuals), evaluation_set.queries, encoder=encoder, options=options)
    text = str(report)
    for fact in (
        "toy-0",
        encoder.info.fingerprint[:12],
        "level clean",
        "5 pages of 2 documents",
        "sum of similarities",
    ):
        assert fact in text
    assert report.setting.renderers[0].split()[0] in ("poppler", "pdfium")
    values = json.loads(json.dumps(report.to_dict()))
    assert values["encoder"]["fingerprint"] == encoder.info.fingerprint
    assert values["groups"][0]["ndcg10"] == {"mean": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.parametrize("library", [None, "library"])
def test_a_second_run_scans_and_encodes_nothing_and_finds_the_same(evaluation_set, tmp_path, library):
    encoder, steps = CountingEncoder(), []
    queries = [each for each in evaluation_set.queries if each.query_id == "fan-1"]
    place = tmp_path / library if library else None
    options = EvaluationOptions(cache=tmp_path / "cache", library=place)

    def run():
        corpus = find_corpus(evaluation_set.manuals, level="light", pages=[page(2, "fan")])
        return evaluate(corpus, queries, encoder=encoder, options=options, progress=steps.append)

    first = run()
    assert encoder.encoded == 1
    assert list(dict.fromkeys(step.task for step in steps)) == ["scanning fan", "encoding fan.pdf", "searching"]
    steps.clear()
    assert run() == first
    assert encoder.encoded == 1
    assert [step.task for step in steps] == ["searching"]


def test_an_interrupted_run_goes_on_where_it_was(evaluation_set, tmp_path):
    encoder, queries = CountingEncoder(), evaluation_set.queries
    options = EvaluationOptions(cache=tmp_path / "cache")

    def interrupt(step):
        if step.task == "encoding pump.pdf":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(find_corpus(evaluation_set.manuals), queries, encoder=encoder, options=options, progress=interrupt)
    before = encoder.encoded
    assert before >= 2
    report, _ = evaluate(find_corpus(evaluation_set.manuals), queries, encoder=encoder, options=options)
    assert encoder.encoded - before <= 3  # fan's two pages were stored
    assert report.rows[0].mean.ndcg10 == 1.0


def test_another_level_or_encoder_does_not_mix_with_what_the_library_holds(evaluation_set, tmp_path):
    queries = [each for each in evaluation_set.queries if each.query_id == "fan-1"]
    options = EvaluationOptions(cache=tmp_path / "cache", library=tmp_path / "library")
    for level, seed in (("clean", 0), ("light", 0), ("clean", 1)):
        corpus = find_corpus(evaluation_set.manuals, level=level, pages=[page(2, "fan")])
        report, _ = evaluate(corpus, queries, encoder=ToyEncoder(seed=seed), options=options)
        assert report.setting.pages == 1


def test_only_listed_pages_are_searched_and_keep_their_numbers(evaluation_set, tmp_path):
    listed = [page(3), page(1), page(2, "fan")]
    corpus = find_corpus(evaluation_set.manuals, pages=listed)
    searched = frozenset(corpus.page_ids())
    queries = [query for query in evaluation_set.queries if query.gold <= searched]
    encoder = CountingEncoder()
    _, run = evaluate(corpus, queries, encoder=encoder, options=EvaluationOptions(cache=tmp_path / "cache"))
    assert encoder.encoded == 3
    assert {each.query_id for each in queries} == {"pump-0", "pump-2", "fan-1"}
    assert all(set(run.ranking(query.query_id)) == set(listed) for query in queries)
    assert run.ranking("pump-2")[0] == page(3)


def test_a_page_that_is_listed_but_not_there_is_named(evaluation_set):
    with pytest.raises(InputError, match=r"'valve' are listed, but .* has no valve\.pdf"):
        find_corpus(evaluation_set.manuals, pages=[page(1, "valve")])
    with pytest.raises(InputError, match=r"page 3 \(from 0\) of 'pump' is listed; the file has 3 pages"):
        find_corpus(evaluation_set.manuals, pages=[page(4)])
    with pytest.raises(InputError, match=r"holds no \.pdf"):
        find_corpus(evaluation_set.manuals / "nowhere")


def test_a_query_that_cannot_be_answered_is_refused_before_anything_is_encoded(evaluation_set, tmp_path):
    encoder = CountingEncoder()
    for queries, complaint in (
        ([query([page(9)])], r"'q' is answered by pump#8, which is not among the pages"),
        ([Query("q", " ", "content", "", frozenset([page(1)]))], "'q' .* has no word that toy-0 can read"),
        ([], "no query is left"),
    ):
        with pytest.raises(InputError, match=complaint):
            evaluate(find_corpus(evaluation_set.manuals), queries, encoder=encoder)
    assert encoder.encoded == 0


def test_two_files_of_the_same_bytes_are_refused(tmp_path):
    save_document(tmp_path / "pump.pdf", [["bleed"]])
    (tmp_path / "twin.pdf").write_bytes((tmp_path / "pump.pdf").read_bytes())
    options = EvaluationOptions(cache=tmp_path / "cache")
    with pytest.raises(InputError, match=r"twin\.pdf has the same bytes as pump\.pdf"):
        evaluate(find_corpus(tmp_path), [query([page(1)])], encoder=ToyEncoder(), options=options)


def test_a_run_against_itself_differs_by_nothing(evaluation_set, tmp_path):
    queries = evaluation_set.queries
    _, run = evaluate(
        find_corpus(evaluation_set.manuals),
        queries,
        encoder=ToyEncoder(),
        options=EvaluationOptions(cache=evaluation_set.cache),
    )
    write_run(run, tmp_path / "same.trec")
    options = EvaluationOptions(cache=evaluation_set.cache, against=tmp_path / "same.trec")
    report, _ = evaluate(find_corpus(evaluation_set.manuals), queries, encoder=ToyEncoder(), options=options)
    assert "against same.trec" in str(report)
    for each in report.comparisons:
        assert set(each.difference) == {0.0}
        assert (each.better, each.worse) == (0, 0)


def test_a_run_over_other_pages_is_no_opponent(evaluation_set, tmp_path):
    (tmp_path / "other.trec").write_text("pump-0 Q0 pump#2 1 1.0 bm25\n")
    corpus = find_corpus(evaluation_set.manuals, pages=[page(1)])
    options = EvaluationOptions(cache=tmp_path / "cache", against=tmp_path / "other.trec")
    queries = [each for each in evaluation_set.queries if each.query_id == "pump-0"]
    with pytest.raises(InputError, match=r"other\.trec ranks pump#2, which is not searched here"):
        evaluate(corpus, queries, encoder=ToyEncoder(), options=options)


@pytest.mark.long
def test_scans_are_read_by_ocr_once_and_asked_for_their_text(evaluation_set, tmp_path, monkeypatch):
    texts = [" ".join(words) + " and some words more" for pages in MANUALS.values() for words in pages]
    engine = Reciter(*(texts[3:] + texts[:3]))  # documents come in the order of their names
    for module in ("ingest.ingest", "ingest.document_ingest", "evaluation.corpus_library"):
        monkeypatch.setattr(f"colvision.{module}.choose_engine", lambda name: engine)
    corpus = find_corpus(evaluation_set.manuals, level="light")
    options = EvaluationOptions(cache=tmp_path / "cache", text_fusion=True, ocr="auto")
    for _ in range(2):
        report, _ = evaluate(corpus, evaluation_set.queries, encoder=ToyEncoder(), options=options)
        assert report.setting.ocr == "reciter 1" and report.to_dict()["ocr"] == "reciter 1"
        assert "text of scans by reciter 1" in str(report) and report.setting.retrievers == ("maxsim", "bm25")
        assert len(engine.pages) == 5
    without = replace(options, text_fusion=False)
    pixels, _ = evaluate(corpus, evaluation_set.queries, encoder=ToyEncoder(), options=without)
    assert report.rows[0].mean.ndcg10 >= pixels.rows[0].mean.ndcg10 and len(engine.pages) == 5
