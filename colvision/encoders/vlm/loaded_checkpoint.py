"""Where an encoder's weights come from: enough to load them, to load them again, and to recognise them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from colvision.core.encoder import CheckpointRef
from colvision.encoders.options import Quantise
from colvision.encoders.vlm.adapters import add_adapters, is_query_only
from colvision.encoders.vlm.checkpoint import Checkpoint, fingerprint
from colvision.encoders.vlm.family import Family, ProcessorConfig, with_shared_weights
from colvision.encoders.vlm.quantised import quantisation_arguments, to_int8
from colvision.encoders.vlm.weights import load_weights


class LoadedCheckpoint(NamedTuple):
    """A checkpoint of a family; `adapter` was trained on it, beside the one that its repository may bring."""

    family: type[Family]
    checkpoint: Checkpoint
    adapter: Path | None
    max_patches: int | None
    quantise: Quantise | None = None

    @property
    def name(self) -> str:
        return self.checkpoint.name if self.adapter is None else f"{self.checkpoint.name} + {self.adapter.name}"

    @property
    def reference(self) -> CheckpointRef:
        """What a collection remembers of it."""
        adapter = None if self.adapter is None else str(self.adapter.resolve())
        return CheckpointRef(self.checkpoint.source, self.max_patches, adapter, self.quantise)

    @property
    def adapters(self) -> list[Path]:
        return [adapter for adapter in (self.checkpoint.adapter, self.adapter) if adapter is not None]

    @property
    def page_adapters(self) -> list[Path]:
        """Those that pages are encoded with; queries are with all."""
        return [adapter for adapter in self.adapters if not is_query_only(adapter)]

    def load(self, device: torch.device, dtype: torch.dtype) -> Family:
        """The model on its device, complete and in evaluation mode. Raises WeightsMismatch, EncoderNotFound."""
        layout = self.family.layouts[self.checkpoint.model_type]
        model_class, unused = self.family.model_class(), self.family.unused_weights
        quantisation = quantisation_arguments(self.quantise, device, dtype)
        implementation = attention(self.family, device, dtype, has_flash=_has_flash())
        arguments = {**quantisation, "attn_implementation": implementation}
        model = load_weights(model_class, self.checkpoint, layout, dtype, unused=unused, arguments=arguments)
        pairs = [(model, self.page_adapters)]
        if self.page_adapters != self.adapters:
            pairs.append((with_shared_weights(model), self.adapters))
        for each, adapters in pairs:
            if adapters:
                add_adapters(each, adapters, self.checkpoint, layout)
            if not quantisation:  # else it is where it belongs, in fewer bits
                each.to(device)
                if self.quantise is not None:
                    to_int8(each)
        processor = ProcessorConfig(self.checkpoint.processor_folder(), layout, self.max_patches)
        family = self.family(model, processor)
        family.query_model = pairs[-1][0]
        return family

    def fingerprint(self, family: Family) -> str:
        """sha256 over all that decides the vectors of pages: weights, adapters, prompts, resolution.

        An adapter for queries alone is no part of it: what pages were encoded to stays valid.
        """
        prompts = (family.prompts.page, family.prompts.query_prefix, family.prompts.query_suffix)
        settings = (self.checkpoint.model_type, str(family.revision), *prompts, str(family.max_patches))
        bits = () if self.quantise is None else (self.quantise,)
        return fingerprint([self.checkpoint.folder, *self.page_adapters], (*settings, *bits))


def attention(family: type[Family], device: torch.device, dtype: torch.dtype, *, has_flash: bool) -> str:
    """PyTorch's own attention, unless flash-attention is installed and made for this model, device and precision."""
    can = has_flash and family.supports_flash_attention and device.type == "cuda" and dtype is torch.bfloat16
    return "flash_attention_2" if can else "sdpa"


def _has_flash() -> bool:
    from transformers.utils import is_flash_attn_2_available

    return bool(is_flash_attn_2_available())
