"""The wheel of this checkout in an environment of its own."""

import os
import subprocess
import sys
import venv
from pathlib import Path

from tests.helpers import ROOT

SECONDS = 600  # for a process that imports and reads on a busy machine


def build(folder: Path) -> Path:
    """By the build backend that pyproject.toml names."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=SECONDS)
    [wheel] = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """A folder with nothing but the wheel in its site-packages; what colvision depends on is lent by this process."""
    venv.create(folder, with_pip=False, symlinks=os.name == "posix")
    # The installer of the Python below ours: an environment may have been made without one.
    base = Path(sys._base_executable)
    arguments = ["install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    subprocess.run([base, "-m", "pip", "--python", python_of(folder), *arguments], check=True, timeout=SECONDS)
    lent = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (site_packages(folder) / "lent.pth").write_text("\n".join(lent))
    return folder


def python_of(environment: Path) -> Path:
    return environment / ("Scripts" if os.name == "nt" else "bin") / "python"


def site_packages(environment: Path) -> Path:
    [found] = environment.rglob("site-packages")
    return found


def surroundings() -> dict[str, str]:
    """The variables of this process but those that lead Python or colvision to other code."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COLVISION"))}
