"""LoRA adapters in peft's format, our own and those of colpali-engine: all of their weights fit, or none is used."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from colvision.encoders.vlm.checkpoint import Checkpoint, fingerprint, require_vlm_extra
from colvision.encoders.vlm.layouts import CheckpointLayout
from colvision.encoders.vlm.weights import check_weights
from colvision.errors import EncoderNotFound, WeightsMismatch

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

REPORT_FILE = "finetune.json"  # beside an adapter that `colvision finetune` has made
ADAPTER_PREFIX = "base_model.model."  # before every name in an adapter's file
_PROJECTION = "embedding_proj_layer"


def add_adapters(
    model: PreTrainedModel, folders: Sequence[Path], checkpoint: Checkpoint, layout: CheckpointLayout
) -> None:
    """Put LoRA adapters (peft's format) into the layers of a model that came from `checkpoint` in `layout`.

    They add up, and stay beside the weights: in bfloat16 merging would round small updates away.

    Raises:
        WeightsMismatch: an adapter was trained on a model with other layers, or layers of other sizes.
    """
    require_vlm_extra("peft")
    wrapped: PeftModel | None = None
    names = [f"adapter{number}" for number, _ in enumerate(folders)]
    adapters = [_Adapter.read(folder, model, checkpoint, layout) for folder in folders]  # before layers are wrapped
    for name, adapter in zip(names, adapters, strict=True):
        wrapped = _add(wrapped, model, name, adapter)
    if wrapped is not None:
        wrapped.base_model.set_adapter(names, inference_mode=True)
    model.eval()


class _Adapter(NamedTuple):
    """An adapter whose rule and weights have the model's names; `what` begins a message about it."""

    config: LoraConfig
    state: dict[str, torch.Tensor]
    what: str

    @classmethod
    def read(cls, folder: Path, model: PreTrainedModel, checkpoint: Checkpoint, layout: CheckpointLayout) -> _Adapter:
        from peft import LoraConfig, PeftConfig

        for file in ("adapter_config.json", "adapter_model.safetensors"):
            if not (folder / file).is_file():
                raise EncoderNotFound(f"adapter folder {folder} holds no {file}: expected a folder that peft has saved")
        _check_base(folder, checkpoint)
        what = f"adapter {folder.name!r} does not fit {type(model).__name__}"
        config = PeftConfig.from_pretrained(str(folder))
        if not isinstance(config, LoraConfig):
            raise WeightsMismatch(f"{what}: it is of type {config.peft_type}, only LoRA adapters are read")
        config.inference_mode = True
        state = _renamed(load_file(folder / "adapter_model.safetensors"), layout)
        names = [stored_modules(checkpoint, layout)]
        if _is_with_projection(folder, checkpoint):
            state = {name: weight for name, weight in state.items() if _PROJECTION not in name.split(".")}
            today = {name: name.removeprefix("vlm.") for name, _ in model.named_modules() if name != _PROJECTION}
            names = [*names, today, {name: f"model.{old}" for name, old in today.items()}]
        if not layout.is_native:
            _target_as_stored(config, model, names, state, what)
        return cls(config, state, what)


def _is_with_projection(folder: Path, checkpoint: Checkpoint) -> bool:
    """Whether sentence-transformers saved a projection beside the adapter: it is that after training, as a whole."""
    return checkpoint.modules is not None and checkpoint.modules.folder == folder


def _check_base(folder: Path, checkpoint: Checkpoint) -> None:
    """Layers of another checkpoint may have the same names and sizes: what the adapter would add to them is noise."""
    file = folder / REPORT_FILE
    base = json.loads(file.read_bytes())["base"] if file.is_file() else {}
    trained_on = base.get("files")
    if trained_on and trained_on != (here := fingerprint([checkpoint.folder], ())):
        raise WeightsMismatch(
            f"adapter {folder.name!r} was trained on {base.get('name')} (files {trained_on[:12]}), not on what lies in "
            f"{checkpoint.folder} ({here[:12]}): load the checkpoint that it was trained on"
        )


def _add(wrapped: PeftModel | None, model: PreTrainedModel, name: str, adapter: _Adapter) -> PeftModel:
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    try:
        if wrapped is None:
            wrapped = with_lora(model, adapter.config, name=name)
        else:
            wrapped.add_adapter(name, adapter.config, autocast_adapter_dtype=False)
    except ValueError as error:  # what peft raises when the configuration names layers that are not there
        raise WeightsMismatch(f"{adapter.what}: {error}") from error
    # Without `save_embedding_layers` peft asks the hub for the base.
    expected = get_peft_model_state_dict(wrapped, adapter_name=name, save_embedding_layers=False)
    state = adapter.state
    check_weights(
        adapter.what,
        missing=expected.keys() - state.keys(),
        unexpected=state.keys() - expected.keys(),
        reshaped=(key for key in expected.keys() & state.keys() if expected[key].shape != state[key].shape),
    )
    set_peft_model_state_dict(wrapped, state, adapter_name=name)
    return wrapped


def with_lora(model: PreTrainedModel, config: LoraConfig, *, name: str = "default") -> PeftModel:
    """The model with LoRA layers put into it, in place, in the model's own precision."""
    from peft import PeftModel

    with warnings.catch_warnings():  # peft still asks transformers by an attribute's old name
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return PeftModel(model, config, adapter_name=name, autocast_adapter_dtype=False)


def _renamed(state: Mapping[str, torch.Tensor], layout: CheckpointLayout) -> dict[str, torch.Tensor]:
    return {ADAPTER_PREFIX + layout.rename(name.removeprefix(ADAPTER_PREFIX)): weight for name, weight in state.items()}


def stored_modules(checkpoint: Checkpoint, layout: CheckpointLayout) -> dict[str, str]:
    """The model's modules -> what they are called where the adapter was trained."""
    names: set[str] = set()
    for file in checkpoint.weight_files():
        with safe_open(file, framework="pt") as opened:
            names.update(opened.keys())
    weights = [name.removesuffix(".weight") for name in names if name.endswith(".weight")]
    return {layout.rename(name + ".weight").removesuffix(".weight"): name for name in weights}


def _target_as_stored(
    config: LoraConfig,
    model: PreTrainedModel,
    names: Sequence[Mapping[str, str]],
    state: Mapping[str, torch.Tensor],
    what: str,
) -> None:
    """Turns the adapter's rule into a list of the model's modules. It was written for stored names: those of `names`
    by which it finds what the adapter's file holds, else the first.

    Left as it is, the rule would find other layers in the model than it was trained on, those of the vision
    encoder for one; and only the rule, not the adapter's file, can tell that weights have been left out.
    """
    rule = config.target_modules
    linear = [name for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)]
    if len(names) > 1:
        linear.remove(_PROJECTION)
    found = [{name for name in linear if _is_target(rule, stored.get(name, name))} for stored in names]
    held = {name.removeprefix(ADAPTER_PREFIX).partition(".lora_")[0] for name in state if ".lora_" in name}
    config.target_modules = next((targets for targets in found if targets == held), found[0])
    if not config.target_modules:
        raise WeightsMismatch(f"{what}: it targets layers {rule!r}, and the checkpoint has none of them")
    new_names = {old.rpartition(".")[2]: new for new, old in names[0].items() if "." not in old}
    whole = [new_names.get(name, name) for name in config.modules_to_save or ()]
    config.modules_to_save = [name for name in whole if len(names) == 1 or name != _PROJECTION] or None


def _is_target(rule: str | Collection[str] | None, name: str) -> bool:
    """The reading that peft has of `target_modules`: a pattern of whole names, or the names' ends."""
    if isinstance(rule, str):
        return re.fullmatch(rule, name) is not None
    return any(name == end or name.endswith("." + end) for end in rule or ())
