"""`colvision search --rerank` and `evaluate --rerank`, from a checkpoint on disk to what is printed.

The cross-encoder is trained here, in seconds, to tell instructions from entries of an index: a search by words cannot.
"""

import json
import random
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification
from typer.testing import CliRunner

import colvision
from colvision.cli import main
from colvision.encoders import load_reranker
from colvision.encoders.vlm.processing import load_tokenizer
from tests.helpers.pdf_files import text_file, written
from tests.helpers.rerankers import tiny_reranker
from tests.oracles.reranker_folders import save_folder

pytestmark = pytest.mark.slow

QUERY = "bleed the pump"
INDEX = "bleed pump 7, pump 9, pump bleed 12"
STEP = "Open the screw to bleed the hose"
OTHER = "Fan belts and bolts"
_NOUNS = ("valve", "screw", "cover", "filter", "belt", "motor", "seal", "pump", "hose", "lever")
_VERBS = ("Open", "Close", "Turn", "Lift", "Clean", "Check", "Remove", "bleed")


def _pair(draw):
    """A text that says what to do with a thing, or one that lists where it stands; 1 for the first."""
    noun, verb = draw.choice(_NOUNS), draw.choice(_VERBS)
    if draw.random() < 0.5:
        return f"{verb} the {noun} to {draw.choice(_VERBS)} the {draw.choice(_NOUNS)}", 1.0
    return ", ".join(f"{draw.choice((*_NOUNS, *_VERBS))} {draw.randint(2, 99)}" for _ in range(3)), 0.0


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = save_folder("ce-bert", tmp_path_factory.mktemp("trained") / "instructions")
    stated = json.loads((folder / "config.json").read_bytes())
    tokenizer = load_tokenizer(folder)
    torch.manual_seed(3)
    draw = random.Random(3)
    model = BertForSequenceClassification(BertConfig(**stated)).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(120):
        texts, labels = zip(*(_pair(draw) for _ in range(16)), strict=True)
        queries = [f"{draw.choice(_VERBS)} the {draw.choice(_NOUNS)}" for _ in texts]
        inputs = tokenizer(queries, list(texts), padding=True, return_tensors="pt")
        logits = model(**inputs).logits[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.tensor(labels))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(stated))
    return folder


@pytest.fixture(scope="module")
def manuals(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("manuals"), text_file(INDEX, OTHER, STEP), "pump.pdf")


@pytest.fixture(scope="module")
def library(manuals, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "library"
    run("ingest", manuals, library=folder)
    return folder


def run(*words, library, code=0):
    answer = CliRunner().invoke(main, [*map(str, words), "--library", str(library)])
    assert answer.exit_code == code, answer.output
    return answer


def test_a_trained_cross_encoder_brings_the_page_that_says_what_to_do_before_the_index(library, trained):
    first = json.loads(run("search", QUERY, "--json", library=library).stdout)
    answer = json.loads(run("search", QUERY, "--rerank", trained, "--json", library=library).stdout)
    assert [hit["page"] for hit in first["hits"]][0] == 1
    assert [hit["page"] for hit in answer["hits"]][0] == 3
    assert [hit["rerank_score"] for hit in answer["hits"]] == sorted(
        (hit["rerank_score"] for hit in answer["hits"]), reverse=True
    )
    scores = {hit["page"]: hit["score"] for hit in first["hits"]}
    assert {hit["page"]: hit["score"] for hit in answer["hits"]} == pytest.approx(scores)
    assert answer["reranker"] == {"name": "instructions", "reads": "text", "candidates": 3, "unread": 0}
    assert 0 < answer["timing_ms"]["reranker"] < answer["timing_ms"]["total"]


def test_both_scores_are_printed_and_whose_the_order_is(library, trained):
    answer = run("search", QUERY, "--rerank", trained, "--candidates", "2", library=library)
    lines = answer.stdout.splitlines()
    assert len(lines) == 3
    for line in lines[:2]:
        assert pytest.approx(float(line.split()[1]), abs=50) == 0.0 and "[" in line
    assert lines[2].split()[:2] == ["3", "-"]  # beyond the candidates
    said = " ".join(answer.stderr.split())
    assert "the order is that of instructions, by the text of the best 2 pages, in" in said
    assert "in brackets the score of the search before it" in said


def test_the_same_in_python_by_name_and_loaded_and_the_name_is_loaded_once(library, trained, monkeypatch):
    with colvision.open_library(library) as opened:
        by_name = opened.search(QUERY, rerank=trained)
        again = opened.search(QUERY, rerank=str(trained))
        given = opened.search(QUERY, rerank=colvision.load_reranker(trained))
        assert len(opened._session._rerankers) == 1
        assert [hit.page for hit in by_name] == [hit.page for hit in again] == [hit.page for hit in given]
        assert by_name[0].page == 3
        why = opened.explain(by_name[0])
        assert why.score == pytest.approx(by_name[0].score, abs=1e-5)


def test_an_evaluation_measures_the_order_of_the_reranker(manuals, trained, tmp_path):
    gold = {"doc": "pump", "page": 2}
    rows = [{"query_id": "q", "text": QUERY, "type": "content", "subtype": "text", "gold": [gold]}]
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["evaluate", manuals.parent, tmp_path / "queries.jsonl", "--json", "--run", tmp_path / "run.trec"]
    plain = json.loads(run(*command, library=tmp_path / "kept").stdout)
    assert plain["reranker"] is None
    reranked = json.loads(run(*command, "--rerank", trained, "--candidates", 3, library=tmp_path / "kept").stdout)
    assert reranked["reranker"] == {"name": "instructions", "candidates": 3}
    alone = run(*command, "--candidates", 3, library=tmp_path / "kept", code=2)
    assert "goes with --rerank" in alone.stderr
    assert plain["groups"][0]["ndcg10"]["mean"] < reranked["groups"][0]["ndcg10"]["mean"] == 1.0
    rows = [line.split() for line in (tmp_path / "run.trec").read_text().splitlines()]
    assert (rows[0][2], rows[0][5]) == ("pump#2", "mini-instructions")
    table = run(*command[:3], "--rerank", trained, "--candidates", 3, library=tmp_path / "kept").stdout
    assert "the best 3 ordered by instructions" in table


def test_what_does_not_go_with_a_reranker_is_refused(library, manuals, tmp_path):
    asked = run("search", "--image", manuals, "--rerank", "any", library=library, code=2)
    assert "--rerank goes with words" in " ".join(asked.stderr.split())
    wrong = run("search", QUERY, "--rerank", "mini", library=library, code=1)
    assert "mini is an encoder" in " ".join(wrong.stderr.split())
    assert run("search", QUERY, "--rerank", "x", "--candidates", "0", library=library, code=2)
    assert "goes with --rerank" in run("search", QUERY, "--candidates", "5", library=library, code=2).stderr


def test_a_picture_reranker_reads_the_kept_images(library, tmp_path):
    folder = tiny_reranker("ce-qwen3-vl", tmp_path / "shown")
    answer = json.loads(run("search", QUERY, "--rerank", folder, "--json", library=library).stdout)
    assert answer["reranker"] == {"name": "shown", "reads": "image", "candidates": 3, "unread": 0}
    reranker = load_reranker(folder)
    with colvision.open_library(library) as opened:
        pages = [colvision.Candidate(image=opened.page_image("pump.pdf", hit["page"])) for hit in answer["hits"]]
    expected = reranker.score(QUERY, pages)
    assert [hit["rerank_score"] for hit in answer["hits"]] == pytest.approx(expected, abs=1e-4)
    assert expected == sorted(expected, reverse=True)
