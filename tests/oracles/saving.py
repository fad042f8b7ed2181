"""Writes the folders of cases: their files, and the configuration that each gives."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

Case = Callable[[Path], Mapping[str, object]]  # writes files into a folder; what config.json says, {} for none


def save(case: Case, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if config := case(folder):
        (folder / "config.json").write_text(json.dumps(config, indent=1))
    return folder


def save_all(cases: Mapping[str, Case]) -> None:
    """Each in a folder of its name, in the folder that the command line names."""
    for name, case in cases.items():
        save(case, Path(sys.argv[1]) / name)
