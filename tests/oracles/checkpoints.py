"""Checkpoints with the weights that an original was given, and what it answered.

python -m tests.oracles.checkpoints FOLDER writes all of them but their weights.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from tests.oracles import module_folders, parts
from tests.oracles.inputs import weight

KEPT = Path(__file__).parent
CASES: Mapping[str, Callable[[Path], dict[str, object]]] = {**parts.CASES, **module_folders.CASES}


def save_parts(name: str, folder: Path) -> Path:
    """All of a checkpoint but its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    if config := CASES[name](folder):
        (folder / "config.json").write_text(json.dumps(config, indent=1))
    return folder


def checkpoint(name: str, folder: Path) -> Path:
    """The checkpoint that the original would have saved: its own names, its own form of configuration."""
    with np.load(KEPT / f"{name}.npz") as kept:
        shapes = json.loads(str(kept["weights"]))
    save_parts(name, folder)
    if name not in module_folders.CASES:
        shapes = {"model": shapes}
    for file, named in shapes.items():
        state = {stored: torch.from_numpy(weight(stored, tuple(shape))) for stored, shape in named.items()}
        save_file(state, folder / f"{file}.safetensors", metadata={"format": "pt"})
    return folder


def reference(name: str, key: str) -> np.ndarray:
    """What the original answered: `page0`, `query0` and so on, (tokens, dim)."""
    with np.load(KEPT / f"{name}.npz") as kept:
        return kept[key]


if __name__ == "__main__":
    for case in CASES:
        save_parts(case, Path(sys.argv[1]) / case)
