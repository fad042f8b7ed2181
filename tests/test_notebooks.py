"""The notebooks run from the installed wheel, cell by cell (nbmake)."""

import subprocess

import pytest

from tests.helpers import ROOT
from tests.helpers.wheel import python_of, surroundings

pytestmark = pytest.mark.slow

FOLDER = ROOT / "notebooks"


LONG = {"finetune.ipynb"}  # a model is trained in it


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(path.name, marks=[pytest.mark.long] * (path.name in LONG))
        for path in sorted(FOLDER.glob("*.ipynb"))
    ],
)
def test_a_notebook_runs_from_top_to_bottom(name, environment, tmp_path):
    # In a process of its own: Jupyter's event loops and warnings are not those of this run.
    options = ["--nbmake", "-p", "no:cacheprovider", "-o", "filterwarnings=default"]
    command = [python_of(environment), "-m", "pytest", *options, FOLDER / name]
    done = subprocess.run(command, cwd=tmp_path, env=surroundings(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_the_python_of_the_notebooks_finds_the_wheel_and_no_tests(environment):
    code = "import importlib.util, colvision; print(colvision.__file__, importlib.util.find_spec('tests'))"
    command = [python_of(environment), "-c", code]
    done = subprocess.run(command, cwd=FOLDER, env=surroundings(), capture_output=True, text=True, check=True)
    file, tests = done.stdout.split()
    assert file.startswith(str(environment)) and tests == "None"
