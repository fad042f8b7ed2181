"""Every command reaches every collection."""

import inspect
import json
from dataclasses import fields

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import colvision
from colvision.cli import main
from colvision.cli.options import encoder_options
from colvision.encoders.options import EncoderOptions
from colvision.encoders.spec import EncoderSpec
from colvision.testing import ToyEncoder, save_document

OF_THE_WHOLE_LIBRARY = {"verify", "compact", "collections", "rename-collection", "delete-collection", "app", "mcp"}
WITHOUT_A_LIBRARY = {"doctor", "estimate", "evaluate", "merge", "create-cluster"}


@pytest.fixture
def library(quick_path, tmp_path, monkeypatch):
    """`pump.tiff` in default, `crane.tiff` in archive; whatever loads an encoder gets the toy."""
    monkeypatch.setattr("colvision.encoders.spec.load", lambda *given, **options: ToyEncoder())
    with colvision.open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        library.ingest(save_document(tmp_path / "pump.tiff", [["bleed", "valve"]]))
        library.collection("archive").ingest(save_document(tmp_path / "crane.tiff", [["hook", "rope"]]))
        return library.path


def run(library, *words, code=0):
    answer = CliRunner().invoke(main, [*map(str, words), "--library", str(library)])
    assert answer.exit_code == code, answer.output
    return answer


def read(library, *words):
    return json.loads(run(library, *words, "--json").stdout)


def test_every_command_that_touches_documents_can_be_told_which_collection():
    for name, command in get_command(main).commands.items():
        has_option = "--collection" in {option for each in command.params for option in each.opts}
        assert has_option != (name in OF_THE_WHOLE_LIBRARY | WITHOUT_A_LIBRARY), name


def test_list_shows_all_collections_or_one(library):
    assert [(each["name"], each["collection"]) for each in read(library, "list")] == [
        ("pump.tiff", "default"),
        ("crane.tiff", "archive"),
    ]
    assert [each["name"] for each in read(library, "list", "--collection", "archive")] == ["crane.tiff"]
    assert run(library, "list").stdout.split()[0] == "collection"
    assert "archive" not in run(library, "list", "--collection", "default").stdout
    assert "no collection 'boats'" in run(library, "list", "--collection", "boats", code=1).stderr


def test_search_and_explain_ask_the_collection_that_is_named(library, tmp_path):
    assert [hit["document"] for hit in read(library, "search", "hook")["hits"]] == ["pump.tiff"]
    archive = ("--collection", "archive")
    assert [hit["document"] for hit in read(library, "search", "hook", *archive)["hits"]] == ["crane.tiff"]
    assert read(library, "search", "--like", "crane.tiff:1")["pages"] == 1
    asked = ("explain", "hook", "--document", "crane.tiff", "--page", 1, "--out", tmp_path / "why.png")
    score = read(library, "search", "hook", *archive)["hits"][0]["score"]
    for where in ((), archive):
        assert f"score {score:.3f};" in run(library, *asked, *where).stdout
    assert "no document" in run(library, *asked, "--collection", "default", code=1).stderr


def test_a_picture_can_be_looked_for_in_one_document(library, tmp_path):
    found = read(
        library, "search", "--image", tmp_path / "crane.tiff", "--collection", "archive", "--document", "crane.tiff"
    )
    assert [hit["document"] for hit in found["hits"]] == ["crane.tiff"]
    refused = run(library, "search", "--like", "crane.tiff:1", "--document", "crane.tiff", code=2)
    assert "goes with words and" in " ".join(refused.stderr.split())
    assert "no DOCUMENT:PAGE" in run(library, "search", "--like", "crane.tiff", code=2).stderr


def test_ingest_fills_the_collection_that_is_named_and_tells_it_as_json(library, tmp_path):
    told = read(library, "ingest", save_document(tmp_path / "ship.tiff", [["anchor"]]), "--collection", "boats")
    assert [(file["name"], file["outcome"]) for file in told["files"]] == [("ship.tiff", "new")]
    assert [each["name"] for each in read(library, "collections")] == ["default", "archive", "boats"]
    assert [each["name"] for each in read(library, "list", "--collection", "boats")] == ["ship.tiff"]
    assert read(library, "status", "--collection", "boats")["documents"] == 1
    assert "collection boats: 1 document, 1 page (0 failed)" in run(library, "status", "--collection", "boats").stdout


def test_documents_are_renamed_described_and_deleted_by_name_or_in_a_collection(library):
    assert run(library, "rename", "crane.tiff", "Crane 3.tiff").stdout == "crane.tiff is Crane 3.tiff now\n"
    noted = run(library, "set-metadata", "Crane 3.tiff", "year=1999", "site=Halle 3", "--collection", "archive").stdout
    assert noted == "Crane 3.tiff: site=Halle 3, year=1999\n"
    assert read(library, "list")[1]["metadata"] == {"year": "1999", "site": "Halle 3"}
    assert "nothing is noted" in run(library, "set-metadata", "Crane 3.tiff").stdout
    assert "expected name=value" in run(library, "set-metadata", "Crane 3.tiff", "year", code=2).stderr
    assert "no document" in run(library, "delete", "Crane 3.tiff", "--collection", "default", code=1).stderr
    assert "deleted Crane 3.tiff (1 page)" in run(library, "delete", "Crane 3.tiff").stdout


def test_collections_are_listed_renamed_and_deleted_only_when_that_is_said(library):
    shown = run(library, "collections").stdout.splitlines()
    assert shown[0].split() == ["collection", "documents", "pages", "size", "encoder"]
    assert shown[2].split()[:3] == ["archive", "1", "1"] and shown[2].split()[-1] == "toy-0"
    assert run(library, "rename-collection", "archive", "old").stdout == "archive is old now\n"
    refused = run(library, "delete-collection", "old", code=2)
    assert "collection old (1 document) was not deleted: say --yes" in refused.stderr and refused.stdout == ""
    assert "deleted collection old (1 document)" in run(library, "delete-collection", "old", "--yes").stdout
    assert [each["name"] for each in read(library, "collections")] == ["default"]
    assert "no collection 'old'" in run(library, "delete-collection", "old", "--yes", code=1).stderr


def test_the_options_of_an_encoder_stand_once_and_reach_a_command_as_one_value():
    seen = []

    @encoder_options()
    def command(file: str, *, encoder: EncoderSpec) -> None:
        seen.append((file, encoder))

    names = list(inspect.signature(command).parameters)
    options = [each.name for each in fields(EncoderOptions)]
    assert names == ["file", "encoder", *options]
    command(file="a.pdf", encoder="mini", **dict.fromkeys(options) | {"device": "cpu"})
    assert seen == [("a.pdf", EncoderSpec("mini", EncoderOptions(device="cpu")))]


def test_what_was_never_run_on_real_weights_says_so_in_the_help():
    for name in ("search", "ingest", "doctor"):
        told = " ".join(CliRunner().invoke(main, [name, "--help"], env={"COLUMNS": "200"}).stdout.split())
        assert told.count("experimental") == 3, name  # checkpoints, all GPUs, fewer bits


def test_a_newer_version_is_put_in_the_place_of_the_old_one(library, tmp_path):
    before = read(library, "list", "--collection", "archive")[0]
    (tmp_path / "2021").mkdir()
    newer = save_document(tmp_path / "2021" / "crane.tiff", [["anchor"]])
    told = run(library, "ingest", newer, "--replace", "--collection", "archive", "--meta", "rev=1.10").stdout
    assert "crane.tiff: replaced, 1 page; rev: 1.10" in told
    (after,) = read(library, "list", "--collection", "archive")
    assert (after["id"], after["folder"], after["metadata"]) == (before["id"], "2021", {"rev": "1.10"})
    assert "rev=1.10" in run(library, "list").stdout and "folder" in run(library, "list").stdout
    told = run(library, "ingest", newer, "--collection", "archive", "--meta", "rev=", "--meta", "type=12E4").stdout
    assert "the same bytes as before; rev: 1.10 -> nothing; type: 12E4" in told
    for name in ("page", "folder"):
        assert "filters ask for the" in run(library, "ingest", newer, "--meta", f"{name}=3", code=2).stderr
        assert "filters ask for the" in run(library, "set-metadata", "crane.tiff", f"{name}=3", code=2).stderr


def test_what_a_search_is_told_to_look_in_is_there(library, tmp_path):
    search = ("search", "bleed")
    found = run(library, *search, "--where", f"folder={tmp_path.name}")
    assert f"pump.tiff, page 1, from {tmp_path.name}  (" in found.stdout
    assert "searched default alone; also here: archive (--collection)" in found.stderr
    assert "also here" not in run(library, *search, "--collection", "default").stderr
    assert run(library, *search, "--where", f"document={tmp_path.name}/pump.tiff").stdout
    assert "no page passes the filter" in run(library, *search, "--where", "page=9").stderr
    refused = run(library, *search, "--where", "document=lathe/pump.tiff", code=1).stderr
    assert "'lathe/pump.tiff'" in refused
    assert "came from a folder 'lathe'" in run(library, *search, "--where", "folder=lathe", code=2).stderr
    assert "no document has metadata 'yaer'" in run(library, *search, "--where", "yaer=1", code=2).stderr
    assert "there is one in 'archive'" in run(library, *search, "--document", "crane.tiff", code=1).stderr
    run(library, "rename-collection", "default", "before 1990")  # it comes first now
    assert "searched default alone; also here: before 1990, archive" in run(library, *search).stderr


def test_a_name_that_a_mac_wrote_is_found_as_it_is_typed(library, tmp_path):
    decomposed = save_document(tmp_path / "Pru\u0308fstand.tiff", [["seal"]])
    run(library, "ingest", decomposed, "--meta", "machine=O\u0308ler", "--collection", "Gera\u0308te")
    there = ("--collection", "Geräte")
    asked = ("search", "seal", *there, "--document", "Prüfstand.tiff", "--where", "machine=Öler")
    assert read(library, *asked)["pages"] == 1
    assert "deleted Prüfstand.tiff" in run(library, "delete", "Prüfstand.tiff").stdout


def test_a_name_that_is_no_utf_8_is_not_found_in_words(library):
    assert "no document 'm\\udce9c.pdf'" in run(library, "delete", "m\udce9c.pdf", code=1).stderr
    assert "cannot be read as UTF-8" in run(library, "set-metadata", "pump.tiff", "x=\udce9", code=2).stderr
