"""`modules.json` of a folder that sentence-transformers saved: the steps of a model, in their order. No torch."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from colvision.errors import EncoderNotFound

MODULES_FILE = "modules.json"
SETTINGS_FILE = "config_sentence_transformers.json"  # prompts and the score
TRANSFORMER_FILE = "sentence_bert_config.json"  # how texts and pages reach the backbone

TOKENS = "token_embeddings"  # what the steps of late interaction read and write
POOLED = "sentence_embedding"  # the same of those behind Pooling

_PACKAGE = "sentence_transformers."
_SAME = {"pylate.models.Dense.Dense"}  # other packages' classes that are the same layers under the same names


_Refuse = Callable[[str], NoReturn]
_VECTORS = {TOKENS: "the vectors of tokens", POOLED: "the vector of a text or page"}


class DenseSettings(NamedTuple):
    """A linear layer: the name of torch's activation behind it, in full where it is none of torch's, and whether its
    input is added to its output.
    """

    activation: str
    adds_input: bool


def read_steps(folder: Path, refuse: _Refuse) -> list[tuple[str, Path]]:
    """The steps in their order: the class's name, and the folder of its files.

    `refuse` raises, with what is wrong, for a step whose code lies in the folder itself, or its files elsewhere, and
    for a Transformer that does not lie beside the list. Raises EncoderNotFound for a file that lists no steps.
    """
    found = _read(folder)
    for kind, path in found:
        if not kind.startswith(_PACKAGE) and kind not in _SAME:
            refuse(f"its step {kind} is code of its own, which is never run")
        if not path.resolve().is_relative_to(folder.resolve()):
            refuse(f"its step {kind} lies outside of its folder")
    steps = [(kind.rpartition(".")[2], path) for kind, path in found]
    for kind, path in steps:
        if kind == "Transformer" and path.resolve() != folder.resolve():
            refuse(f"its Transformer lies in {path.name}, not beside {MODULES_FILE}")
    return steps


def read_dense(config: Mapping[str, Any], vectors: str, refuse: _Refuse) -> DenseSettings:
    """What the `config.json` of a Dense layer says, which reads and writes `vectors` (`TOKENS` or `POOLED`)."""
    if {config.get(f"module_{side}_name") or vectors for side in ("input", "output")} != {vectors}:
        refuse(f"its Dense layer reads or writes something else than {_VECTORS[vectors]}")
    stated = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    package, _, name = stated.rpartition(".")
    return DenseSettings(name if package.startswith("torch.") else stated, bool(config.get("use_residual")))


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
