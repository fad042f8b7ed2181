"""Processes that have only what colvision and some of its extras ask for, out of all that is installed here."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.helpers import ROOT

_HIDING = Path(__file__).with_name("without")


def run_with(extras: Iterable[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Python with these arguments, where `pip install 'colvision[extras]'` is all that was done."""
    environment = os.environ | _hidden(frozenset(extras)) | {"PYTHONPATH": f"{_HIDING}{os.pathsep}{ROOT}"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


@cache  # reading what every distribution has installed takes a third of a second
def _hidden(extras: frozenset[str]) -> dict[str, str]:
    here = {each.name for each in metadata.distributions()}
    installed = _installed_by(extras)
    packages = {name for name in here if canonicalize_name(name) not in installed}
    modules = {name for name, homes in metadata.packages_distributions().items() if packages.issuperset(homes)}
    # All but ourselves, and what cannot be missed: the tests need these to prove anything.
    assert {"torch", "transformers", "peft", "scipy", "pytest"} <= modules
    return {"HIDDEN_PACKAGES": " ".join(packages), "HIDDEN_MODULES": " ".join(modules)}


def _installed_by(extras: Iterable[str]) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = list(project["dependencies"])
    for extra in extras:
        asked += project["optional-dependencies"][extra]
    installed = {"colvision"}
    waiting = list(map(Requirement, asked))
    while waiting:
        requirement = waiting.pop()
        installed.add(canonicalize_name(requirement.name))
        waiting += _new_requirements(requirement, installed)
    return installed


def _new_requirements(parent: Requirement, known: set[str]) -> list[Requirement]:
    """What a distribution asks for, with the extras that it is asked for with, and is not yet known."""
    found = []
    for text in metadata.requires(parent.name) or ():
        each = Requirement(text)
        applies = each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *parent.extras))
        if applies and canonicalize_name(each.name) not in known:
            found.append(each)
    return found
