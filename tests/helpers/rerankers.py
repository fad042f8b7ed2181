"""Rerankers for tests: those of the oracles, with weights drawn by their names; and one that reads as it is told."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

from colvision.core.reranker import Candidate
from tests.oracles.inputs import weight
from tests.oracles.reranker_folders import head_shapes, save_folder


class ScriptedReranker:
    """Scores by a function of query and page; it keeps what it was given."""

    def __init__(self, score: Callable[[str, Candidate], float], reads: str = "text", name: str = "scripted") -> None:
        self.name, self.reads, self._score = name, reads, score
        self.seen: list[tuple[str, Sequence[Candidate]]] = []

    def score(self, query: str, pages: Sequence[Candidate]) -> list[float]:
        self.seen.append((query, pages))
        return [self._score(query, page) for page in pages]


def draw_weights(folder: Path) -> Path:
    """Weights for the model that a folder's `config.json` describes, drawn by their names."""
    config = transformers.AutoConfig.from_pretrained(folder)
    stated = json.loads((folder / "config.json").read_bytes())
    getattr(transformers, stated["architectures"][0])(config).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(stated))
    state = load_file(folder / "model.safetensors")
    drawn = {name: torch.from_numpy(weight(name, tuple(each.shape))) for name, each in state.items()}
    save_file(drawn, folder / "model.safetensors", metadata={"format": "pt"})
    for file, shapes in head_shapes(folder).items():
        made = {name: torch.from_numpy(weight(name, tuple(shape))) for name, shape in shapes.items()}
        save_file(made, folder / f"{file}.safetensors", metadata={"format": "pt"})
    return folder


def tiny_reranker(name: str, folder: Path) -> Path:
    """The folder of an oracle's case, with weights."""
    return draw_weights(save_folder(name, folder))
