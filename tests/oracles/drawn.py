"""Weights of checkpoints drawn by their stored names, on the side of the originals: nothing of colvision runs here."""

from collections.abc import Mapping
from pathlib import Path

import torch
from inputs import weight
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel


def draw_backbone(folder: Path) -> dict[str, list[int]]:
    AutoModel.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
    file = folder / "model.safetensors"
    return draw(file, {name: list(each.shape) for name, each in load_file(file).items()})


def draw(file: Path, shapes: Mapping[str, list[int]]) -> dict[str, list[int]]:
    state = {name: torch.from_numpy(weight(name, tuple(shape))) for name, shape in shapes.items()}
    save_file(state, file, metadata={"format": "pt"})
    return dict(shapes)
