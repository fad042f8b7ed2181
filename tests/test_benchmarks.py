"""The benchmarks run, and say what the docs need: at sizes of a second, with no claim about speed."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import compression, fan_out, lists, meaning, ocr_fusion, report
from benchmarks.quality import Subset
from benchmarks.synthetic import QUANTISATION_RANGE, TOKENS, Sizes, make, read
from benchmarks.timing import TimedAnswer, measure_in_turns
from colvision import maxsim, open_library
from colvision.evaluation import find_corpus
from colvision.maxsim import inverted_lists
from colvision.maxsim.bit_lanes import BIT_LANES
from colvision.maxsim.instructions import available_instructions, chosen_instructions
from tests.helpers import ROOT
from tests.helpers.evaluation_set import MANUALS, CountingEncoder, write_lines

pytestmark = pytest.mark.slow


def test_the_benchmark_of_instructions_has_a_row_for_each_set_that_is_here():
    command = [sys.executable, "-m", "benchmarks.instructions", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("|")]
    assert rows[2:] == [
        *available_instructions(),
        *(f"sign bits, {each.name}" for each in BIT_LANES if each.is_available),
    ]


def test_the_search_benchmark_writes_its_tables_into_the_docs(tmp_path):
    page = tmp_path / "benchmarks.md"
    other = "<!-- search by tape: written by benchmarks -->\nother\n<!-- search by tape: end -->\n"
    page.write_text(f"Before.\n{other}After.\n")
    pages = ["--pages", "20", "40", "--bits", "60", "--peers", "0"]
    small = [*pages, "--rounds", "1", "--queries", "2", "--seconds", "0.2"]
    command = [sys.executable, "-m", "benchmarks.search", *small, "--write", str(page)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert text.startswith(f"Before.\n{other}")
    assert text.endswith(f"<!-- search by {chosen_instructions()}: end -->\nAfter.\n")
    report.write(page, f"search by {chosen_instructions()}", "newer")
    assert (page.read_text().count("newer"), page.read_text().count(other), "Measured" in page.read_text()) == (
        1,
        1,
        False,
    )
    assert re.search(r"Measured on \d{4}-\d\d-\d\d, commit `\S+`: .* one thread", text)
    for title in ("**20 pages**", "**40 pages**", "**60 pages, bits only**", "**Clients**"):
        assert title in text
    exact = re.findall(r"^\| colvision float32 \|.*\| (\d\.\d{3}) \|", text, re.MULTILINE)
    assert exact == ["1.000"]
    assert len(re.findall(r"^\| colvision int8 \|", text, re.MULTILINE)) == 2


@pytest.mark.long
def test_the_benchmark_of_an_encoder_says_what_limits_it(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text("Before.\n<!-- encoder by cpu: written by benchmarks -->\nold\n<!-- encoder by cpu: end -->\n")
    command = [sys.executable, "-m", "benchmarks.vlm", "--tiny", "--pages", "3", "--runs", "1", "--write", str(page)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert "old" not in text and "a tiny random model on the processor itself" in text
    speeds = dict(re.findall(r"^\| (\w[\w ]+) \| (\d+\.\d) \(", text, re.MULTILINE))
    assert list(speeds) == ["drawing", "preparing", "computing", "all at once"]
    slowest = min(("drawing", "preparing", "computing"), key=lambda name: float(speeds[name]))
    assert f"What limits: {slowest}." in text


def test_made_pages_are_the_same_at_every_size_and_as_another_process_reads_them(tmp_path):
    (tmp_path / "large").mkdir()
    small = make(tmp_path, Sizes(3, 5, 20), queries=2, query_pages=3)
    large = make(tmp_path / "large", Sizes(20, 20, 20), queries=2, query_pages=3)
    np.testing.assert_array_equal(small.floats, large.floats[: len(small.floats)])
    np.testing.assert_array_equal(small.codes, maxsim.quantise(large.floats, QUANTISATION_RANGE)[: len(small.codes)])
    np.testing.assert_array_equal(small.bits, maxsim.sign_bits(large.floats))
    maxima = maxsim.exact_maxima(large.queries.reshape(-1, 128), large.floats, large.starts)
    np.testing.assert_allclose(maxima.reshape(20, 2, TOKENS).sum(axis=2).T, small.exact, atol=1e-4)
    assert small.best(0, 20)[0] == 0
    assert small.best(1, 20)[0] == 2
    np.testing.assert_array_equal(read(tmp_path).codes, small.codes)


def test_a_way_in_another_process_is_measured_by_its_own_clock():
    ways = {"here": lambda query: [query], "there": lambda query: TimedAnswer(1e6, [query, 9])}
    found = measure_in_turns(ways, lambda query: [query, 8], queries=2, rounds=3)
    assert found["here"].median < found["there"].median == 1e6
    assert found["here"].recall == found["there"].recall == 0.5


def test_a_page_of_the_docs_without_a_place_for_the_tables_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    with pytest.raises(ValueError, match="put both where the tables are to stand"):
        report.write(page, "search", "text")


def test_what_codes_cost_is_measured_with_one_reading_of_each_page(evaluation_set):
    counting = CountingEncoder(dim=64)
    encoder = compression.CachingEncoder(counting)
    for _ in range(2):
        said = list(
            compression.codes(find_corpus(evaluation_set.manuals), Subset("all", None, evaluation_set.queries), encoder)
        )
    assert said[0] == "the 10 best by int8 codes hold 0.5000 of the 10 best by float32"  # the five pages there are
    assert said[-1].endswith("MaxSim alone: 1.0000 by float32, 1.0000 by int8 codes")
    assert counting.encoded == 5


def test_questions_in_other_words_are_chosen_with_or_reported_on_by_document():
    choose, rest = (meaning.questions_of(name) for name in ("choose", "report"))
    assert len(choose) == len(rest) == 90
    documents = [{gold.document for query in queries for gold in query.gold} for queries in (choose, rest)]
    assert [len(each) for each in documents] == [10, 10] and not documents[0] & documents[1]


@pytest.mark.long
def test_the_benchmark_of_ocr_compares_pixels_text_and_both(evaluation_set, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ocr_fusion.evaluation, "default_cache", lambda: tmp_path / "cache")
    listed = [{"doc": name, "page": number} for name, pages in MANUALS.items() for number in range(len(pages))]
    pages = tmp_path / "some.pages"
    pages.write_text("".join(json.dumps([each["doc"], each["page"]]) + "\n" for each in listed))
    told = [
        {**each, "level": "light", "by": "reader", "text": " ".join(MANUALS[each["doc"]][each["page"]])}
        for each in listed
    ]
    read = write_lines(tmp_path / "ocr.jsonl", told)
    ocr_fusion.main(
        evaluation_set.manuals, evaluation_set.manuals.parent / "queries.jsonl", pages, read, "reader", "light"
    )
    rows = [line for line in capsys.readouterr().out.splitlines() if " all " in line]
    assert [line.split()[0] for line in rows] == ["pixels", "text", "both", "both", "both"]
    assert "text by reader" in rows[1] and " 1.000 " in rows[1]


@pytest.mark.long
def test_the_benchmark_of_lists_compares_them_with_a_scan_and_changes_nothing(
    evaluation_set, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(inverted_lists, "LISTS_PAGES", inverted_lists.LISTS_PAGES)  # which the benchmark lowers
    with open_library(tmp_path / "library") as library:
        library.ingest(sorted(evaluation_set.manuals.glob("*.pdf")))
    before = sorted((tmp_path / "library" / "shards").iterdir())
    lists.main(tmp_path / "library", evaluation_set.manuals.parent / "queries.jsonl")
    said = capsys.readouterr().out
    assert "5 pages, 5 questions" in said
    assert "| pixels | all | +0.0000 [+0.0000, +0.0000] |" in said
    assert "text, too: 1.0000 of the ten best of `exact` found, the first of 1.0000" in said
    assert sorted((tmp_path / "library" / "shards").iterdir()) == before


def test_a_question_to_many_partitions_waits_for_the_slowest_and_a_hedge_cuts_that_short():
    samples = np.array([0.01] * 95 + [1.0] * 5)
    alone = fan_out.simulate(samples, 1)
    assert (alone.median, alone.p99, alone.hedged) == (0.01, 1.0, 0.0)
    assert fan_out.simulate(samples, 16).median == 1.0  # .95 ** 16 is .44
    hedged = fan_out.simulate(samples, 16, hedge=0.02)
    assert (hedged.median, hedged.p95) == pytest.approx((0.03, 0.03))
    assert hedged.hedged == pytest.approx(0.05, abs=0.002)
    assert fan_out.simulate(samples, 2, hedge=0.02, lost=0.1).median == 0.01
    with pytest.raises(ValueError, match="give a hedge time"):
        fan_out.simulate(samples, 2, lost=0.1)
