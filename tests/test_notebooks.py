"""The notebooks run from the installed wheel, cell by cell (nbmake), and hold what the code in them gave, small."""

import json
import re
import subprocess

import pytest

from tests.helpers import ROOT
from tests.helpers.wheel import python_of, surroundings

FOLDER = ROOT / "notebooks"
NAMES = sorted(path.name for path in FOLDER.glob("*.ipynb"))
LONG = {"evaluate.ipynb", "finetune.ipynb"}  # the one scans pages, the other trains a model
BYTES = 400_000  # of a notebook with its outputs
OF_A_MACHINE = re.compile(r"/(?:tmp|home|root|Users|work|usr|var)/|127\.0\.0\.1|localhost| at 0x|file=")


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_holds_the_outputs_of_its_code(name):
    """What `make notebooks` leaves: a reader on a code host sees it."""
    nbformat = pytest.importorskip("nbformat", reason="it comes with nbmake")
    from notebooks.remake import digest  # it imports nbformat

    assert (FOLDER / name).stat().st_size < BYTES
    notebook = nbformat.read(FOLDER / name, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert notebook.metadata["colvision"]["code"] == digest(cells), "its code has changed: run `make notebooks`"
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "execute_result", "display_data"}
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    texts = [output.text for output in outputs if output.output_type == "stream"]
    texts += [text for output in outputs for kind, text in output.get("data", {}).items() if kind != "image/jpeg"]
    assert texts and not [text for text in texts if OF_A_MACHINE.search(json.dumps(text))]


def test_a_reader_who_runs_nothing_sees_heatmaps():
    shown = [name for name in NAMES if '"image/jpeg"' in (FOLDER / name).read_text(encoding="utf-8")]
    assert {"quickstart.ipynb", "page_inspector.ipynb"} <= set(shown)


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in NAMES])
def test_a_notebook_runs_from_top_to_bottom(name, environment, tmp_path):
    # In a process of its own: Jupyter's event loops and warnings are not those of this run.
    options = ["--nbmake", "-p", "no:cacheprovider", "-o", "filterwarnings=default"]
    command = [python_of(environment), "-m", "pytest", *options, FOLDER / name]
    done = subprocess.run(command, cwd=tmp_path, env=surroundings(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


@pytest.mark.slow
def test_the_python_of_the_notebooks_finds_the_wheel_and_no_tests(environment):
    code = "import importlib.util, colvision; print(colvision.__file__, importlib.util.find_spec('tests'))"
    command = [python_of(environment), "-c", code]
    done = subprocess.run(command, cwd=FOLDER, env=surroundings(), capture_output=True, text=True, check=True)
    file, tests = done.stdout.split()
    assert file.startswith(str(environment)) and tests == "None"
