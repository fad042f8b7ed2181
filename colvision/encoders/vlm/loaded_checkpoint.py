"""Where an encoder's weights come from: enough to load them, to load them again, and to recognise them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from colvision.core.encoder import CheckpointRef
from colvision.encoders.options import EncoderOptions
from colvision.encoders.vlm.adapters import add_adapters
from colvision.encoders.vlm.checkpoint import Checkpoint, fingerprint
from colvision.encoders.vlm.family import Family, ProcessorConfig
from colvision.encoders.vlm.quantised import quantisation_arguments, to_int8
from colvision.encoders.vlm.weights import load_weights
from colvision.errors import EncoderNotFound


class LoadedCheckpoint(NamedTuple):
    """A checkpoint of a family; `options.adapter` was trained on it, beside the one that its repository may bring."""

    family: type[Family]
    checkpoint: Checkpoint
    options: EncoderOptions = EncoderOptions()

    @property
    def name(self) -> str:
        adapter = self.options.adapter
        return self.checkpoint.name if adapter is None else f"{self.checkpoint.name} + {adapter.name}"

    @property
    def reference(self) -> CheckpointRef:
        """What a collection remembers of it."""
        options = self.options
        return CheckpointRef(
            self.checkpoint.source,
            max_patches=options.max_patches,
            adapter=None if options.adapter is None else str(options.adapter.resolve()),
            quantise=options.quantise,
            query_prefix=options.query_prefix,
            page_prompt=options.page_prompt,
        )

    @property
    def adapters(self) -> list[Path]:
        return [adapter for adapter in (self.checkpoint.adapter, self.options.adapter) if adapter is not None]

    def load(self, device: torch.device, dtype: torch.dtype) -> Family:
        """The model on its device, complete and in evaluation mode. Raises WeightsMismatch, EncoderNotFound."""
        layout, modules = self.family.layouts[self.checkpoint.model_type], self.checkpoint.modules
        if modules is not None and modules.is_native != layout.is_native:
            raise EncoderNotFound(
                f"checkpoint {self.name!r} has steps of sentence-transformers that do not go with its model_type "
                f"{self.checkpoint.model_type!r}: take all files from one checkpoint"
            )
        model_class, unused = self.family.model_class(), self.family.unused_weights
        quantisation = quantisation_arguments(self.options.quantise, device, dtype)
        implementation = attention(self.family, device, dtype, has_flash=_has_flash())
        arguments = {**quantisation, "attn_implementation": implementation}
        model = load_weights(model_class, self.checkpoint, layout, dtype, unused=unused, arguments=arguments)
        if self.adapters:
            add_adapters(model, self.adapters, self.checkpoint, layout)
        if not quantisation:  # else it is where it belongs, in fewer bits
            model = model.to(device)
            if self.options.quantise is not None:
                to_int8(model)
        processor = ProcessorConfig(self.checkpoint.processor_folder(), layout, self.options, modules)
        family = self.family(model, processor)
        family.check_page_length()
        return family

    def fingerprint(self, family: Family) -> str:
        """sha256 over weights, adapters, prompts and resolution of the loaded family."""
        prompts = (family.prompts.page, family.prompts.query_prefix, family.prompts.query_suffix)
        settings = (self.checkpoint.model_type, str(family.revision), *prompts, str(family.max_patches))
        bits = () if self.options.quantise is None else (self.options.quantise,)
        modules = self.checkpoint.modules
        projection = () if modules is None or modules.projection is None else (modules.projection,)
        beside = () if modules is None else modules.settings
        return fingerprint([self.checkpoint.folder, *self.adapters, *projection], (*settings, *bits, *beside))


def attention(family: type[Family], device: torch.device, dtype: torch.dtype, *, has_flash: bool) -> str:
    """PyTorch's own attention, unless flash-attention is installed and made for this model, device and precision."""
    can = has_flash and family.supports_flash_attention and device.type == "cuda" and dtype is torch.bfloat16
    return "flash_attention_2" if can else "sdpa"


def _has_flash() -> bool:
    from transformers.utils import is_flash_attn_2_available

    return bool(is_flash_attn_2_available())
