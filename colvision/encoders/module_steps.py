"""`modules.json` of a folder that sentence-transformers saved: the steps of a model, in their order. No torch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from colvision.errors import EncoderNotFound

MODULES_FILE = "modules.json"
SETTINGS_FILE = "config_sentence_transformers.json"  # prompts and the score
TRANSFORMER_FILE = "sentence_bert_config.json"  # how texts and pages reach the backbone

_PACKAGE = "sentence_transformers."
_SAME = {"pylate.models.Dense.Dense"}  # other packages' classes that are the same layers under the same names


def read_steps(folder: Path, refuse: Callable[[str], NoReturn]) -> list[tuple[str, Path]]:
    """The steps in their order: the class's name, and the folder of its files.

    `refuse` raises, with what is wrong, for a step whose code lies in the folder itself, or its files elsewhere. Raises
    EncoderNotFound for a file that lists no steps.
    """
    found = _read(folder)
    for kind, path in found:
        if not kind.startswith(_PACKAGE) and kind not in _SAME:
            refuse(f"its step {kind} is code of its own, which is never run")
        if not path.resolve().is_relative_to(folder.resolve()):
            refuse(f"its step {kind} lies outside of its folder")
    return [(kind.rpartition(".")[2], path) for kind, path in found]


def read_step_names(folder: Path) -> list[str]:
    """The classes' names alone, also of steps that are refused. Raises EncoderNotFound as `read_steps`."""
    return [kind.rpartition(".")[2] for kind, _ in _read(folder)]


def _read(folder: Path) -> list[tuple[str, Path]]:
    try:
        listed = json.loads((folder / MODULES_FILE).read_bytes())
        return [(str(each["type"]), folder / str(each["path"])) for each in listed]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EncoderNotFound(
            f"{folder / MODULES_FILE} lists no modules ({error}): copy it again from where it came"
        ) from error
