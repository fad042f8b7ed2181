"""Adapters folded into the weights that they change: a checkpoint like any other, written whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

from colvision.encoders.vlm.adapters import REPORT_FILE
from colvision.encoders.vlm.checkpoint import Checkpoint
from colvision.encoders.vlm.json_file import read_json
from colvision.encoders.vlm.layouts import CheckpointLayout
from colvision.encoders.vlm.loaded_checkpoint import LoadedCheckpoint
from colvision.encoders.vlm.quantised import PROJECTIONS
from colvision.errors import EncoderError, InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_INDEX = "model.safetensors.index.json"
_SETTINGS = (".json", ".txt", ".jinja", ".model")  # tokenizer, image processor, prompts
_OF_THE_ADAPTER = ("adapter_config.json", REPORT_FILE)


def check_mergeable(loaded: LoadedCheckpoint, out: Path) -> None:
    """Raises EncoderError or InputError where nothing can be merged, before gigabytes are read."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} holds something: give a folder that is empty or not there yet")
    if not loaded.adapters:
        raise EncoderError(f"{loaded.name!r} is a checkpoint without an adapter: give one to merge into it (--adapter)")
    if loaded.page_adapters != loaded.adapters:
        raise EncoderError(
            f"{loaded.adapters[-1].name!r} is for queries alone: pages would go through the merged weights, too"
        )
    configs = [read_json(folder / "adapter_config.json") for folder in loaded.adapters]
    if len(configs) > 1 and any(config.get("use_dora") for config in configs):
        raise EncoderError(
            "two adapters of which one is a DoRA do not add up in the weights: merge the first alone, and train the "
            "second on what comes of it"
        )


def write_merged(model: PreTrainedModel, loaded: LoadedCheckpoint, out: Path, dtype: torch.dtype) -> None:
    """Folds the adapters into a float32 model, in place, and writes it with names and settings of its checkpoint."""
    checkpoint = loaded.checkpoint
    layout = loaded.layout
    _fold(model)
    model.to(dtype)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as beside:
        folder = Path(beside) / out.name
        folder.mkdir()
        if layout.is_native:
            model.save_pretrained(folder)
        else:
            _write_as_stored(model, checkpoint, layout, folder)
        for file in _settings(checkpoint):
            shutil.copyfile(file, folder / file.name)
        if out.exists():
            out.rmdir()
        folder.rename(out)


def _settings(checkpoint: Checkpoint) -> Iterator[Path]:
    """What is read beside the weights: the base's configuration, and the files of the tokenizer and the processor."""
    yield checkpoint.folder / "config.json"
    for file in checkpoint.processor_folder().iterdir():
        is_other = file.name in ("config.json", *_OF_THE_ADAPTER) or file.name.endswith(".index.json")
        if file.suffix in _SETTINGS and not is_other:
            yield file


def _fold(model: PreTrainedModel) -> None:
    """Puts the sum in the place of every layer that has an adapter, and what was trained whole in that of the rest."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import ModulesToSaveWrapper

    for name, layer in list(model.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            layer.merge(safe_merge=True)
            model.set_submodule(name, layer.get_base_layer())
        elif isinstance(layer, ModulesToSaveWrapper):
            model.set_submodule(name, layer.modules_to_save[layer.active_adapters[0]])
    del model.peft_config


def _write_as_stored(model: PreTrainedModel, checkpoint: Checkpoint, layout: CheckpointLayout, folder: Path) -> None:
    """The model's weights file by file under the names that the checkpoint has for them."""
    weights, files = model.state_dict(), checkpoint.weight_files()
    brought = {name: weight for name, weight in weights.items() if name.startswith(PROJECTIONS)}
    table: dict[str, str] = {}
    size = 0
    for source in files:
        stored = {name: weights.get(layout.rename(name), weight) for name, weight in load_file(source).items()}
        for name in stored:
            brought.pop(layout.rename(name), None)
        if source == files[-1]:  # what the base has no name for keeps the model's
            stored |= brought
        stored = {
            name: weight.to(model.dtype if weight.is_floating_point() else weight.dtype).contiguous()
            for name, weight in stored.items()
        }
        table |= dict.fromkeys(stored, source.name)
        size += sum(weight.nbytes for weight in stored.values())
        save_file(stored, folder / source.name, metadata={"format": "pt"})
    if (checkpoint.folder / _INDEX).is_file():
        index = {"metadata": {"total_size": size}, "weight_map": table}
        (folder / _INDEX).write_text(json.dumps(index, indent=2))
