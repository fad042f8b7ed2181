"""The wheel in an environment of its own: all of it is below `colvision`, and every part runs from there."""

import json
import subprocess
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

import colvision
from colvision.encoders.mini.encoder import PAGE_TOWER, QUERY_TOWER
from colvision.testing import save_document
from tests.helpers.wheel import SECONDS, python_of, site_packages, surroundings

pytestmark = pytest.mark.slow


@pytest.fixture
def elsewhere(tmp_path):
    """A working folder with modules that are called like parts of ours, and a library's path beside it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in ("app.py", "data.py", "tests.py"):
        (folder / name).write_text("raise SystemExit('a module of the working folder was imported')\n")
    return folder


def variables(library):
    return surroundings() | {"COLVISION_LIBRARY": str(library)}


def run(environment, folder, library, *arguments):
    command = [python_of(environment).with_name("colvision"), *map(str, arguments)]
    done = subprocess.run(
        command, cwd=folder, env=variables(library), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_but_colvision_is_at_the_top_of_site_packages(environment):
    found = {path.name for path in site_packages(environment).iterdir()} - {"lent.pth"}
    assert found == {"colvision", f"colvision-{colvision.__version__}.dist-info"}


def test_the_wheel_is_typed_has_the_application_and_not_the_training(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    assert {"colvision/py.typed", "colvision/app/server.py", "colvision/app/static/main.js"} <= set(names)
    assert {f"colvision/app/sample/sample-manual{kind}.pdf" for kind in ("", "-scan")} <= set(names)
    weights = {name.rpartition("/")[2] for name in names if "mini/weights/" in name}
    assert weights == {PAGE_TOWER, QUERY_TOWER}, "the towers as they run"
    assert "colvision/encoders/mini/other_words.txt" in names
    assert not [name for name in names if "mini/training" in name or "__pycache__" in name]


def test_ingest_and_search_run_from_the_wheel_whatever_the_working_folder_holds(environment, elsewhere, tmp_path):
    document = save_document(tmp_path / "pump.tiff", [["bleed", "valve"], ["spare", "parts"]])
    library = tmp_path / "library"
    assert "pump.tiff: new, 2 pages" in run(environment, elsewhere, library, "ingest", document)
    found = json.loads(run(environment, elsewhere, library, "search", "valve", "--json"))
    assert [hit["document"] for hit in found["hits"]] == ["pump.tiff", "pump.tiff"]
    where = "import colvision.app.server; print(colvision.app.server.__file__)"
    command = [python_of(environment), "-c", where]
    printed = subprocess.run(
        command, cwd=tmp_path, env=variables(library), capture_output=True, text=True, timeout=SECONDS, check=True
    )
    assert Path(printed.stdout.strip()).is_relative_to(site_packages(environment))


@contextmanager
def serving(environment, folder, library):
    command = [python_of(environment).with_name("colvision"), "app", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, env=variables(library), stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert line.startswith("colvision: http://127.0.0.1:"), line
        yield line.split()[1]
    finally:
        process.terminate()
        process.wait(SECONDS)
        process.stdout.close()


def asked(address, path, **options):
    with urlopen(Request(f"{address}{path}", **options), timeout=SECONDS) as answer:
        return answer.read()


def test_the_application_and_its_worker_run_from_the_wheel(environment, elsewhere, tmp_path):
    document = save_document(tmp_path / "pump.tiff", [["bleed", "valve"]])
    with serving(environment, elsewhere, tmp_path / "library") as address:
        assert b"colvision" in asked(address, "/")
        assert json.loads(asked(address, "/api/v1/library"))["has_sample"]
        asked(address, "/api/v1/documents?name=pump.tiff", data=document.read_bytes(), method="POST")
        deadline = time.monotonic() + SECONDS
        states = []
        while states != ["ready"] and time.monotonic() < deadline:
            time.sleep(0.2)  # between two questions, not for a time to pass
            states = [each["state"] for each in json.loads(asked(address, "/api/v1/library"))["documents"]]
        assert states == ["ready"]
