"""Measures against their definitions and trec_eval, and intervals: the same on every run, paired where they compare."""

import itertools
import math

import numpy as np
import pytest

from colvision.evaluation.bootstrap import intervals, share_interval
from colvision.evaluation.metrics import by_group, mean, measure, measure_run
from colvision.evaluation.report import compare
from colvision.evaluation.runs import Run, RunEntry, rank
from tests.helpers.evaluation_set import page, query


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
        format_count = [each for each in ranking if each in gold or each not in neutral]
        for k, precision in ((1, found.precision1), (5, found.precision5), (10, found.precision10)):
            assert precision == len(set(format_count[:k]) & gold) / k


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
        answers[f"q{number}"] = rank(map(RunEntry, [pages[i] for i in rng.permutation(len(scores))], scores.tolist()))
    wanted = {"ndcg_cut_5", "ndcg_cut_10", "recall_1", "recall_10", "P_1", "P_5", "P_10", "recip_rank"}
    judged = {each.query_id: {str(gold): 1 for gold in each.gold} for each in queries}
    theirs = trec.RelevanceEvaluator(judged, wanted).evaluate(
        {key: {str(found.page): found.score for found in answer} for key, answer in answers.items()}
    )
    names = ("ndcg_cut_5", "ndcg_cut_10", "recall_1", "recall_10", "P_1", "P_5", "P_10", "recip_rank")
    measured = measure_run(Run("run", answers), queries)
    assert len(measured) == len(queries)
    for query_id, ours in measured.items():
        assert ours == pytest.approx([theirs[query_id][name] for name in names], abs=1e-9)


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
    run = Run("run", {"a": (RunEntry(page(1), 1.0),)})
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


def test_a_difference_is_ours_minus_theirs_query_by_query():
    queries = [query([page(1)], query_id=name) for name in "abc"]
    ours = Run("ours", {name: (RunEntry(page(1), 1.0),) for name in "ab"})
    theirs = Run("theirs", {name: (RunEntry(page(1), 1.0),) for name in "c"})
    everything = compare(ours, theirs, queries)[0]
    assert everything.theirs.ndcg10 == pytest.approx(1 / 3)
    assert everything.difference.ndcg10 == pytest.approx(1 / 3)
    assert (everything.better, everything.worse) == (2, 1)
    assert everything.intervals[1] == (-1.0, 1.0)


def test_words_of_one_page_are_drawn_together():
    apart = share_interval([1, 0] * 40, [1] * 80)
    together = share_interval([8, 0] * 5, [8] * 10)
    assert together.high - together.low > 2 * (apart.high - apart.low)
