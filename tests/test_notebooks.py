"""The notebooks run from a clean clone, cell by cell (nbmake)."""

import subprocess
import sys

import pytest

from tests.helpers import ROOT

pytestmark = pytest.mark.slow

FOLDER = ROOT / "notebooks"


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.ipynb")))
def test_a_notebook_runs_from_top_to_bottom(name):
    # In a process of its own: Jupyter's event loops and warnings are not those of this run.
    command = [sys.executable, "-m", "pytest", "--nbmake", "-p", "no:cacheprovider", "-o", "filterwarnings=default"]
    done = subprocess.run([*command, FOLDER / name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
