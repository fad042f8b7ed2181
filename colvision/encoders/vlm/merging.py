"""Adapters folded into the weights that they change: a checkpoint like any other, written whole or not at all.

In the form that the checkpoint has, or in that of sentence-transformers.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

from colvision.encoders.json_file import read_json
from colvision.encoders.vlm.adapters import REPORT_FILE
from colvision.encoders.vlm.checkpoint import Checkpoint
from colvision.encoders.vlm.family import Family
from colvision.encoders.vlm.layouts import CheckpointLayout
from colvision.encoders.vlm.loaded_checkpoint import LoadedCheckpoint
from colvision.encoders.vlm.module_folder import ModuleFolder, chat_template, write_modules
from colvision.encoders.vlm.processing import write_image_processor, write_processor_config
from colvision.encoders.vlm.quantised import PROJECTIONS
from colvision.errors import EncoderError, InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_INDEX = "model.safetensors.index.json"
_SETTINGS = (".json", ".txt", ".jinja", ".model")  # tokenizer, image processor, prompts
_OF_THE_ADAPTER = ("adapter_config.json", REPORT_FILE)


def check_mergeable(loaded: LoadedCheckpoint, out: Path, *, as_modules: bool, is_form_asked: bool) -> None:
    """Raises EncoderError or InputError where nothing can be merged or written, before gigabytes are read.

    Without an adapter a checkpoint is written where its form was asked for: else it would be a copy.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} holds something: give a folder that is empty or not there yet")
    if as_modules and loaded.family.exported_processor is None:
        raise EncoderError(
            f"{loaded.name!r} is no vision-language model with a projection on top, which is what "
            "sentence-transformers reads: name a checkpoint of ColPali, ColQwen, ColSmol, ColModernVBERT or "
            "ColUltraVBERT"
        )
    if not loaded.adapters and not is_form_asked:
        raise EncoderError(
            f"{loaded.name!r} is a checkpoint without an adapter: give one to merge into it (--adapter), or ask for "
            "the form of sentence-transformers (--sentence-transformers)"
        )
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


def write_merged(family: Family, loaded: LoadedCheckpoint, out: Path, dtype: torch.dtype, *, as_modules: bool) -> None:
    """Folds the adapters into a float32 model, in place, and writes it: with names and settings of its checkpoint, or
    `as_modules`, as sentence-transformers 6 saves its own.

    Raises ValueError for a prompt that transformers' processor of the family cannot be made to write.
    """
    if loaded.adapters:
        _fold(family.model)
    family.model.to(dtype)
    with _written_whole(out) as folder:
        if as_modules:
            _write_as_modules(family, folder)
        else:
            _write_as_it_was(family.model, loaded, folder)


@contextmanager
def _written_whole(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place once all of it is written."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as beside:
        folder = Path(beside) / out.name
        folder.mkdir()
        yield folder
        if out.exists():
            out.rmdir()
        folder.rename(out)


def _write_as_it_was(model: PreTrainedModel, loaded: LoadedCheckpoint, folder: Path) -> None:
    if loaded.layout.is_native:
        model.save_pretrained(folder)
    else:
        _write_as_stored(model, loaded.checkpoint, loaded.layout, folder)
    for file in _settings(loaded.checkpoint):
        shutil.copyfile(file, folder / file.name)


def _write_as_modules(family: Family, folder: Path) -> None:
    """Backbone, tokenizer and image processor in the root, the projection in `1_Dense`, prompts in a chat template."""
    model, kind, prompts = family.model, family.exported_processor, family.prompts
    template = chat_template(prompts.query_prefix, prompts.query_suffix, family.template_page())
    model.vlm.save_pretrained(folder)
    family.tokenizer.chat_template = None  # the processor's, written below, is for pages as well
    family.tokenizer.save_pretrained(folder)
    write_image_processor(folder, family.image_processor, family.exported_images)
    write_processor_config(folder, str(kind), image_tokens=family.tokens_of_a_view())
    stated = family.modules or ModuleFolder(folder, None)
    modules = replace(stated, folder=folder, projection=folder / "1_Dense", is_native=False, prompts={}, pixels={})
    dim, hidden = model.embedding_proj_layer.weight.shape
    write_modules(modules, template, (dim, hidden))
    state = {f"linear.{name}": weight.detach() for name, weight in model.embedding_proj_layer.named_parameters()}
    save_file(state, folder / "1_Dense" / "model.safetensors", metadata={"format": "pt"})


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
