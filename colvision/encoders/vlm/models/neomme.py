"""NeoMME (H Company, 2026; `Hcompany/NeoMME-260M-Retriever`): one encoder reads patches and words, both ways.

Its image processor needs torchvision, so the patches are cut here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from colvision.core.embedding import VectorKind
from colvision.encoders.vlm.family import Family, PageTokens, ProcessorConfig
from colvision.encoders.vlm.layouts import CheckpointLayout, Prompts, augmentation
from colvision.encoders.vlm.processing import missing_image_processor, query_prompt, read_processor_config
from colvision.errors import EncoderNotFound, WeightsMismatch

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_DOCUMENT, _IMAGE, _ROW = "<doc>", "<img>", "<row>"
_PROMPTS = Prompts(
    _DOCUMENT + _IMAGE, _IMAGE, query_prefix="<query>", query_suffix=augmentation("<mask>"), source="transformers"
)
_HALF = (0.5, 0.5, 0.5)


class _ImageSettings(NamedTuple):
    """What the checkpoint states of its pages: least and most pixels, the longest side, how it is scaled."""

    least: int
    most: int | None
    max_side: int | None
    resample: Image.Resampling
    factor: float
    mean: Sequence[float]
    std: Sequence[float]

    def byte_values(self) -> Tensor:
        """(3, 256)."""
        mean, std = (np.asarray(values, dtype=np.float32)[:, None] for values in (self.mean, self.std))
        return torch.from_numpy((np.arange(256, dtype=np.float32) * np.float32(self.factor) - mean) / std)


class NeoMME(Family):
    """A patch is 32 x 32 pixels. A page is scaled to whole patches, where the original pads it with black: so the
    grid covers the page and nothing else. A side changes by half a patch at most.
    """

    revision: ClassVar[int] = 1
    padding_side: ClassVar[Literal["left", "right"]] = "right"
    adds_special_tokens: ClassVar[bool] = False
    has_grid_positions: ClassVar[bool] = True
    layouts: ClassVar[Mapping[str, CheckpointLayout]] = {
        "neomme": CheckpointLayout(_PROMPTS, attention="bidirectional", is_turnable=False)
    }

    @staticmethod
    def model_class() -> type[PreTrainedModel]:
        try:
            from transformers import NeoMMEForRetrieval
        except ImportError as error:
            raise EncoderNotFound(
                "this transformers has no NeoMME: install a newer one (pip install -U transformers)"
            ) from error
        model_class: type[PreTrainedModel] = NeoMMEForRetrieval
        return model_class

    def __init__(self, model: PreTrainedModel, processor: ProcessorConfig) -> None:
        super().__init__(model, processor)
        if not self.prompts.page.startswith(_DOCUMENT + _IMAGE):
            raise ValueError(
                f"the page's prompt {self.prompts.page!r} must begin with {_DOCUMENT}{_IMAGE}: from there NeoMME "
                "counts rows and columns"
            )
        self._patch = model.config.patch_size
        self._images = _read_image_settings(processor.folder, self._patch)
        self.byte_values = self._images.byte_values().to(model.device, model.dtype)
        self.fitting = self._images.resample
        self.stated_patches = self._most_patches(None)
        self.max_patches = self._most_patches(processor.options.max_patches)

    def checkpoint_prompts(self, processor: ProcessorConfig) -> Prompts:
        """A query's as the checkpoint's chat template writes it."""
        return _with_template(processor.layout.prompts, self.tokenizer)

    def _most_patches(self, wanted: int | None) -> int:
        """The smallest of what is wanted, what the checkpoint states, and what fits its context beside the markers."""
        context = int(self.model.config.max_position_embeddings)
        sides = self._images.max_side // self._patch if self._images.max_side else context
        stated = self._images.most // self._patch**2 if self._images.most else context
        return max(1, min(wanted or context, stated, sides * sides, context - math.isqrt(context) - 2))

    def fitted_size(self, width: int, height: int) -> tuple[int, int]:
        """Whole patches, within the limits of pixels."""
        scale = max(1.0, math.sqrt(self._images.least / (width * height)))
        if self._images.max_side:
            scale = min(scale, self._images.max_side / max(width, height))
        scale = min(scale, math.sqrt(self.max_patches / (width * height)) * self._patch)
        rows, cols = (max(1, round(side * scale / self._patch)) for side in (height, width))
        if rows * cols > self.max_patches:  # rounded up, or a sliver that had to become a patch wide
            rows, cols = (rows, self.max_patches // rows) if rows <= cols else (self.max_patches // cols, cols)
        return max(1, cols) * self._patch, max(1, rows) * self._patch

    def count_patches(self, width: int, height: int) -> int:
        return int(width // self._patch) * int(height // self._patch)

    def process(self, image: Image.Image) -> tuple[NDArray[np.uint8], PageTokens]:
        """Pixels (height, width, 3)."""
        return np.array(image), self._page_tokens(image.height // self._patch, image.width // self._patch)

    def pixel_values(self, pages: Sequence[Tensor]) -> Tensor:
        """The patches of all pages end to end, (patches, patch * patch * 3)."""
        return self.normalise(torch.cat([self._cut(page) for page in pages]), channels=-1).flatten(1)

    def _cut(self, pixels: Tensor) -> Tensor:
        """(height, width, 3) -> (rows * cols, patch, patch, 3), row by row."""
        rows, cols = pixels.shape[0] // self._patch, pixels.shape[1] // self._patch
        parts = pixels.view(rows, self._patch, cols, self._patch, 3)
        return parts.transpose(1, 2).reshape(rows * cols, self._patch, self._patch, 3)

    def _page_tokens(self, rows: int, cols: int) -> PageTokens:
        """A marker ends each row; the first image token opens the page and is no patch."""
        kinds = np.full(rows * cols + 1, VectorKind.PATCH, dtype=np.uint8)
        kinds[0] = VectorKind.TEXT
        cells = np.arange(1, rows * cols + 1, dtype=np.int32).reshape(rows, cols)
        return PageTokens(self.prompts.page_with(_IMAGE + rows * (cols * _IMAGE + _ROW)), kinds, cells)

    def positions(self, ids: Tensor, mask: Tensor, pixels: Mapping[str, Tensor]) -> Tensor:
        """(2, b, s): row and column; the two tokens that open a page are 0 and 1 on both axes."""
        if not pixels:
            return super().positions(ids, mask, pixels)
        row_id = self.tokenizer.convert_tokens_to_ids(_ROW)
        ends = (ids == row_id).long()
        rows = ends.cumsum(dim=1) - ends  # a row's marker stands in its row
        places = torch.arange(ids.shape[1]).expand_as(ids)
        starts = torch.where(ends.bool(), places + 1, 0).cummax(dim=1).values.roll(1, dims=1)
        starts[:, 0] = 0
        cols = places - starts.clamp(min=2)
        positions = torch.stack([rows, cols]) + 2  # (2, b, s)
        positions[:, :, 0], positions[:, :, 1] = 0, 1
        return positions * mask

    def query_weight(self, tokens: int) -> float:
        return 1 / tokens  # MeanMaxSim: the mean over the query's tokens


def _with_template(defaults: Prompts, tokenizer: PreTrainedTokenizerFast) -> Prompts:
    if not tokenizer.chat_template:
        return defaults
    prefix, suffix = query_prompt(tokenizer, tokenizer.chat_template)
    return defaults.stated_by("the chat template", query_prefix=prefix, query_suffix=suffix)


def _read_image_settings(folder: Path, patch: int) -> _ImageSettings:
    file = folder / "preprocessor_config.json"
    config = read_processor_config(folder).get("image_processor") or (
        json.loads(file.read_bytes()) if file.is_file() else None
    )
    if not isinstance(config, dict):
        raise missing_image_processor(folder)
    if config.get("patch_size", patch) != patch:
        raise WeightsMismatch(
            f"the image processor in {folder} cuts patches of {config['patch_size']} pixels, the model expects "
            f"{patch}: take all files from one checkpoint"
        )
    config = {name: value for name, value in config.items() if value is not None}
    resized, scaled, centred = (config.get(f"do_{what}", True) for what in ("resize", "rescale", "normalize"))
    size = config.get("size", {}) if resized else {}
    return _ImageSettings(
        least=size.get("min_pixels") or 1,
        most=size.get("max_pixels"),
        max_side=config.get("max_side") if resized else None,
        resample=Image.Resampling(config.get("resample", Image.Resampling.BILINEAR)),
        factor=config.get("rescale_factor", 1 / 255) if scaled else 1.0,
        mean=config.get("image_mean", _HALF) if centred else (0.0, 0.0, 0.0),
        std=config.get("image_std", _HALF) if centred else (1.0, 1.0, 1.0),
    )
