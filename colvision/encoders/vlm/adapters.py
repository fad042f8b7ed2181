"""LoRA adapters in peft's format, our own and those of colpali-engine: all of their weights fit, or none is used."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors import safe_open

from colvision.encoders.fingerprint import fingerprint
from colvision.encoders.json_file import read_json
from colvision.encoders.module_steps import MODULES_FILE
from colvision.encoders.repository import ADAPTER_FILE
from colvision.encoders.stored_weights import check_weights
from colvision.encoders.vlm.checkpoint import ADAPTER_PREFIX, Checkpoint, require_vlm_extra
from colvision.encoders.vlm.layouts import CheckpointLayout
from colvision.encoders.vlm.weights import renamed_weights
from colvision.errors import EncoderNotFound, WeightsMismatch

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

_ALL_LINEAR = "all-linear"  # peft's name for every linear layer
REPORT_FILE = "finetune.json"  # beside an adapter that `colvision finetune` has made
QUERY_ONLY = "query_only"  # in an adapter's configuration, true where pages are encoded without it
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

        for file in ("adapter_config.json", ADAPTER_FILE):
            if not (folder / file).is_file():
                raise EncoderNotFound(f"adapter folder {folder} holds no {file}: expected a folder that peft has saved")
        _check_base(folder, checkpoint)
        what = f"adapter {folder.name!r} does not fit {type(model).__name__}"
        if read_json(folder / "adapter_config.json").get("alora_invocation_tokens"):
            raise WeightsMismatch(f"{what}: it works after certain tokens alone (aLoRA), which no page or query holds")
        with warnings.catch_warnings():  # of a key that is ours
            warnings.filterwarnings("ignore", rf"Unexpected keyword arguments \['{QUERY_ONLY}'\]", UserWarning)
            config = PeftConfig.from_pretrained(str(folder))
        if not isinstance(config, LoraConfig):
            raise WeightsMismatch(f"{what}: it is of type {config.peft_type}, only LoRA adapters are read")
        config.inference_mode = True
        if config.bias != "none":
            raise WeightsMismatch(
                f"{what}: it was trained with bias={config.bias!r}, which is not read: merge it first"
            )
        state = renamed_weights([folder / ADAPTER_FILE], lambda name: _renamed(name, layout))
        names = [stored_modules(checkpoint, layout)]
        is_with_projection = checkpoint.modules is not None and checkpoint.modules.folder == folder
        if is_with_projection:  # sentence-transformers saved that after training, as a whole
            state = {name: weight for name, weight in state.items() if _PROJECTION not in name.split(".")}
            today = {name: name.removeprefix("vlm.") for name, _ in model.named_modules() if name != _PROJECTION}
            names = [*names, today, {name: f"model.{old}" for name, old in today.items()}]
        if not layout.is_native:
            try:
                _target_as_stored(config, model, names, state)
            except ValueError as error:
                raise WeightsMismatch(f"{what}: {error}") from error
            whole = [_module(name, layout) for name in config.modules_to_save or ()]
            config.modules_to_save = [name for name in whole if name != _PROJECTION or not is_with_projection] or None
        return cls(config, state, what)


def check_given(folder: Path) -> None:
    """Raises EncoderNotFound for a folder that is no adapter alone, but a whole encoder on a base that it names."""
    if (folder / MODULES_FILE).is_file():
        raise EncoderNotFound(
            f"{folder} is a folder of sentence-transformers, with a projection and prompts of its own beside its "
            "adapter: load that folder itself; its adapter_config.json says where its base is"
        )


def is_query_only(folder: Path) -> bool:
    """Whether an adapter was trained for queries alone, against pages encoded without it."""
    file = folder / "adapter_config.json"
    return file.is_file() and read_json(file).get(QUERY_ONLY) is True


def _check_base(folder: Path, checkpoint: Checkpoint) -> None:
    """Layers of another checkpoint may have the same names and sizes: what the adapter would add to them is noise."""
    file = folder / REPORT_FILE
    base = json.loads(file.read_bytes())["base"] if file.is_file() else {}
    trained_on = base.get("files")
    beneath = [checkpoint.folder] if folder == checkpoint.adapter else checkpoint.folders
    if trained_on and trained_on != (here := fingerprint(beneath, ())):
        raise WeightsMismatch(
            f"adapter {folder.name!r} was trained on {base.get('name')} (files {trained_on[:12]}), not on what lies in "
            f"{' and '.join(map(str, beneath))} ({here[:12]}): load the checkpoint that it was trained on"
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
    """The model with LoRA layers put into it, in place, in the model's own precision, beside those that it has."""
    from peft import PeftModel

    with warnings.catch_warnings():  # peft still asks transformers by an attribute's old name
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        warnings.filterwarnings("ignore", "Already found a `peft_config` attribute", UserWarning)
        return PeftModel(model, config, adapter_name=name, autocast_adapter_dtype=False)


def _renamed(stored: str, layout: CheckpointLayout) -> str:
    return ADAPTER_PREFIX + layout.rename(stored.removeprefix(ADAPTER_PREFIX))


def stored_modules(checkpoint: Checkpoint, layout: CheckpointLayout) -> dict[str, str]:
    """The model's modules -> what they are called where the adapter was trained."""
    names: set[str] = set()
    for file in checkpoint.weight_files():
        with safe_open(file, framework="pt") as opened:
            names.update(opened.keys())
    weights = [name.removesuffix(".weight") for name in names if name.endswith(".weight")]
    return {_module(name, layout): name for name in weights}


def _module(stored: str, layout: CheckpointLayout) -> str:
    return layout.rename(f"{stored}.weight").removesuffix(".weight")


def _target_as_stored(
    config: LoraConfig, model: PreTrainedModel, names: Sequence[Mapping[str, str]], state: Mapping[str, torch.Tensor]
) -> None:
    """Turns the adapter's rule, written for the stored names, into one of the model's modules, layer by layer.

    Which stored names, of several in `names`: those by which it finds what the adapter's file holds, else the first.

    Left as it is, the rule would find other layers in the model than it was trained on, those of the vision
    encoder for one; and only the rule, not the adapter's file, can tell that weights have been left out. peft itself
    reads the rule, with `layers_to_transform` and all, and the ranks and alphas that it gives to some of the layers.
    Raises ValueError for one that finds none.
    """
    from peft.tuners.tuners_utils import check_target_module_exists
    from peft.utils.other import get_pattern_key

    rule, was_all = config.target_modules, str(config.target_modules).lower() == _ALL_LINEAR
    linear = [name for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)]
    if len(names) > 1:
        linear.remove(_PROJECTION)
    found = [
        {
            name: stored.get(name, name)
            for name in linear
            if (was_all and name in stored) or check_target_module_exists(config, stored.get(name, name))
        }
        for stored in names
    ]
    held = {name.removeprefix(ADAPTER_PREFIX).partition(".lora_")[0] for name in state if ".lora_" in name}
    targets = next((each for each in found if each.keys() == held), found[0])
    if not targets:
        raise ValueError(f"it targets layers {rule!r}, and the checkpoint has none of them")
    for pattern in (config.rank_pattern, config.alpha_pattern):
        of_layers = {name: get_pattern_key(list(pattern), old) for name, old in targets.items()}
        given = {f"^{re.escape(name)}": pattern[key] for name, key in of_layers.items() if key in pattern}
        pattern.clear()
        pattern.update(given)
    config.target_modules = set(targets)
    config.layers_to_transform = config.layers_pattern = config.exclude_modules = None  # heeded, above
