"""Writes a checkpoint, with the adapters trained on it folded in, as sentence-transformers 6 saves its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from colvision.encoders.loading import load
from colvision.encoders.options import EncoderOptions
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.encoders.vlm.module_folder import ModuleFolder, chat_template, write_modules
from colvision.encoders.vlm.processing import write_processor_config
from colvision.errors import EncoderNotFound

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def export_encoder(name: str | Path, folder: Path, options: EncoderOptions) -> None:
    """Writes the encoder into a new folder, which sentence-transformers and `load_encoder` read.

    Adapters are folded into the weights, in float32 on the CPU; `options.dtype` is what is stored, float32 by default.

    Raises:
        EncoderNotFound: mini, or a family that is no vision-language model with a projection on top.
        FileExistsError: the folder holds something.
        ValueError: `device` or `quantise` among the options, or a prompt that transformers' processor of the family
            cannot be made to write.
    """
    if options.device not in (None, "cpu") or options.quantise is not None:
        raise ValueError("an export computes on the CPU, in float32: it takes neither device nor quantise")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is not empty: name a new folder")
    encoder = None if str(name) == "mini" else load(name, replace(options, device="cpu", dtype="float32"))
    kind = encoder.family.exported_processor if isinstance(encoder, VlmEncoder) else None
    if not isinstance(encoder, VlmEncoder) or kind is None:
        raise EncoderNotFound(
            f"{str(name)!r} is no vision-language model with a projection on top, which is what sentence-transformers "
            "reads: name a checkpoint of ColPali, ColQwen, ColSmol, ColModernVBERT or ColUltraVBERT"
        )
    family = encoder.family
    template = chat_template(family.prompts.query_prefix, family.prompts.query_suffix, family.template_page())
    _fold_adapters(family.model)
    model = family.model.to(getattr(torch, options.dtype or "float32"))
    folder.mkdir(parents=True, exist_ok=True)
    model.vlm.save_pretrained(folder)
    family.tokenizer.chat_template = None  # the processor's, written below, is for pages as well
    family.tokenizer.save_pretrained(folder)
    family.image_processor.save_pretrained(folder)
    write_processor_config(folder, kind, image_tokens=family.tokens_of_a_view())
    stated = family.modules or ModuleFolder(folder, None)
    modules = replace(stated, folder=folder, projection=folder / "1_Dense", is_native=False, prompts={}, pixels={})
    dim, hidden = model.embedding_proj_layer.weight.shape
    write_modules(modules, template, (dim, hidden))
    state = {f"linear.{kind}": weight.detach() for kind, weight in model.embedding_proj_layer.named_parameters()}
    save_file(state, folder / "1_Dense" / "model.safetensors", metadata={"format": "pt"})


def _fold_adapters(model: PreTrainedModel) -> None:
    """Puts in place of every adapted layer the layer that it amounts to."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import ModulesToSaveWrapper

    for name, part in list(model.named_modules()):
        parent, _, child = name.rpartition(".")
        if isinstance(part, ModulesToSaveWrapper):
            setattr(model.get_submodule(parent), child, part.modules_to_save[part.active_adapters[-1]])
        elif isinstance(part, BaseTunerLayer):
            part.merge()
            setattr(model.get_submodule(parent), child, part.get_base_layer())
