"""LoRA on the language model's layers and the projection to page vectors, and nowhere else.

A list of layer names such as `q_proj` would also hit the vision encoder, which has layers of the same names; so the
layers are found by where they are, and written down as one pattern of whole names.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors.torch import save
from torch import nn

from colvision.atomic_io import atomic_write
from colvision.encoders.vlm.adapters import with_lora
from colvision.encoders.vlm.checkpoint import ADAPTER_PREFIX, Checkpoint, fingerprint
from colvision.encoders.vlm.quantised import PROJECTIONS
from colvision.errors import EncoderError

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

_NUMBERED = re.compile(r"(?P<blocks>.+?)\.\d+\.(?P<layer>.+)")


def target_names(model: "PreTrainedModel") -> tuple[str, ...]:
    """The linear layers in the blocks of the language model, and the projection.

    The blocks are those beside the table of words: the vision encoder has its own. Raises `EncoderError` for a
    model that is built otherwise.
    """
    linear = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)]
    blocks = _language_blocks(model)
    chosen = tuple(name for name in linear if name.startswith(blocks) or name in PROJECTIONS)
    if not any(name in PROJECTIONS for name in chosen) or not any(name.startswith(blocks) for name in chosen):
        raise EncoderError(
            f"{type(model).__name__} has no language blocks and projection where colvision looks for them: "
            "it cannot be fine-tuned; choose a checkpoint of a family in docs/encoders.md"
        )
    return chosen


def pattern_of(names: Iterable[str]) -> str:
    """One regular expression for these whole names, the numbers of blocks left open: readable in the adapter's file."""
    layers: dict[str, dict[str, None]] = {}  # what stands before them -> their names, in order
    for name in names:
        numbered = _NUMBERED.fullmatch(name)
        before = re.escape(numbered["blocks"]) + r"\.\d+\." if numbered else ""
        layers.setdefault(before, {})[re.escape(numbered["layer"] if numbered else name)] = None
    return "|".join(f"{before}({'|'.join(each)})" for before, each in layers.items())


@dataclass(frozen=True, slots=True, eq=False)
class Lora:
    """A model with LoRA layers in those of its layers that `names` has; `model` is peft's wrapper around it."""

    model: "PeftModel"
    names: tuple[str, ...]

    def trained(self) -> dict[str, nn.Parameter]:
        """The weights that are trained, by name."""
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}


class BaseCheckpoint(NamedTuple):
    """The checkpoint that an adapter's file names: a hub id and its commit, or a folder; a sha256 over its files."""

    name: str
    revision: str | None
    files: str = ""

    @classmethod
    def of(cls, name: str | Path, checkpoint: Checkpoint) -> "BaseCheckpoint":
        """By the rule of `load_encoder`: a folder comes before the hub, whose cache names a folder by its commit."""
        files = fingerprint([checkpoint.folder], ())
        if Path(name).expanduser().is_dir():
            return cls(str(checkpoint.folder.resolve()), None, files)
        return cls(checkpoint.name, checkpoint.folder.name, files)


def attach(model: "PreTrainedModel", *, rank: int, seed: int) -> Lora:
    """Puts new LoRA layers into the model, in place: they change nothing yet. Only they are trained, in float32."""
    from peft import LoraConfig

    names = target_names(model)
    pattern = pattern_of(names)
    if {name for name, _ in model.named_modules() if re.fullmatch(pattern, name)} != set(names):
        raise EncoderError(f"{pattern} finds other layers of {type(model).__name__} than those to train")
    torch.manual_seed(seed)
    lora = Lora(with_lora(model, LoraConfig(r=rank, lora_alpha=rank, target_modules=pattern)), names)
    for weight in lora.trained().values():
        weight.data = weight.data.float()  # a step is smaller than what bfloat16 can add to a weight
    return lora


def write_adapter(lora: Lora, folder: Path, base: BaseCheckpoint, stored: Mapping[str, str]) -> None:
    """Writes `adapter_config.json` and `adapter_model.safetensors`, as peft itself would, into an existing folder.

    `stored` renames the model's layers to those of the checkpoint, where it has others: an adapter fits its checkpoint.
    peft's own `save_pretrained` would ask the hub about the base model.
    """
    from peft import get_peft_model_state_dict

    state = get_peft_model_state_dict(lora.model, save_embedding_layers=False)
    weights = {_renamed(name, stored): weight.detach().cpu().contiguous() for name, weight in state.items()}
    config = lora.model.peft_config["default"].to_dict()
    config |= {
        "peft_type": "LORA",
        "inference_mode": True,
        "target_modules": pattern_of(stored.get(name, name) for name in lora.names),
        "base_model_name_or_path": base.name,
        "revision": base.revision,
    }
    atomic_write(folder / "adapter_model.safetensors", [save(weights, metadata={"format": "pt"})])
    atomic_write(folder / "adapter_config.json", [json.dumps(config, indent=2, sort_keys=True).encode()])


def _renamed(weight: str, stored: Mapping[str, str]) -> str:
    layer, part = weight.removeprefix(ADAPTER_PREFIX).split(".lora_")
    return f"{ADAPTER_PREFIX}{stored.get(layer, layer)}.lora_{part}"


def _language_blocks(model: "PreTrainedModel") -> str:
    """The start of the names of the layers beside the table of words, such as `vlm.language_model.layers.`."""
    words = model.get_input_embeddings()
    name = next(name for name, part in model.named_modules() if part is words)
    while name:
        name = name.rpartition(".")[0]
        for child, part in model.get_submodule(name).named_children():
            if isinstance(part, nn.ModuleList):
                return f"{name}.{child}."
    return ""
