"""Evaluation: measures and runs against oracles, a corpus that is read once, reports that name their setting."""

import itertools
import json
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pdf_files import text_file, written
from toy import ToyEncoder, save_document

from colvision.embedding import Link, PatchGrid, QueryEmbedding, ScoredQuery
from colvision.errors import InputError
from colvision.evaluation import EvaluationOptions, evaluate, find_corpus, read_pages_file, read_queries, read_run
from colvision.evaluation.bootstrap import intervals, share_interval
from colvision.evaluation.metrics import by_group, mean, measure, measure_run
from colvision.evaluation.pointing import is_hit, read_words, summarise
from colvision.evaluation.queries import Query
from colvision.evaluation.report import compare
from colvision.evaluation.runs import Ranked, Run, rank, write_run
from colvision.explain import Explanation
from colvision.fusion import TEXT_WEIGHT, UNREAD
from colvision.page import Box, PageId

MANUALS = {
    "pump": [["bleed", "pump"], ["close", "valve"], ["spare", "parts"]],
    "fan": [["blade", "angle"], ["motor", "fuse"]],
}


def page(number, document="pump"):
    return PageId(document, number)


def query(gold, *, neutral=(), query_id="q", type_="content", subtype="text"):
    return Query(query_id, "some words", type_, subtype, frozenset(gold), frozenset(neutral))


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def manuals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation") / "manuals"
    folder.mkdir()
    for name, pages in MANUALS.items():
        save_document(folder / f"{name}.pdf", pages)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Where the first test that needs the manuals as they are leaves them read, for those that follow."""
    return tmp_path_factory.mktemp("evaluation") / "cache"


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    """A query for every page, of its own words; documents and pages from 0, as they lie in files."""
    rows = [
        {
            "query_id": f"{name}-{number}",
            "text": " ".join(words),
            "type": "content" if number else "title",
            "subtype": "figure",
            "gold": [{"doc": name, "page": number}],
        }
        for name, pages in MANUALS.items()
        for number, words in enumerate(pages)
    ]
    return write_lines(tmp_path_factory.mktemp("evaluation") / "queries.jsonl", rows)


class CountingEncoder(ToyEncoder):
    """Counts the pages that it encodes."""

    encoded = 0

    def encode_pages(self, pages):
        for embedding in super().encode_pages(pages):
            self.encoded += 1
            yield embedding


def oracle(ranking, gold, neutral):
    """nDCG@5, nDCG@10, recall@1, recall@10, MRR: the definitions in five lines, pages that count neither way out."""
    kept = [1.0 if each in gold else 0.0 for each in ranking if each in gold or each not in neutral][:100]
    dcg = [sum(g / math.log2(i + 2) for i, g in enumerate(kept[:k])) for k in (5, 10)]
    ideal = [sum(1 / math.log2(i + 2) for i in range(min(k, len(gold)))) for k in (5, 10)]
    first = kept.index(1.0) + 1 if 1.0 in kept else math.inf
    return (
        dcg[0] / ideal[0],
        dcg[1] / ideal[1],
        kept[:1].count(1) / len(gold),
        kept[:10].count(1) / len(gold),
        1 / first,
    )


def test_measures_equal_their_definitions_on_random_rankings():
    rng = np.random.default_rng(0)
    pages = [page(number) for number in range(1, 301)]
    for _ in range(200):
        ranking = [pages[i] for i in rng.permutation(300)[: rng.integers(0, 160)]]
        gold = {pages[i] for i in rng.integers(0, 40 if rng.random() < 0.5 else 300, rng.integers(1, 14))}
        neutral = {pages[i] for i in rng.integers(0, 300, rng.integers(0, 60))}
        found = measure(ranking, query(gold, neutral=neutral))
        expected = oracle(ranking, gold, neutral)
        assert (found.ndcg5, found.ndcg10, found.recall1, found.recall10, found.mrr) == pytest.approx(expected)
        counted = [each for each in ranking if each in gold or each not in neutral]
        for k, precision in ((1, found.precision1), (5, found.precision5), (10, found.precision10)):
            assert precision == len(set(counted[:k]) & gold) / k


def test_a_neutral_page_is_taken_out_before_ranks_are_counted():
    ranking = [page(1), page(2), page(3)]
    assert measure(ranking, query([page(3)])).mrr == pytest.approx(1 / 3)
    assert measure(ranking, query([page(3)], neutral=[page(1), page(2)])).mrr == 1.0


def test_a_page_that_is_gold_and_neutral_counts_as_gold():
    assert measure([page(1)], query([page(1)], neutral=[page(1)])).ndcg10 == 1.0


def test_ranks_beyond_one_hundred_count_nothing_once_neutral_pages_are_out():
    ranking = [page(number) for number in range(1, 161)]
    assert measure(ranking, query([page(101)])).mrr == 0.0
    assert measure(ranking, query([page(101)], neutral=[page(7)])).mrr == pytest.approx(1 / 100)


def test_a_query_that_a_run_does_not_answer_has_zero_everywhere():
    measured = measure_run(Run("run", {}), [query([page(1)])])
    assert set(measured["q"]) == {0.0}


def test_groups_are_all_the_types_and_content_by_what_answers_it():
    queries = [
        query([page(1)], query_id="a", subtype="plot"),
        query([page(1)], query_id="b", subtype="table"),
        query([page(1)], query_id="c", subtype="code"),
        query([page(1)], query_id="d", type_="title", subtype="table"),
    ]
    run = Run("run", {"a": (Ranked(page(1), 1.0),)})
    groups = by_group(measure_run(run, queries), queries)
    sizes = {name: len(each) for name, each in groups.items()}
    assert sizes == {
        "all": 4, "content": 3, "title": 1, "content/table": 1, "content/textual": 1, "content/visual": 1,
    }  # fmt: skip
    assert list(groups)[:3] == ["all", "content", "title"]
    assert mean(groups["content"]).ndcg10 == pytest.approx(1 / 3)


def test_intervals_are_the_same_on_every_run_and_hold_the_mean():
    values = np.random.default_rng(1).random((80, 3))
    first = intervals(values)
    assert first == intervals(values)
    for interval, middle, deviation in zip(first, values.mean(axis=0), values.std(axis=0), strict=True):
        assert interval.low < middle < interval.high
        assert interval.high - interval.low == pytest.approx(2 * 1.96 * deviation / math.sqrt(80), rel=0.05)


def test_an_interval_over_few_queries_holds_every_mean_that_95_of_100_draws_have():
    values = [0.0, 1.0, 0.5]
    means = sorted(sum(draw) / 3 for draw in itertools.product(values, repeat=3))  # all 27 equally likely draws
    (found,) = intervals([[value] for value in values])
    assert found == (means[0], means[-1])  # each extreme has a chance of 1 / 27, more than 2.5 %


def test_a_paired_difference_is_surer_than_two_means():
    rng = np.random.default_rng(2)
    hard = rng.random(60)  # queries differ more than systems do
    ours, theirs = np.clip(hard + 0.05, 0, 1), hard
    (paired,) = intervals((ours - theirs)[:, None])
    (alone,) = intervals(ours[:, None])
    assert paired.low > 0
    assert paired.high - paired.low < (alone.high - alone.low) / 4


def test_words_of_one_page_are_drawn_together():
    apart = share_interval([1, 0] * 40, [1] * 80)
    together = share_interval([8, 0] * 5, [8] * 10)
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_a_run_comes_back_from_its_file_as_it_was(tmp_path):
    rng = np.random.default_rng(3)
    answers = {
        f"q{number}": rank(Ranked(page(n, "a manual, 2nd ed."), float(s)) for n, s in enumerate(rng.random(160), 1))
        for number in range(3)
    }
    write_run(Run("mini", answers), tmp_path / "run.trec")
    assert read_run(tmp_path / "run.trec") == Run("mini", answers)


def test_a_run_file_counts_pages_from_0_ranks_from_1_and_keeps_9_digits(tmp_path):
    write_run(Run("mini", {"q": (Ranked(page(1), 2 / 3),)}), tmp_path / "run.trec")
    assert (tmp_path / "run.trec").read_text() == "q Q0 pump#0 1 0.666666667 mini\n"


def test_scores_that_a_run_file_cannot_tell_apart_are_ordered_by_document_and_page():
    tied = [Ranked(page(2, "b"), 0.5 + 1e-12), Ranked(page(10, "a"), 0.5), Ranked(page(9, "a"), 0.5 - 1e-12)]
    assert [ranked.page for ranked in rank(tied)] == [page(9, "a"), page(10, "a"), page(2, "b")]


def test_a_foreign_run_is_ordered_by_score_then_rank(tmp_path):
    (tmp_path / "run.trec").write_text("q Q0 a#0 3 0.5 bm25\nq Q0 b#0 2 0.5 bm25\nq Q0 c#4 1 0.25 bm25\n")
    ranking = read_run(tmp_path / "run.trec").ranking("q")
    assert ranking == (page(1, "b"), page(1, "a"), page(5, "c"))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("q Q0 a 1 0.5 tag", "line 2 of run.trec is not of a run"),
        ("q Q0 a#0 1", "line 2 of run.trec is not of a run"),
        ("q Q0 a#0 1 nan tag", "line 2 of run.trec is not of a run"),
        ("q Q0 a#1 2 0.4 tag", "ranks a#1 a second time"),
    ],
)
def test_a_damaged_run_is_refused_with_its_line(tmp_path, line, complaint):
    (tmp_path / "run.trec").write_text(f"q Q0 a#1 1 0.5 tag\n{line}\n")
    with pytest.raises(InputError, match=complaint):
        read_run(tmp_path / "run.trec")


@pytest.mark.parametrize(
    "row",
    [
        {"query_id": "q", "gold": [{"doc": "a", "page": 0}]},
        {"query_id": "q", "text": "t", "gold": []},
        {"query_id": "q", "text": "t", "gold": [{"doc": "a", "page": -1}]},
        ["q", "t"],
    ],
)
def test_a_line_that_is_no_query_is_named(tmp_path, row):
    good = {"query_id": "p", "text": "t", "gold": [{"doc": "a", "page": 0}]}
    with pytest.raises(InputError, match="line 2 of queries.jsonl is not a query"):
        read_queries(write_lines(tmp_path / "queries.jsonl", [good, row]))


def test_pages_are_counted_from_0_in_files_and_from_1_here(tmp_path):
    assert read_pages_file(write_lines(tmp_path / "some.pages", [["pump", 0], ["pump", 2]])) == (page(1), page(3))
    with pytest.raises(InputError, match="line 1"):
        read_pages_file(write_lines(tmp_path / "some.pages", [["pump", "0"]]))


def test_every_page_is_found_by_its_own_words(manuals, questions, cache):
    corpus = find_corpus(manuals)
    report, run = evaluate(
        corpus, read_queries(questions), encoder=ToyEncoder(), options=EvaluationOptions(cache=cache)
    )
    assert [(row.group, row.queries) for row in report.rows] == [
        ("all", 5), ("content", 3), ("title", 2), ("content/visual", 3),
    ]  # fmt: skip
    assert report.rows[0].mean.precision1 == 1.0
    assert report.rows[0].mean.ndcg10 == 1.0
    assert run.ranking("fan-1")[0] == page(2, "fan")
    assert {len(answer) for answer in run.answers.values()} == {5}  # every page there is, as there are fewer than 160


def test_a_report_names_all_that_another_run_must_share(manuals, questions, cache):
    encoder = ToyEncoder()
    options = EvaluationOptions(cache=cache)
    report, _ = evaluate(find_corpus(manuals), read_queries(questions), encoder=encoder, options=options)
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
    values = json.loads(json.dumps(report.as_dict()))
    assert values["encoder"]["fingerprint"] == encoder.info.fingerprint
    assert values["groups"][0]["ndcg10"] == {"mean": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.parametrize("library", [None, "library"])
def test_a_second_run_scans_and_encodes_nothing_and_finds_the_same(manuals, questions, tmp_path, library):
    encoder, steps = CountingEncoder(), []
    queries = [each for each in read_queries(questions) if each.query_id == "fan-1"]
    place = tmp_path / library if library else None
    options = EvaluationOptions(cache=tmp_path / "cache", library=place)

    def run():
        corpus = find_corpus(manuals, level="light", pages=[page(2, "fan")])
        return evaluate(corpus, queries, encoder=encoder, options=options, progress=steps.append)

    first = run()
    assert encoder.encoded == 1
    assert list(dict.fromkeys(step.what for step in steps)) == ["scanning fan", "encoding fan.pdf", "searching"]
    steps.clear()
    assert run() == first
    assert encoder.encoded == 1
    assert [step.what for step in steps] == ["searching"]


def test_an_interrupted_run_goes_on_where_it_was(manuals, questions, tmp_path):
    encoder, queries = CountingEncoder(), read_queries(questions)
    options = EvaluationOptions(cache=tmp_path / "cache")

    def interrupt(step):
        if step.what == "encoding pump.pdf":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(find_corpus(manuals), queries, encoder=encoder, options=options, progress=interrupt)
    before = encoder.encoded
    assert before >= 2
    report, _ = evaluate(find_corpus(manuals), queries, encoder=encoder, options=options)
    assert encoder.encoded - before <= 3  # fan's two pages were stored
    assert report.rows[0].mean.ndcg10 == 1.0


def test_another_level_or_encoder_does_not_mix_with_what_the_library_holds(manuals, questions, tmp_path):
    queries = [each for each in read_queries(questions) if each.query_id == "fan-1"]
    options = EvaluationOptions(cache=tmp_path / "cache", library=tmp_path / "library")
    for level, seed in (("clean", 0), ("light", 0), ("clean", 1)):
        corpus = find_corpus(manuals, level=level, pages=[page(2, "fan")])
        report, _ = evaluate(corpus, queries, encoder=ToyEncoder(seed=seed), options=options)
        assert report.setting.pages == 1


def test_only_listed_pages_are_searched_and_keep_their_numbers(manuals, questions, tmp_path):
    listed = [page(3), page(1), page(2, "fan")]
    corpus = find_corpus(manuals, pages=listed)
    searched = frozenset(corpus.page_ids())
    queries = [query for query in read_queries(questions) if query.gold <= searched]
    encoder = CountingEncoder()
    _, run = evaluate(corpus, queries, encoder=encoder, options=EvaluationOptions(cache=tmp_path / "cache"))
    assert encoder.encoded == 3
    assert {each.query_id for each in queries} == {"pump-0", "pump-2", "fan-1"}
    assert all(set(run.ranking(query.query_id)) == set(listed) for query in queries)
    assert run.ranking("pump-2")[0] == page(3)


def test_a_page_that_is_listed_but_not_there_is_named(manuals):
    with pytest.raises(InputError, match=r"'valve' are listed, but .* has no valve\.pdf"):
        find_corpus(manuals, pages=[page(1, "valve")])
    with pytest.raises(InputError, match=r"page 3 \(from 0\) of 'pump' is listed; the file has 3 pages"):
        find_corpus(manuals, pages=[page(4)])
    with pytest.raises(InputError, match=r"holds no \.pdf"):
        find_corpus(manuals / "nowhere")


def test_a_query_that_cannot_be_answered_is_refused_before_anything_is_encoded(manuals, tmp_path):
    encoder = CountingEncoder()
    for queries, complaint in (
        ([query([page(9)])], r"'q' is answered by pump#8, which is not among the pages"),
        ([Query("q", " ", "content", "", frozenset([page(1)]))], "'q' .* has no word that toy-0 can read"),
        ([], "no query is left"),
    ):
        with pytest.raises(InputError, match=complaint):
            evaluate(find_corpus(manuals), queries, encoder=encoder)
    assert encoder.encoded == 0


def test_two_files_of_the_same_bytes_are_refused(tmp_path):
    save_document(tmp_path / "pump.pdf", [["bleed"]])
    (tmp_path / "twin.pdf").write_bytes((tmp_path / "pump.pdf").read_bytes())
    options = EvaluationOptions(cache=tmp_path / "cache")
    with pytest.raises(InputError, match=r"twin\.pdf has the same bytes as pump\.pdf"):
        evaluate(find_corpus(tmp_path), [query([page(1)])], encoder=ToyEncoder(), options=options)


def test_a_run_against_itself_differs_by_nothing(manuals, questions, cache, tmp_path):
    queries = read_queries(questions)
    _, run = evaluate(find_corpus(manuals), queries, encoder=ToyEncoder(), options=EvaluationOptions(cache=cache))
    write_run(run, tmp_path / "same.trec")
    options = EvaluationOptions(cache=cache, against=tmp_path / "same.trec")
    report, _ = evaluate(find_corpus(manuals), queries, encoder=ToyEncoder(), options=options)
    assert "against same.trec" in str(report)
    for each in report.comparisons:
        assert set(each.difference) == {0.0}
        assert (each.better, each.worse) == (0, 0)


def test_a_difference_is_ours_minus_theirs_query_by_query():
    queries = [query([page(1)], query_id=name) for name in "abc"]
    ours = Run("ours", {name: (Ranked(page(1), 1.0),) for name in "ab"})
    theirs = Run("theirs", {name: (Ranked(page(1), 1.0),) for name in "c"})
    everything = compare(ours, theirs, queries)[0]
    assert everything.theirs.ndcg10 == pytest.approx(1 / 3)
    assert everything.difference.ndcg10 == pytest.approx(1 / 3)
    assert (everything.better, everything.worse) == (2, 1)
    assert everything.intervals[1] == (-1.0, 1.0)


def test_a_run_over_other_pages_is_no_opponent(manuals, questions, tmp_path):
    (tmp_path / "other.trec").write_text("pump-0 Q0 pump#2 1 1.0 bm25\n")
    corpus = find_corpus(manuals, pages=[page(1)])
    options = EvaluationOptions(cache=tmp_path / "cache", against=tmp_path / "other.trec")
    queries = [each for each in read_queries(questions) if each.query_id == "pump-0"]
    with pytest.raises(InputError, match=r"other\.trec ranks pump#2, which is not searched here"):
        evaluate(corpus, queries, encoder=ToyEncoder(), options=options)


def explanation(similarity_map, cells):
    t = len(similarity_map)
    vectors = np.eye(t, 4, dtype=np.float32)
    embedding = QueryEmbedding.of_words("w", [f"w{i}" for i in range(t)], vectors)
    scored = ScoredQuery(embedding, np.ones(t, np.float32), Link(), 0, "toy")
    return Explanation(scored, PatchGrid(cells), similarity_map.astype(np.float32), (), {}, 0.0, None)


def test_a_hit_is_the_centre_of_the_best_patch_in_a_box_grown_by_half_a_patch():
    cells = np.arange(10, dtype=np.int32).reshape(2, 5)  # a rectangular grid: cells are 0.2 wide and 0.5 high
    similar = np.zeros((1, 2, 5))
    similar[0, 1, 3] = 1.0  # its centre is (0.7, 0.75)
    why = explanation(similar, cells)
    assert is_hit(why, [Box(0.65, 0.7, 0.75, 0.8)])
    assert is_hit(why, [Box(0.0, 0.0, 0.1, 0.1), Box(0.79, 0.99, 0.9, 1.0)])  # 0.09 right and 0.24 below the centre
    assert not is_hit(why, [Box(0.81, 0.75, 0.9, 0.8)])
    assert not is_hit(why, [Box(0.0, 0.0, 0.1, 0.1)])


def test_the_tokens_of_a_word_choose_its_best_patch_together():
    cells = np.array([[0, 1, 2, -1]], dtype=np.int32)
    similar = np.array([[[0.9, 0.8, 0.0, np.nan]], [[0.0, 0.8, 0.9, np.nan]]])
    assert is_hit(explanation(similar, cells), [Box(0.3, 0.4, 0.4, 0.6)])
    assert not is_hit(explanation(similar, cells), [Box(0.0, 0.4, 0.1, 0.6)])


def test_a_share_of_words_is_over_words_not_over_pages():
    pointing = summarise([(page(1), True)] * 3 + [(page(2), False)])
    assert (pointing.words, pointing.share) == (4, 0.75)


def test_words_that_are_printed_on_the_pages_are_pointed_at(manuals, questions, cache, tmp_path):
    rows, cols = 1500 // 16, 1400 // 32
    first, second = [0.0, 0.0, 1 / cols, 1 / rows], [1 / cols, 0.0, 2 / cols, 1 / rows]
    words = [
        {"doc": "pump", "page": 1, "word": "close", "boxes": [first]},
        {"doc": "pump", "page": 1, "word": "valve", "boxes": [second]},
        {"doc": "fan", "page": 1, "word": "motor", "boxes": [first]},
        {"doc": "fan", "page": 1, "word": "motor", "boxes": [[0.5, 0.5, 0.6, 0.6]]},
        {"doc": "fan", "page": 1, "word": " ", "boxes": [first]},
        {"doc": "book", "page": 1, "word": "motor", "boxes": [first]},
    ]
    path = write_lines(tmp_path / "words.jsonl", words)
    assert read_words(path)[0].page == page(2)
    options = EvaluationOptions(cache=cache, point=path)
    report, _ = evaluate(find_corpus(manuals), read_queries(questions), encoder=ToyEncoder(), options=options)
    assert (report.pointing.words, report.pointing.share) == (5, 0.6)
    assert "best patch on the word: 0.600 of 5 words" in str(report)
    assert report.as_dict()["pointing"]["share"] == 0.6


def test_words_of_pages_that_are_not_searched_are_an_error(manuals, questions, cache, tmp_path):
    path = write_lines(tmp_path / "words.jsonl", [{"doc": "book", "page": 1, "word": "motor", "boxes": [[0, 0, 1, 1]]}])
    options = EvaluationOptions(cache=cache, point=path)
    with pytest.raises(InputError, match="none of the words"):
        evaluate(find_corpus(manuals), read_queries(questions), encoder=ToyEncoder(), options=options)


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
    assert [report.setting.arms for report in reports.values()] == [("maxsim",), ("maxsim", "text")]
    assert "BM25" not in str(reports[False])
    assert "arms: maxsim, text" in str(reports[True])
    assert reports[True].as_dict()["scoring"]["text"] == {"weight": TEXT_WEIGHT, "unread": UNREAD}


def test_two_evaluations_that_scan_the_same_pages_at_once_do_not_disturb_each_other(manuals, tmp_path):
    corpus = find_corpus(manuals, level="light", pages=[page(2, "fan")])
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda _: corpus.files(tmp_path, progress=lambda step: None), range(3)))
    assert len({each for files in made for each in files}) == 1
    assert [path.name for path in made[0][0].parent.iterdir()] == ["fan.pdf"]
    assert made[0][0].read_bytes().endswith(b"%%EOF\n")


def test_a_scan_that_is_interrupted_leaves_nothing_behind(manuals, tmp_path):
    def interrupt(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_corpus(manuals, level="light", pages=[page(1), page(2)]).files(tmp_path, progress=interrupt)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_measures_equal_trec_eval_where_its_definitions_are_ours():
    trec = pytest.importorskip("pytrec_eval", reason="pytrec_eval is not installed: pip install pytrec-eval-terrier")
    rng = np.random.default_rng(5)
    pages = [page(number) for number in range(1, 201)]
    queries, answers = [], {}
    for number in range(100):
        gold = {pages[i] for i in rng.integers(0, 60, rng.integers(1, 14))}
        queries.append(query(gold, query_id=f"q{number}"))
        scores = rng.permutation(100)[: rng.integers(1, 100)].astype(
            float
        )  # distinct: trec_eval breaks ties its own way
        answers[f"q{number}"] = rank(map(Ranked, [pages[i] for i in rng.permutation(len(scores))], scores.tolist()))
    wanted = {"ndcg_cut_5", "ndcg_cut_10", "recall_1", "recall_10", "P_1", "P_5", "P_10", "recip_rank"}
    judged = {each.query_id: {str(gold): 1 for gold in each.gold} for each in queries}
    theirs = trec.RelevanceEvaluator(judged, wanted).evaluate(
        {key: {str(found.page): found.score for found in answer} for key, answer in answers.items()}
    )
    names = ("ndcg_cut_5", "ndcg_cut_10", "recall_1", "recall_10", "P_1", "P_5", "P_10", "recip_rank")
    for query_id, ours in measure_run(Run("run", answers), queries).items():
        assert ours == pytest.approx([theirs[query_id][name] for name in names], abs=1e-9)
