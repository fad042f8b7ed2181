"""Further encoders on the command line: added, listed, asked, shown and removed."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import colvision
from colvision.cli import main
from colvision.testing import ToyEncoder, save_document, text_page, tiny_checkpoint
from tests.helpers.stores import PUMP

EXACT = ("--device", "cpu", "--dtype", "float32")


def run(*words, library, code=0):
    answer = CliRunner().invoke(main, [*map(str, words), "--library", str(library)])
    assert answer.exit_code == code, answer.output
    return answer


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Path:
    """Filled by a tiny checkpoint; mini reads it, too."""
    folder = tmp_path_factory.mktemp("further")
    checkpoint = tiny_checkpoint(folder / "colqwen2")
    file = folder / "pump.tiff"
    first, *more = (text_page(words.split(), shape=(196, 140)) for words in PUMP[:2])
    first.save(file, save_all=True, append_images=more)
    run("ingest", file, "--encoder", checkpoint, "--max-patches", 30, *EXACT, library=folder / "library")
    added = run("add-encoder", "words", "--encoder", "mini", library=folder / "library").stdout
    assert "pump.tiff: new, 2 pages" in added and "has read 1 of 1 document, 2 pages" in added
    return folder / "library"


@pytest.fixture
def library(filled, tmp_path) -> Path:
    return shutil.copytree(filled, tmp_path / "library")


@pytest.mark.slow
def test_the_answer_names_all_encoders_and_their_shares(library, tmp_path):
    found = json.loads(run("search", "the pump", "--json", *EXACT, library=library).stdout)
    assert found["retrievers"] == ["maxsim", "words"] and found["timing_ms"]["words"] > 0
    assert any("words" in hit["score_terms"] for hit in found["hits"])
    shown = run("search", "the pump", *EXACT, library=library)
    assert re.search(r"by the encoder words \d", shown.stdout) and "by their pixels and words" in shown.stderr
    alone = json.loads(run("search", "the pump", "--json", "--encoders", "main", *EXACT, library=library).stdout)
    assert alone["retrievers"] == ["maxsim"]
    first = json.loads(run("search", "the pump", "--json", "--first-stage", "words", *EXACT, library=library).stdout)
    assert first["retrievers"] == ["words", "maxsim"] and first["mode"] == "rerank"
    assert [hit["score"] for hit in first["hits"]] == pytest.approx([hit["score"] for hit in alone["hits"]])
    out = tmp_path / "why.png"
    asked = ("the pump", "--document", "pump.tiff", "--page", 1, "--out", out)
    assert "score" in run("explain", *asked, "--by", "words", *EXACT, library=library).stdout and out.is_file()


@pytest.mark.slow
def test_they_are_listed_and_removed(library):
    assert re.search(
        r"collection default: colqwen2\n  words: mini \w{12}, has", run("encoders", library=library).stdout
    )
    (listed,) = json.loads(run("encoders", "--json", library=library).stdout)
    assert [(each["name"], each["encoder"], each["documents"]) for each in listed["encoders"]] == [("words", "mini", 1)]
    assert "words: mini" in run("status", library=library).stdout
    assert run("add-encoder", "words", library=library).stdout.startswith("words: mini")  # nothing is left to read
    assert run("remove-encoder", "words", library=library).stdout.startswith("removed words: mini")
    assert "has no further encoder 'words'" in run("remove-encoder", "words", library=library, code=1).stderr
    assert json.loads(run("search", "pump", "--json", *EXACT, library=library).stdout)["retrievers"] == ["maxsim"]


@pytest.mark.slow
def test_an_ingest_says_what_a_further_encoder_has_not_read_and_fails(tmp_path):
    folder = tmp_path / "library"
    run("ingest", save_document(tmp_path / "fan.tiff", [["rotor"]]), library=folder)
    with colvision.open_library(folder, create=False) as opened:
        opened.add_encoder("toy", ToyEncoder())
    more = save_document(tmp_path / "crane.tiff", [["hook"]])
    told = run("ingest", more, library=folder, code=1).stdout
    assert "crane.tiff: new, 1 page" in told and "toy has not read 1 document: toy-0" in told
    assert "`colvision add-encoder toy` goes on" in told
    assert "toy was not asked: toy-0" in run("search", "hook", library=folder).stderr.replace("\n", " ")
    assert "which alone can load it" in run("search", "hook", "--encoders", "toy", library=folder, code=1).stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["search", "--like", "a:1", "--encoders", "words"], "--encoders goes with words"),
        (["search", "--image", "a.png", "--first-stage", "words"], "--first-stage goes with words"),
        (["search", "pump", "--first-stage", "words", "--mode", "exact"], "give one of the two"),
        (["add-encoder", "main", "--encoder", "mini"], "cannot be the name of a further encoder"),
    ],
)
def test_misuse_is_told(tmp_path, words, says):
    with_library = tmp_path / "library"
    run("ingest", save_document(tmp_path / "fan.tiff", [["rotor"]]), library=with_library)
    assert says in run(*words, library=with_library, code=2).stderr
