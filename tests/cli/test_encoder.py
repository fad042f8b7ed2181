"""Encoders on the command line: named once, and remembered by the library that they filled."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

import colvision
from colvision.cli import main
from colvision.core.encoder import CheckpointRef, EncoderInfo
from colvision.encoders import load_encoder, mini
from colvision.encoders.mini.encoder import QUERY_TOWER, SHIPPED
from colvision.encoders.options import EncoderOptions
from colvision.encoders.spec import EncoderSpec
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.errors import EncoderNotFound
from colvision.testing import ToyEncoder, tiny_checkpoint
from tests.helpers.old_checkpoints import save_old

pytestmark = pytest.mark.slow

EXACT = ("--device", "cpu", "--dtype", "float32")


def run(*words, library=None, code=0):
    where = [] if library is None else ["--library", str(library)]
    answer = CliRunner().invoke(main, [*map(str, words), *where])
    assert answer.exit_code == code, answer.output
    return answer


def filled_by(library: Path) -> EncoderInfo:
    with colvision.open_library(library) as opened:
        (collection,) = opened.status().collections
    return collection.encoder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoints") / "colqwen2")


@pytest.fixture(scope="module")
def manual(tmp_path_factory) -> Path:
    rng = np.random.default_rng(4)
    first, second = (Image.fromarray(rng.integers(0, 256, (196, 140, 3), dtype=np.uint8)) for _ in range(2))
    file = tmp_path_factory.mktemp("manuals") / "pump.tiff"
    first.save(file, save_all=True, append_images=[second], compression="tiff_lzw")
    return file


@pytest.fixture(scope="module")
def library(checkpoint, manual, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "library"
    answer = run("ingest", manual, "--encoder", checkpoint, "--max-patches", 30, *EXACT, library=folder)
    assert "pump.tiff: new, 2 pages" in answer.stdout
    return folder


def test_what_filled_a_library_is_not_named_again(library, checkpoint, tmp_path):
    found = json.loads(run("search", "bleed the pump", "--json", *EXACT, library=library).stdout)
    assert {(hit["document"], hit["page"]) for hit in found["hits"]} == {("pump.tiff", 1), ("pump.tiff", 2)}
    named = run(
        "search",
        "bleed",
        "the",
        "pump",
        "--json",
        "--encoder",
        checkpoint,
        "--max-patches",
        30,
        *EXACT,
        library=library,
    )
    assert json.loads(named.stdout)["hits"] == found["hits"]
    out = tmp_path / "why.png"
    asked = ("bleed the pump", "--document", "pump.tiff", "--page", 2, "--out", out)
    score = float(run("explain", *asked, *EXACT, library=library).stdout.splitlines()[-1].split()[1].rstrip(";"))
    assert score == pytest.approx(next(hit["score"] for hit in found["hits"] if hit["page"] == 2), abs=1e-3)
    with Image.open(out) as picture:
        assert picture.format == "PNG"


def test_pieces_of_words_are_shown_as_words_and_what_the_model_adds_as_one(library, tmp_path):
    lines = run("search", "bleed the pump", *EXACT, library=library).stdout.splitlines()
    shown = r"\(bleed \S+ the \S+ pump \S+ \[in name\] \(prompt\) \S+; in the document's name \S+\)$"
    assert len(lines) == 2 and all(re.search(shown, line) for line in lines)
    asked = ("bleed the pump", "--document", "pump.tiff", "--page", 1, "--out", tmp_path / "why.png")
    *parts, score = run("explain", *asked, *EXACT, library=library).stdout.splitlines()
    assert [part.partition(":")[0] for part in parts] == ["bleed", "the", "pump", "(prompt)", "in the document's name"]
    shares = [float(part.partition(": ")[2].split()[0]) for part in parts]
    assert sum(shares) == pytest.approx(float(score.split()[1].rstrip(";")), abs=3e-3)


def test_the_library_tells_how_its_encoder_was_loaded(library, checkpoint):
    encoder = filled_by(library)
    assert (encoder.name, encoder.loaded_from.name) == ("colqwen2", str(checkpoint.resolve()))
    assert encoder.options == f"--encoder {checkpoint.resolve()} --max-patches 30"


def test_more_documents_are_read_by_the_same_encoder(library, manual, tmp_path):
    copy = Path(shutil.copytree(library, tmp_path / "library"))
    with Image.open(manual) as picture:
        picture.convert("L").save(tmp_path / "grey.png")
    assert "grey.png: new, 1 page" in run("ingest", tmp_path / "grey.png", *EXACT, library=copy).stdout
    assert json.loads(run("search", "oil", "--json", *EXACT, library=copy).stdout)["pages"] == 3


def test_another_resolution_is_another_encoder_and_the_message_names_the_options(library, checkpoint):
    refused = run("search", "oil", "--encoder", checkpoint, *EXACT, library=library, code=1).stderr
    assert f"open the library with --encoder {checkpoint.resolve()} --max-patches 30, or run" in refused
    assert f"`colvision reencode --encoder {checkpoint.resolve()}`" in refused


def test_a_variable_names_the_encoder_and_what_is_typed_counts_more(library, checkpoint, monkeypatch):
    monkeypatch.setenv("COLVISION_ENCODER", "mini")
    refused = run("search", "oil", library=library, code=1).stderr
    assert "was filled by colqwen2" in refused and "not by mini" in refused
    run("search", "oil", "--encoder", checkpoint, "--max-patches", 30, *EXACT, library=library)


@pytest.fixture
def moved(checkpoint, manual, tmp_path) -> tuple[Path, Path]:
    """A library, and the folder of the checkpoint that filled it, which a test may spoil."""
    folder = Path(shutil.copytree(checkpoint, tmp_path / "own"))
    run("ingest", manual, "--encoder", folder, *EXACT, library=tmp_path / "library")
    return tmp_path / "library", folder


def test_a_checkpoint_that_has_gone_is_asked_for_by_its_option(moved, tmp_path):
    library, folder = moved
    elsewhere = folder.rename(tmp_path / "elsewhere")
    refused = run("search", "oil", *EXACT, library=library, code=1).stderr
    assert f"own (fingerprint {filled_by(library).fingerprint[:12]}), which filled this library" in refused
    assert refused.rstrip().endswith("Say where it is: --encoder FOLDER")
    run("list", library=library)
    run("search", "oil", "--encoder", elsewhere, *EXACT, library=library)


def test_a_checkpoint_that_was_changed_is_never_searched_with(moved):
    library, folder = moved
    shutil.rmtree(folder)
    tiny_checkpoint(folder, seed=1)
    refused = run("search", "oil", *EXACT, library=library, code=1).stderr
    assert "its files have changed since: put back those of then, or run `colvision reencode" in refused
    assert "pump.tiff: replaced, 2 pages" in run("reencode", *EXACT, library=library).stdout
    run("search", "oil", *EXACT, library=library)


def test_a_library_that_an_older_mini_filled_says_what_to_do(manual, tmp_path):
    older, library = Path(shutil.copytree(SHIPPED, tmp_path / "weights")), tmp_path / "library"
    settings = {"code_range": 0.5, "link_slope": 40.0, "link_midpoint": 0.5, "link_midpoint_digits": 0.5}
    save_file(load_file(older / QUERY_TOWER), older / QUERY_TOWER, metadata={"mini": json.dumps(settings)})
    with colvision.open_library(library, encoder=mini.load(older)) as opened:
        opened.ingest([manual])
        opened.collection("pumps and valves").ingest([manual])
    refused = run("search", "oil", library=library, code=1).stderr
    assert "another version of it: run `colvision reencode --encoder mini` to fill" in refused
    assert "replaced, 2 pages" in run("reencode", "--encoder", "mini", library=library).stdout
    run("search", "oil", library=library)
    refused = run("search", "oil", "--collection", "pumps and valves", library=library, code=1).stderr
    assert "`colvision reencode --encoder mini --collection 'pumps and valves'`" in refused


def test_a_library_is_handed_to_mini_and_back(moved):
    library, folder = moved
    assert "replaced, 2 pages" in run("reencode", "--encoder", "mini", library=library).stdout
    assert filled_by(library).options == "--encoder mini"
    run("search", "oil", library=library)
    assert "replaced, 2 pages" in run("reencode", "--encoder", folder, *EXACT, library=library).stdout
    run("search", "oil", *EXACT, library=library)


def test_what_a_library_names_is_never_fetched(library):
    """A library may come from anywhere: that it names a checkpoint of the hub is not its reader's wish."""
    named = replace(filled_by(library), loaded_from=CheckpointRef("nobody/nothing"))
    with pytest.raises(EncoderNotFound, match="neither a folder here nor in the hub's cache, and is not fetched"):
        EncoderSpec().load(named)


def test_what_a_library_knows_of_an_encoder_is_not_measured_again_if_it_is_the_same(library, checkpoint):
    """Three pages: seconds for a large model, before every question."""
    known = replace(filled_by(library), quantisation_range=0.123)
    options = EncoderOptions("cpu", "float32")
    assert EncoderSpec(options=options).load(known).info.quantisation_range == 0.123
    assert EncoderSpec(checkpoint, replace(options, max_patches=30)).load(known).info.quantisation_range == 0.123
    assert EncoderSpec(checkpoint, options).load(known).info.quantisation_range != 0.123


def test_an_encoder_that_has_no_name_is_told_by_its_own(manual, tmp_path):
    with colvision.open_library(tmp_path / "library", encoder=ToyEncoder()) as opened:
        opened.ingest(manual)
    refused = run("search", "oil", library=tmp_path / "library", code=1).stderr
    assert "was filled by toy-0" in refused and "`colvision reencode --encoder mini`" in refused


def test_options_that_belong_to_an_encoder_need_its_name(library):
    assert "name that, too (--encoder)" in run("search", "oil", "--max-patches", 9, library=library, code=2).stderr


def test_an_estimate_is_made_for_the_encoder_that_is_named(checkpoint, manual):
    planned = json.loads(run("estimate", manual, "--encoder", checkpoint, *EXACT, "--json").stdout)
    assert planned["pages"] == 2 and 30 < planned["vectors_per_page"] < 80


def test_an_evaluation_runs_with_the_encoder_that_is_named(checkpoint, tmp_path):
    (tmp_path / "pdfs").mkdir()
    Image.new("RGB", (140, 196), "white").save(tmp_path / "pdfs" / "pump.pdf")
    question = {"query_id": "q", "text": "bleed the pump", "gold": [{"doc": "pump", "page": 0}]}
    (tmp_path / "questions.jsonl").write_text(json.dumps(question) + "\n")
    words = (tmp_path / "pdfs", tmp_path / "questions.jsonl", "--encoder", checkpoint, *EXACT, "--json")
    found = json.loads(run("evaluate", *words, library=tmp_path / "library").stdout)
    assert found["encoder"]["name"] == "colqwen2"


class Earlier(VlmEncoder):
    """As a version of colvision loaded the same checkpoint before it knew its direction, or other prompts."""

    @property
    def info(self) -> EncoderInfo:
        info = super().info
        [formerly] = info.former
        return replace(info, fingerprint=formerly, former={})


@pytest.mark.parametrize(
    ("model_type", "change"),
    [
        ("paligemma", "colvision now gives it the prompts that it was trained with"),
        pytest.param("idefics3", "colvision now gives it the prompts that it was trained with", marks=pytest.mark.long),
        pytest.param("qwen3_5", "colvision now has it read bidirectionally, as it was trained", marks=pytest.mark.long),
    ],
)
def test_a_library_of_a_checkpoint_that_runs_otherwise_now_is_told_so_and_encoded_again(
    manual, checkpoint_folder, tmp_path, quick_path, model_type, change
):
    folder, library = tmp_path / "own", quick_path / "library"
    if model_type == "qwen3_5":
        shutil.copytree(checkpoint_folder("colqwen3.5"), folder)
    else:
        save_old(folder, model_type)
    encoder = load_encoder(folder, device="cpu", dtype="float32")
    with colvision.open_library(library, encoder=Earlier(encoder.family, encoder.checkpoint)) as opened:
        opened.ingest(manual)
    refused = run("search", "oil", *EXACT, library=library, code=1).stderr
    assert f"{change}: run `colvision reencode --encoder {folder.resolve()}` to fill the collection again" in refused
    assert "pump.tiff: replaced, 2 pages" in run("reencode", *EXACT, library=library).stdout
    run("search", "oil", *EXACT, library=library)
