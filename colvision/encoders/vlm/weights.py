"""Weights of checkpoints: all of them fit, or none is used."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from colvision.encoders.vlm.checkpoint import Checkpoint
from colvision.encoders.vlm.json_file import read_json
from colvision.encoders.vlm.layouts import CheckpointLayout
from colvision.encoders.vlm.module_folder import ModuleFolder
from colvision.errors import EncoderNotFound, WeightsMismatch

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

NOTHING: Mapping[str, object] = MappingProxyType({})

_LEAST_STORED = 0.5  # of the weights that a configuration describes; what fits is then looked at one by one
_NAMED = 3  # weights of each sort that a message names; a wrong layout has hundreds
_PROJECTION, _PROJECTION_BIAS = "embedding_proj_layer.weight", "embedding_proj_layer.bias"
_DECLARED_DIM = ("dim", "embed_dim", "embedding_dim")  # where configurations of plain models state it, if they do


def load_weights(
    model_class: type[PreTrainedModel],
    checkpoint: Checkpoint,
    layout: CheckpointLayout,
    dtype: torch.dtype,
    *,
    unused: Collection[str] = (),
    arguments: Mapping[str, object] = NOTHING,
) -> PreTrainedModel:
    """The model with exactly its checkpoint's weights, in evaluation mode.

    transformers fills a weight that it does not find with random numbers and only logs it, so what it reports is
    read here. `unused` names weights that may lie in the checkpoint although the model has no use for them;
    `arguments` go to transformers as they are.

    Raises:
        WeightsMismatch: naming some of the weights that are missing, unexpected or of another shape.
    """
    stored = _count_stored(checkpoint)
    source: Path | None = checkpoint.folder
    config = state = None
    if not layout.is_native:
        source, state = None, stored_weights(checkpoint, layout)
        config = _wrapping_config(model_class, checkpoint, state)
    _check_size(model_class, checkpoint, config, stored)
    model, report = model_class.from_pretrained(
        source,
        config=config,
        state_dict=state,
        dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,  # so that they are reported with the others instead of raised one way of three
        output_loading_info=True,
        **arguments,
    )
    check_weights(
        f"checkpoint {checkpoint.name!r} does not fit {model_class.__name__}",
        missing=report["missing_keys"],
        unexpected=set(report["unexpected_keys"]) - set(unused),
        reshaped=(key for key, *_ in report["mismatched_keys"]),
    )
    for part in model.modules():  # one pass over a page or a query: nothing is continued, so nothing is kept
        if hasattr(part, "config") and hasattr(part.config, "use_cache"):
            part.config.use_cache = False
    return model.eval()


def _count_stored(checkpoint: Checkpoint) -> int:
    """How many numbers the weights of a checkpoint are, by the headers of its files. Raises WeightsMismatch."""
    count = 0
    for path in checkpoint.weight_files():
        try:
            with safe_open(path, framework="pt") as file:
                count += sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118  no mapping
        except (OSError, SafetensorError) as error:
            raise WeightsMismatch(
                f"{path} holds no weights in the format of safetensors ({error}): copy it again from where it came "
                "(pickled weights are not read, whatever they are called)"
            ) from error
    return count


def _check_size(
    model_class: type[PreTrainedModel], checkpoint: Checkpoint, config: PreTrainedConfig | None, stored: int
) -> None:
    """Raises WeightsMismatch where a checkpoint holds a part of what its configuration describes.

    transformers would make a model of that size and fill it with random numbers, for minutes, before it can be told.
    """
    if config is None:
        config = model_class.config_class.from_pretrained(
            checkpoint.folder, local_files_only=True, trust_remote_code=False
        )
    with torch.device("meta"):
        described = sum(weight.numel() for weight in model_class(config).parameters())
    if stored < described * _LEAST_STORED:
        raise WeightsMismatch(
            f"checkpoint {checkpoint.name!r} holds {stored:,} weights, its config.json describes {described:,}: "
            "take all files from one checkpoint"
        )


def stored_weights(checkpoint: Checkpoint, layout: CheckpointLayout) -> dict[str, torch.Tensor]:
    """A checkpoint's weights under the names that they have in the model; memory-mapped."""
    weights = {}
    for file in checkpoint.weight_files():
        weights.update({layout.rename(name): weight for name, weight in load_file(file).items()})
    return weights


def check_weights(what: str, *, missing: Iterable[str], unexpected: Iterable[str], reshaped: Iterable[str]) -> None:
    """Raises WeightsMismatch when there are any, naming some."""
    kinds = {"missing": sorted(missing), "unexpected": sorted(unexpected), "of another shape": sorted(reshaped)}
    found = [
        f"{len(keys)} {kind} ({', '.join(keys[:_NAMED])}{', ...' if len(keys) > _NAMED else ''})"
        for kind, keys in kinds.items()
        if keys
    ]
    if found:
        raise WeightsMismatch(
            f"{what}: weights {'; '.join(found)}. It was saved in another layout or for another model; "
            "get the version of it that was converted for transformers"
        )


def _projection(modules: ModuleFolder, hidden: int) -> dict[str, torch.Tensor]:
    """The Dense layer of a folder of sentence-transformers; without one, the hidden states as they are."""
    if modules.projection is None:
        return {_PROJECTION: torch.eye(hidden), _PROJECTION_BIAS: torch.zeros(hidden)}
    file = modules.projection / "model.safetensors"
    if not file.is_file():
        raise EncoderNotFound(
            f"{modules.projection} lacks model.safetensors, the projection to page vectors: copy it there from the "
            "checkpoint (pickled weights are not read)"
        )
    stored = load_file(file)
    check_weights(
        f"the Dense layer in {modules.projection} does not fit a linear one",
        missing={"linear.weight"} - stored.keys(),
        unexpected=stored.keys() - {"linear.weight", "linear.bias"},
        reshaped=(),
    )
    weight = stored["linear.weight"]  # (dim, hidden)
    return {_PROJECTION: weight, _PROJECTION_BIAS: stored.get("linear.bias", torch.zeros(len(weight)))}


def _wrapping_config(
    model_class: type[PreTrainedModel], checkpoint: Checkpoint, state: dict[str, torch.Tensor]
) -> PreTrainedConfig:
    """The retrieval model's configuration around that of the plain model, with as many components as are stored."""
    from transformers import AutoConfig

    backbone = AutoConfig.from_pretrained(checkpoint.folder, local_files_only=True, trust_remote_code=False)
    if checkpoint.modules is not None:
        state.update(_projection(checkpoint.modules, backbone.get_text_config().hidden_size))
    if _PROJECTION not in state:
        raise WeightsMismatch(
            f"checkpoint {checkpoint.name!r} holds a {checkpoint.model_type} model without a projection to page "
            "vectors: it was not trained to search; choose a checkpoint that was"
        )
    dim = len(state[_PROJECTION])
    stated = read_json(checkpoint.folder / "config.json")
    declared = next((stated[key] for key in _DECLARED_DIM if key in stated), dim)
    if declared != dim:
        raise WeightsMismatch(
            f"checkpoint {checkpoint.name!r} declares vectors of {declared} components and holds a projection to "
            f"{dim}: take all files from one checkpoint"
        )
    config: PreTrainedConfig = model_class.config_class(vlm_config=backbone.to_dict(), embedding_dim=dim)
    return config
