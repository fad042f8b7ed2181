"""Checkpoints with the weights that an original was given, and what it answered."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from tests.oracles import module_folders, parts, reranker_folders, text_folders
from tests.oracles.inputs import text_weight, weight

KEPT = Path(__file__).parent
CASES = (*parts.CASES, *module_folders.CASES)
TEXT_CASES = tuple(text_folders.CASES)


def checkpoint(name: str, folder: Path) -> Path:
    """The checkpoint that the original would have saved: its own names, its own form of configuration."""
    with np.load(KEPT / f"{name}.npz") as kept:
        shapes = json.loads(str(kept["weights"]))
    draw = weight
    if name in module_folders.CASES:
        module_folders.save_folder(name, folder)
    elif name in reranker_folders.CASES:
        reranker_folders.save_folder(name, folder)
    elif name in TEXT_CASES:
        text_folders.save_folder(name, folder)
        draw = text_weight
    else:
        parts.save_folder(name, folder)
        shapes = {"model": shapes}
    for file, named in shapes.items():
        state = {stored: torch.from_numpy(draw(stored, tuple(shape))) for stored, shape in named.items()}
        save_file(state, folder / f"{file}.safetensors", metadata={"format": "pt"})
    return folder


def reference(name: str, key: str) -> np.ndarray:
    """What the original answered: `page0` (of text: `document0`), `query0` and so on, (tokens, dim)."""
    with np.load(KEPT / f"{name}.npz") as kept:
        return kept[key]
