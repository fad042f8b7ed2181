"""Weights of checkpoints: all of them fit, or none is used."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors.torch import load_file

from colvision.encoders.repository import ADAPTER_FILE
from colvision.encoders.stored_weights import check_weights, count_stored
from colvision.encoders.vlm.checkpoint import ADAPTER_PREFIX, Checkpoint
from colvision.encoders.vlm.layouts import CheckpointLayout
from colvision.encoders.vlm.module_folder import ModuleFolder
from colvision.errors import EncoderNotFound, WeightsMismatch

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

NOTHING: Mapping[str, object] = MappingProxyType({})

_LEAST_STORED = 0.5  # of the weights that a configuration describes; what fits is then looked at one by one
_NAMED = 3  # weights of each sort that a message names; a wrong layout has hundreds
_REASON = 200  # characters of what transformers says
_BACKBONES = frozenset({"vlm", "lm_head"})
PROJECTION = "embedding_proj_layer.weight"
_BIAS = "embedding_proj_layer.bias"
_DECLARED_DIM = ("dim", "embed_dim", "embedding_dim")  # where configurations of plain models state it, if they do
_CUT_DIM = ("dims", "matryoshka_dim", "truncate_dim")  # to how many components a class of its own cuts vectors
_CUT_DIMS = ("matryoshka_dims", "matryoshka_dimensions")  # to how many they may be cut


class StoredWeights(NamedTuple):
    """Where a model's weights lie: in a checkpoint, by the names of `layout`; `adapters` may bring its projection."""

    checkpoint: Checkpoint
    layout: CheckpointLayout
    adapters: Sequence[Path] = ()


def load_weights(
    model_class: type[PreTrainedModel],
    source: StoredWeights,
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
    checkpoint = source.checkpoint
    stored = count_stored(checkpoint.weight_files())
    folder: Path | None = checkpoint.folder
    state = None
    if source.layout.is_native:
        with _told_of_types(checkpoint):
            config = model_class.config_class.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    else:
        folder, state = None, stored_weights(checkpoint, source.layout)
        if PROJECTION not in state:
            state.update(_projection_of_adapters(source))
        config = _wrapping_config(model_class, source, state)
    _check_size(model_class, checkpoint, config, stored)
    model, report = model_class.from_pretrained(
        folder,
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


def _check_size(
    model_class: type[PreTrainedModel], checkpoint: Checkpoint, config: PreTrainedConfig, stored: int
) -> None:
    """Raises WeightsMismatch where a checkpoint holds a part of what its configuration describes.

    transformers would make a model of that size and fill it with random numbers, for minutes, before it can be told.
    """
    with torch.device("meta"), _told_of_types(checkpoint):
        described = sum(weight.numel() for weight in model_class(config).parameters())
    if stored < described * _LEAST_STORED:
        raise WeightsMismatch(
            f"checkpoint {checkpoint.name!r} holds {stored:,} weights, its config.json describes {described:,}: "
            "take all files from one checkpoint"
        )


def stored_weights(checkpoint: Checkpoint, layout: CheckpointLayout) -> dict[str, torch.Tensor]:
    """A checkpoint's weights under the names that they have in the model; memory-mapped. Raises WeightsMismatch."""
    return renamed_weights(checkpoint.weight_files(), layout.rename)


def renamed_weights(files: Iterable[Path], rename: Callable[[str], str]) -> dict[str, torch.Tensor]:
    """The weights of files under other names. Raises WeightsMismatch for two that differ and would get the same one."""
    weights: dict[str, torch.Tensor] = {}
    stored: dict[str, str] = {}
    for file in files:
        for name, weight in load_file(file).items():
            renamed = rename(name)
            if renamed in weights and not torch.equal(weights[renamed], weight):
                raise WeightsMismatch(
                    f"{file} holds {stored[renamed]} and {name}, two names of one weight, and they differ: copy it "
                    "again from where it came"
                )
            weights[renamed], stored[renamed] = weight, name
    return weights


def _projection(modules: ModuleFolder, hidden: int) -> dict[str, torch.Tensor]:
    """The Dense layer of a folder of sentence-transformers; without one, the hidden states as they are."""
    if modules.projection is None:
        return {PROJECTION: torch.eye(hidden), _BIAS: torch.zeros(hidden)}
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
    return {PROJECTION: weight, _BIAS: stored.get("linear.bias", torch.zeros(len(weight)))}


@contextmanager
def _told_of_types(checkpoint: Checkpoint) -> Iterator[None]:
    """What transformers answers a type that it does not know is a list of all that it does."""
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        import transformers

        reason = str(error).partition("\n")[0]
        reason = reason if len(reason) < _REASON else f"{reason[:_REASON]}..."
        raise EncoderNotFound(
            f"the config.json of {checkpoint.name!r} describes a model that transformers {transformers.__version__} "
            f"does not know ({reason}): take the checkpoint's newest revision, or a newer transformers"
        ) from error


def _projection_of_adapters(source: StoredWeights) -> dict[str, torch.Tensor]:
    """What an adapter holds of it as a whole, among its `modules_to_save`: then its base needs none."""
    found = {}
    for folder in source.adapters:
        file = folder / ADAPTER_FILE
        for name, weight in (load_file(file) if file.is_file() else {}).items():
            renamed = source.layout.rename(name.removeprefix(ADAPTER_PREFIX))
            if renamed.startswith(PROJECTION.rpartition(".")[0]) and ".lora_" not in renamed:
                found[renamed] = weight
    return found


def _wrapping_config(
    model_class: type[PreTrainedModel], source: StoredWeights, state: dict[str, torch.Tensor]
) -> PreTrainedConfig:
    """The retrieval model's configuration around that of the plain model, with as many components as are stored."""
    from transformers import CONFIG_MAPPING

    checkpoint = source.checkpoint
    stated = checkpoint.config()
    plain = {**stated.get("vlm_config", stated)}
    plain["model_type"] = source.layout.backbone or plain.get("model_type")
    with _told_of_types(checkpoint):
        backbone = CONFIG_MAPPING[plain["model_type"]].from_dict(plain)
    if checkpoint.modules is not None:
        state.update(_projection(checkpoint.modules, backbone.get_text_config().hidden_size))
    if PROJECTION not in state:
        raise WeightsMismatch(_without_projection(source, state))
    dim = len(state[PROJECTION])
    declared = next((stated[key] for key in _DECLARED_DIM if stated.get(key, dim) != dim), dim)
    if declared != dim:
        raise WeightsMismatch(
            f"checkpoint {checkpoint.name!r} declares vectors of {declared} components and holds a projection to "
            f"{dim}: take all files from one checkpoint"
        )
    with _told_of_types(checkpoint):
        config: PreTrainedConfig = model_class.config_class(vlm_config=backbone.to_dict(), embedding_dim=dim)
    return config


def _without_projection(source: StoredWeights, state: Mapping[str, object]) -> str:
    checkpoint = source.checkpoint
    tops = {name.partition(".")[0] for name in state} - _BACKBONES
    others = f" It holds {', '.join(sorted(tops)[:_NAMED])} beside it, which colvision does not read." if tops else ""
    message = (
        f"checkpoint {checkpoint.name!r} holds a {checkpoint.model_type} model without a projection to page vectors"
    )
    if source.adapters:
        return (
            f"{message} in its base, {checkpoint.folder}, and its adapter brings none.{others} Load a version of it "
            "that was merged or converted for transformers, or one that sentence-transformers saved"
        )
    return f"{message}.{others} It is a plain model, or keeps it elsewhere: choose one that was trained to search"


def check_dim(checkpoint: Checkpoint, full: int, wanted: int | None) -> None:
    """Raises WeightsMismatch where the checkpoint cuts its vectors and nobody asked for that, ValueError for a `wanted`
    number of components that it does not have, or was not trained to be cut to.
    """
    config = checkpoint.config()
    lists = {key: value for key, value in config.items() if isinstance(value, list)}
    stated = next((config[key] for key in _CUT_DIM if config.get(key) not in (None, full) and key not in lists), full)
    if wanted is None and stated != full:
        raise WeightsMismatch(
            f"checkpoint {checkpoint.name!r} cuts its vectors to {stated} of {full} components (config.json): "
            f"load it with dim={stated}, or with dim={full} to keep all"
        )
    trained: list[int] = next((lists[key] for key in (*_CUT_DIMS, *_CUT_DIM) if key in lists), [])
    if wanted is not None and (wanted > full or (trained and wanted not in (*trained, full))):
        choices = f"{', '.join(map(str, trained))} or {full}" if trained else f"at most {full}"
        raise ValueError(f"dim is {wanted}; vectors of {checkpoint.name!r} can have {choices} components")
