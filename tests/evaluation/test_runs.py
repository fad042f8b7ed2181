"""Run, query and page files: pages from 0 there and from 1 here; what cannot be read is named by its line."""

import numpy as np
import pytest

from colvision.errors import InputError
from colvision.evaluation import read_pages_file, read_queries, read_run
from colvision.evaluation.runs import Run, RunEntry, rank, write_run
from tests.helpers.evaluation_set import page, write_lines


def test_a_run_comes_back_from_its_file_as_it_was(tmp_path):
    rng = np.random.default_rng(3)
    answers = {
        f"q{number}": rank(RunEntry(page(n, "a manual, 2nd ed."), float(s)) for n, s in enumerate(rng.random(160), 1))
        for number in range(3)
    }
    write_run(Run("mini", answers), tmp_path / "run.trec")
    assert read_run(tmp_path / "run.trec") == Run("mini", answers)


def test_a_run_file_counts_pages_from_0_ranks_from_1_and_keeps_9_digits(tmp_path):
    write_run(Run("mini", {"q": (RunEntry(page(1), 2 / 3),)}), tmp_path / "run.trec")
    assert (tmp_path / "run.trec").read_text() == "q Q0 pump#0 1 0.666666667 mini\n"


def test_scores_that_a_run_file_cannot_tell_apart_are_ordered_by_document_and_page():
    tied = [
        RunEntry(page(2, "b"), 0.5 + 1e-12),
        RunEntry(page(10, "a"), 0.5),
        RunEntry(page(9, "a"), 0.5 - 1e-12),
    ]
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
