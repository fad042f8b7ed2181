"""The head of a reranker that sentence-transformers saved as steps of their own: pooling, then layers down to a score.

The Ettin rerankers are such: Transformer, Pooling, Dense, LayerNorm and a Dense whose output is called `scores`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from safetensors.torch import load_file
from torch import Tensor

from colvision.encoders.json_file import read_json
from colvision.encoders.module_steps import POOLED
from colvision.encoders.rerankers.folder import RerankerFolder
from colvision.encoders.stored_weights import check_weights
from colvision.errors import EncoderNotFound

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_ACTIVATIONS: Mapping[str, Callable[[], torch.nn.Module]] = {
    "Identity": torch.nn.Identity,
    "Tanh": torch.nn.Tanh,
    "GELU": torch.nn.GELU,
    "ReLU": torch.nn.ReLU,
    "SiLU": torch.nn.SiLU,
}
_SCORES = "scores"
_MODES = ("cls", "mean")  # also the names of older settings: pooling_mode_cls_token, pooling_mode_mean_tokens


class HeadJudge:
    """A backbone without a head of its own, and that of the steps beside it, in float32."""

    def __init__(self, model: PreTrainedModel, folder: RerankerFolder, name: str) -> None:
        self.model = model
        reader = _Reader(name)
        (_, pooling), *layers = folder.head
        self._mode = reader.pooling(read_json(pooling / "config.json"))
        made = [reader.layer(kind, path, is_last=path == layers[-1][1]) for kind, path in layers]
        self._layers = torch.nn.Sequential(*made).eval().to(model.device)

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        hidden = self.model(**inputs).last_hidden_state.float()  # (b, tokens, hidden)
        mask = inputs["attention_mask"].unsqueeze(-1)
        pooled = hidden[:, 0] if self._mode == "cls" else (hidden * mask).sum(1) / mask.sum(1)
        logits: Tensor = self._layers(pooled)[:, 0]
        return logits


class _Reader:
    def __init__(self, name: str) -> None:
        self._name = name

    def refuse(self, what: str) -> NoReturn:
        raise EncoderNotFound(
            f"checkpoint {self._name!r} was saved by sentence-transformers, and {what}: choose a reranker of "
            "docs/encoders.md"
        )

    def pooling(self, config: Mapping[str, Any]) -> str:
        former = [mode for mode in _MODES for key in config if key.startswith(f"pooling_mode_{mode}_") and config[key]]
        mode = config.get("pooling_mode", former[0] if len(former) == 1 else former)
        if mode not in _MODES or not config.get("include_prompt", True):
            self.refuse(f"its Pooling is {mode!r}: known are {' and '.join(_MODES)}, prompts included")
        return str(mode)

    def layer(self, kind: str, folder: Path, *, is_last: bool) -> torch.nn.Module:
        config = read_json(folder / "config.json")
        if kind == "Dropout":  # at work in training alone
            return torch.nn.Identity()
        if kind == "LayerNorm":
            norm = torch.nn.LayerNorm(int(config["dimension"]))
            self._fill(norm, "norm.", folder)
            return norm
        activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh")).rpartition(".")[2]
        names = (config.get("module_input_name", POOLED), config.get("module_output_name") or POOLED)
        if names != (POOLED, _SCORES if is_last else POOLED) or config.get("use_residual"):
            self.refuse(f"its Dense layer in {folder.name} is not one of a row that ends in a score")
        if activation not in _ACTIVATIONS:
            self.refuse(f"its Dense layer in {folder.name} has the activation {activation}")
        if is_last and config["out_features"] != 1:
            self.refuse(f"it gives {config['out_features']} scores: a reranker gives one")
        linear = torch.nn.Linear(int(config["in_features"]), int(config["out_features"]), bias=bool(config["bias"]))
        self._fill(linear, "linear.", folder)
        return torch.nn.Sequential(linear, _ACTIVATIONS[activation]())

    def _fill(self, layer: torch.nn.Module, prefix: str, folder: Path) -> None:
        file = folder / "model.safetensors"
        if not file.is_file():
            self.refuse(f"{folder} lacks its model.safetensors (pickled weights are not read)")
        stored = {name.removeprefix(prefix): weight.float() for name, weight in load_file(file).items()}
        own = layer.state_dict()
        check_weights(
            f"the step in {folder} does not fit its config.json",
            missing=own.keys() - stored.keys(),
            unexpected=stored.keys() - own.keys(),
            reshaped=(name for name in own.keys() & stored.keys() if own[name].shape != stored[name].shape),
        )
        layer.load_state_dict(stored)
