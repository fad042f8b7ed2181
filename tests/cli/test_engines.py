"""`colvision export`, `colvision search --engine` and `colvision estimate --pages`."""

import json
from importlib.util import find_spec

import pytest

import colvision
from colvision.testing import ToyEncoder, save_document
from tests.cli.test_cli import page, run


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engines")
    page("Bleed the hydraulic pump").save(folder / "pump.png")
    run("ingest", folder / "pump.png", library=folder / "library")
    return folder / "library"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "package"), [("qdrant", "qdrant_edge"), ("lancedb", "lancedb")])
def test_a_collection_is_exported_and_the_engine_asked(name, package, library, tmp_path):
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install 'colvision[{name}]'")
    assert run("export", name, tmp_path / name, library=library).stdout == (
        f"{name}: 1 pages written, 0 there already, 0 removed\n"
    )
    again = run("export", name, tmp_path / name, "--json", library=library)
    assert json.loads(again.stdout) == {"engine": name, "written": 0, "same": 1, "removed": 0}
    own = json.loads(run("search", "pump", "--json", library=library).stdout)
    for mode in ("auto", "exact"):
        answer = run("search", "pump", "--engine", tmp_path / name, "--mode", mode, "--json", library=library)
        found = json.loads(answer.stdout)
        assert found["hits"][0]["score"] == own["hits"][0]["score"]
        assert found["retrievers"][0] == name and name in found["timing_ms"]
    shown = run("search", "pump", "--engine", f"{name}://{tmp_path / name}", library=library)
    assert "pump.png, page 1" in shown.stdout and f"searched 1 page by {name}" in shown.stderr


@pytest.fixture
def toy(tmp_path):
    with colvision.open_library(tmp_path / "library", encoder=ToyEncoder()) as library:
        library.ingest(save_document(tmp_path / "a.tiff", [["valve"]]))
    return tmp_path / "library"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("export", "milvus", "folder"), "there is no engine 'milvus'"),
        (("export", "lancedb", "host:1"), "lancedb is exported to a folder"),
        (("search", "valve", "--engine", "nowhere"), "is no folder of an engine's"),
        (("search", "valve", "--engine", "qdrant://a", "--first-stage", "b"), "give one"),
        (("search", "--like", "a.tiff:1", "--engine", "qdrant://a"), "--engine goes with words"),
    ],
)
def test_what_cannot_be_is_refused(words, said, toy):
    assert said in " ".join(run(*words, library=toy, code=2).stderr.split())


def estimate(*words, code=0):
    from typer.testing import CliRunner

    from colvision.cli import main

    answer = CliRunner().invoke(main, ["estimate", *words])
    assert answer.exit_code == code, answer.output
    return answer


def test_so_many_pages_are_estimated_without_a_file():
    found = json.loads(estimate("--pages", "100M", "--nodes", "32", "--replicas", "2", "--json").stdout)
    assert (found["pages"], found["nodes"], found["kind"]) == (100_000_000, 32, "mini")
    assert found["bytes"] == sum(
        found[name] for name in ("int8", "first_stage", "page_images", "originals", "catalogue")
    )
    told = estimate("--pages", "1.5K", "--encoder", "owner/name").stdout
    assert "1,500 on 1 node, each page on 1, read by a model of page images" in told
    assert "nobody has measured your GPU" in told
    assert "42 hours of one GPU" in estimate("--pages", "1.5M", "--encoder", "a/b", "--gpu-speed", "10").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give files or folders, or --pages COUNT"),
        (("data", "--pages", "3"), "give files or folders, or --pages COUNT"),
        (("--pages", "many"), "is no number of pages"),
        (("--pages", "10", "--replicas", "2"), "give more nodes"),
    ],
)
def test_an_estimate_of_nothing_is_refused(words, said):
    assert said in " ".join(estimate(*words, code=2).stderr.replace("│", " ").split())
