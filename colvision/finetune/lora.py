"""LoRA on the language model's layers and the projection to page vectors, and nowhere else.

A list of layer names such as `q_proj` would also hit the vision encoder, which has layers of the same names; so the
layers are found by where they are, and written down as one pattern of whole names.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from colvision.atomic_io import atomic_write
from colvision.encoders.fingerprint import fingerprint
from colvision.encoders.vlm.adapters import QUERY_ONLY, with_lora
from colvision.encoders.vlm.checkpoint import ADAPTER_PREFIX, Checkpoint
from colvision.encoders.vlm.quantised import PROJECTIONS
from colvision.errors import EncoderError

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

_NUMBERED = re.compile(r"(?P<blocks>.+?)\.\d+\.(?P<layer>.+)")
_INSIDE_LORA = re.compile(r"\.(base_layer|lora_\w+)\b.*")  # parts of a layer that an adapter has been put into
_NAME = "default"  # of the new adapter, beside those that the checkpoint brings


def target_names(model: "PreTrainedModel") -> tuple[str, ...]:
    """The linear layers in the blocks of the language model, and the projection.

    The blocks are those beside the table of words: the vision encoder has its own. Raises `EncoderError` for a
    model that is built otherwise.
    """
    linear = {_INSIDE_LORA.sub("", name): None for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    blocks = _language_blocks(model) + "."
    chosen = tuple(name for name in linear if name.startswith(blocks) or name in PROJECTIONS)
    if not any(name in PROJECTIONS for name in chosen) or not any(name.startswith(blocks) for name in chosen):
        if any(".modules_to_save." in name for name in linear):
            raise EncoderError(
                f"the adapter of this {type(model).__name__} has a projection of its own, which a second adapter "
                "cannot be put on: write both as one checkpoint with `colvision merge`, and fine-tune that"
            )
        raise EncoderError(
            f"{type(model).__name__} has no language blocks and projection where colvision looks for them: "
            "it cannot be fine-tuned; choose a checkpoint of a family in docs/encoders.md"
        )
    return chosen


def checkpoint_blocks(model: "PreTrainedModel") -> None:
    """From now on a block of the language model keeps its input alone, and is computed again for its gradients.

    Gradients stay as they are, for a forward pass more (Chen et al. 2016, arXiv:1604.06174). transformers would do so
    in training mode alone; a model that is trained here stays in evaluation mode, where nothing is dropped.
    """
    for block in model.get_submodule(_language_blocks(model)).children():
        block.forward = partial(checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False)


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
    """A model with new LoRA layers in those of its layers that `names` has; `model` is peft's wrapper around it.

    `earlier` names the adapters that the model came with.
    """

    model: "PeftModel"
    names: tuple[str, ...]
    earlier: tuple[str, ...]

    def trained(self) -> dict[str, nn.Parameter]:
        """The weights that are trained, by name."""
        return {name: weight for name, weight in self.model.named_parameters() if f".{_NAME}." in name}

    @contextmanager
    def switched_off(self) -> Iterator[None]:
        """The model as it came, within the context."""
        if not self.earlier:
            with self.model.disable_adapter():
                yield
            return
        self.model.base_model.set_adapter([*self.earlier], inference_mode=True)
        try:
            yield
        finally:
            self.model.base_model.set_adapter([*self.earlier, _NAME], inference_mode=True)


class _Master(nn.Module):
    """A linear layer whose weight is float32 and which computes in the precision of what it is given.

    That is the precision in which it will be loaded. peft would compute in the weight's, and keep an input in float32
    for the gradients of each layer.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(linear.weight.float())  # a step is smaller than what bfloat16 can add to a weight

    def forward(self, states: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return functional.linear(states, self.weight.to(states.dtype))


class BaseCheckpoint(NamedTuple):
    """The checkpoint that an adapter's file names: a hub id and its commit, or a folder; a sha256 over its files.

    It may be an adapter itself, which then is part of it.
    """

    name: str
    revision: str | None
    files: str = ""

    @classmethod
    def of(cls, name: str | Path, checkpoint: Checkpoint) -> "BaseCheckpoint":
        """By the rule of `load_encoder`: a folder comes before the hub, whose cache names a folder by its commit."""
        files, given = fingerprint(checkpoint.folders, ()), checkpoint.folders[-1]
        if Path(name).expanduser().is_dir():
            return cls(str(given.resolve()), None, files)
        return cls(checkpoint.name, given.name, files)


def attach(model: "PreTrainedModel", *, rank: int, seed: int) -> Lora:
    """Puts new LoRA layers into the model, in place: they change nothing yet, and only they are trained, in float32.

    Adapters that the model came with stay as they are: what is trained adds to them.
    """
    from peft import LoraConfig
    from peft.tuners.lora import LoraLayer

    names = target_names(model)
    pattern = pattern_of(names)
    if {name for name, _ in model.named_modules() if re.fullmatch(pattern, name)} != set(names):
        raise EncoderError(f"{pattern} finds other layers of {type(model).__name__} than those to train")
    earlier = tuple(getattr(model, "peft_config", ()))
    torch.manual_seed(seed)
    wrapped = with_lora(model, LoraConfig(r=rank, lora_alpha=rank, target_modules=pattern), name=_NAME)
    wrapped.base_model.set_adapter([*earlier, _NAME])
    for layer in model.modules():
        if isinstance(layer, LoraLayer) and _NAME in layer.lora_A:
            layer.cast_input_dtype_enabled = False
            for part in (layer.lora_A, layer.lora_B):
                part[_NAME] = _Master(part[_NAME])
    lora = Lora(wrapped, names, earlier)
    trained = lora.trained()
    for name, weight in wrapped.named_parameters():
        weight.requires_grad_(name in trained)
    return lora


def write_adapter(
    lora: Lora, folder: Path, base: BaseCheckpoint, stored: Mapping[str, str], *, query_only: bool = False
) -> None:
    """Writes `adapter_config.json` and `adapter_model.safetensors`, as peft itself would, into an existing folder.

    `stored` renames the model's layers to those of the checkpoint, where it has others: an adapter fits its checkpoint.
    `query_only` says that pages are encoded without it: peft reads over that, `load_encoder` does not.
    peft's own `save_pretrained` would ask the hub about the base model.
    """
    from peft import get_peft_model_state_dict

    state = get_peft_model_state_dict(lora.model, adapter_name=_NAME, save_embedding_layers=False)
    weights = {_renamed(name, stored): weight.detach().cpu().contiguous() for name, weight in state.items()}
    config = lora.model.peft_config[_NAME].to_dict()
    config |= {
        "peft_type": "LORA",
        "inference_mode": True,
        "target_modules": pattern_of(stored.get(name, name) for name in lora.names),
        "base_model_name_or_path": base.name,
        "revision": base.revision,
        **({QUERY_ONLY: True} if query_only else {}),
    }
    atomic_write(folder / "adapter_model.safetensors", [save(weights, metadata={"format": "pt"})])
    atomic_write(folder / "adapter_config.json", [json.dumps(config, indent=2, sort_keys=True).encode()])


def _renamed(weight: str, stored: Mapping[str, str]) -> str:
    layer, part = weight.removeprefix(ADAPTER_PREFIX).split(".lora_")
    return f"{ADAPTER_PREFIX}{stored.get(layer, layer)}.lora_{part}"


def _language_blocks(model: "PreTrainedModel") -> str:
    """The name of the list of layers beside the table of words, such as `vlm.language_model.layers`; "" for none."""
    words = model.get_input_embeddings()
    name = next(name for name, part in model.named_modules() if part is words)
    while name:
        name = name.rpartition(".")[0]
        for child, part in model.get_submodule(name).named_children():
            if isinstance(part, nn.ModuleList):
                return f"{name}.{child}"
    return ""
