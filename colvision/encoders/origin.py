"""Where an encoder's weights come from: enough to load them, to load them once more, and to know them again."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from colvision.embedding import LoadedFrom
from colvision.encoders.adapters import add_adapters
from colvision.encoders.checkpoint import Checkpoint, fingerprint
from colvision.encoders.family import Family, Source
from colvision.encoders.weights import load_weights


class Origin(NamedTuple):
    """A checkpoint of a family; `adapter` was trained on it, beside the one that its repository may bring."""

    family: type[Family]
    checkpoint: Checkpoint
    adapter: Path | None
    max_patches: int | None

    @property
    def name(self) -> str:
        return self.checkpoint.name if self.adapter is None else f"{self.checkpoint.name} + {self.adapter.name}"

    @property
    def loaded_from(self) -> LoadedFrom:
        adapter = None if self.adapter is None else str(self.adapter.resolve())
        return LoadedFrom(self.checkpoint.source, self.max_patches, adapter)

    @property
    def adapters(self) -> list[Path]:
        return [adapter for adapter in (self.checkpoint.adapter, self.adapter) if adapter is not None]

    def load(self, device: torch.device, dtype: torch.dtype) -> Family:
        """The model on its device, complete and in evaluation mode. Raises WeightsMismatch, EncoderNotFound."""
        layout = self.family.layouts[self.checkpoint.model_type]
        model_class, unused = self.family.model_class(), self.family.unused_weights
        model = load_weights(model_class, self.checkpoint, layout, dtype, unused=unused)
        if self.adapters:
            add_adapters(model, self.adapters, self.checkpoint, layout)
        return self.family(model.to(device), Source(self.checkpoint.processor_folder(), layout, self.max_patches))

    def fingerprint(self, family: Family) -> str:
        """sha256 over weights, adapters, prompts and resolution of the loaded family."""
        said = (family.prompts.page, family.prompts.query_prefix, family.prompts.query_suffix)
        settings = (self.checkpoint.model_type, str(family.revision), *said, str(family.max_patches))
        return fingerprint([self.checkpoint.folder, *self.adapters], settings)
