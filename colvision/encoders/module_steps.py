"""`modules.json` of a folder that sentence-transformers saved: the steps of a model, in their order. No torch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from colvision.errors import EncoderNotFound

MODULES_FILE = "modules.json"

_PACKAGE = "sentence_transformers."


def read_steps(folder: Path, refuse: Callable[[str], NoReturn]) -> list[tuple[str, Path]]:
    """The steps in their order: the class's name, and the folder of its files.

    `refuse` raises, with what is wrong, for a step whose code lies in the folder itself, or its files elsewhere. Raises
    EncoderNotFound for a file that lists no steps.
    """
    try:
        listed = json.loads((folder / MODULES_FILE).read_bytes())
        found = [(str(each["type"]), folder / str(each["path"])) for each in listed]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EncoderNotFound(
            f"{folder / MODULES_FILE} lists no modules ({error}): copy it again from where it came"
        ) from error
    for kind, path in found:
        if not kind.startswith(_PACKAGE):
            refuse(f"its step {kind} is code of its own, which is never run")
        if not path.resolve().is_relative_to(folder.resolve()):
            refuse(f"its step {kind} lies outside of its folder")
    return [(kind.rpartition(".")[2], path) for kind, path in found]
