"""Weights of transformers checkpoints and LoRA adapters: all of them fit, or none is used."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from colvision.encoders.checkpoint import Checkpoint, require_vlm_extra
from colvision.errors import EncoderNotFound, WeightsMismatch

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

_NAMED = 3  # weights of each sort that a message names; a wrong layout has hundreds


def load_weights(
    model_class: type[PreTrainedModel], checkpoint: Checkpoint, dtype: torch.dtype, *, unused: Collection[str] = ()
) -> PreTrainedModel:
    """The model with exactly its checkpoint's weights, in evaluation mode.

    transformers fills a weight that it does not find with random numbers and only logs it, so what it reports is
    read here. `unused` names weights that may lie in the checkpoint although the model has no use for them.

    Raises:
        WeightsMismatch: naming some of the weights that are missing, unexpected or of another shape.
    """
    model, report = model_class.from_pretrained(
        checkpoint.folder,
        dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,  # so that they are reported with the others instead of raised one way of three
        output_loading_info=True,
    )
    _refuse(
        f"checkpoint {checkpoint.name!r} does not fit {model_class.__name__}",
        missing=report["missing_keys"],
        unexpected=set(report["unexpected_keys"]) - set(unused),
        reshaped=(key for key, *_ in report["mismatched_keys"]),
    )
    return model.eval()


def add_adapter(model: PreTrainedModel, folder: Path) -> None:
    """Put a LoRA adapter (peft's format) into the model's layers.

    It stays beside the weights rather than merged into them: in bfloat16 merging would round small updates away.

    Raises:
        WeightsMismatch: the adapter was trained on a model with other layers, or layers of other sizes.
    """
    require_vlm_extra("peft")
    from peft import LoraConfig, PeftConfig, get_peft_model_state_dict, set_peft_model_state_dict

    for file in ("adapter_config.json", "adapter_model.safetensors"):
        if not (folder / file).is_file():
            raise EncoderNotFound(f"adapter folder {folder} holds no {file}: expected a folder that peft has saved")
    what = f"adapter {folder.name!r} does not fit {type(model).__name__}"
    config = PeftConfig.from_pretrained(str(folder))
    if not isinstance(config, LoraConfig):
        raise WeightsMismatch(f"{what}: it is of type {config.peft_type}, only LoRA adapters are read")
    config.inference_mode = True
    try:
        wrapped = with_lora(model, config)
    except ValueError as error:  # what peft raises when the configuration names layers that are not there
        raise WeightsMismatch(f"{what}: {error}") from error
    state = load_file(folder / "adapter_model.safetensors")
    expected = get_peft_model_state_dict(wrapped)
    _refuse(
        what,
        missing=expected.keys() - state.keys(),
        unexpected=state.keys() - expected.keys(),
        reshaped=(key for key in expected.keys() & state.keys() if expected[key].shape != state[key].shape),
    )
    set_peft_model_state_dict(wrapped, state)
    model.eval()


def with_lora(model: PreTrainedModel, config: LoraConfig) -> PeftModel:
    """The model with LoRA layers put into it, in place, in the model's own precision."""
    from peft import PeftModel

    with warnings.catch_warnings():  # peft still asks transformers by an attribute's old name
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return PeftModel(model, config, autocast_adapter_dtype=False)


def _refuse(what: str, *, missing: Iterable[str], unexpected: Iterable[str], reshaped: Iterable[str]) -> None:
    sorts = {"missing": sorted(missing), "unexpected": sorted(unexpected), "of another shape": sorted(reshaped)}
    found = [
        f"{len(keys)} {sort} ({', '.join(keys[:_NAMED])}{', ...' if len(keys) > _NAMED else ''})"
        for sort, keys in sorts.items()
        if keys
    ]
    if found:
        raise WeightsMismatch(
            f"{what}: weights {'; '.join(found)}. It was saved in another layout or for another model; "
            "get the version of it that was converted for transformers"
        )
