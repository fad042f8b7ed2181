"""NeoMME (H Company, 2026; `Hcompany/NeoMME-260M-Retriever`): one encoder reads patches and words, both ways.

Its image processor needs torchvision, so the patches are cut here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from colvision.core.embedding import Kind
from colvision.encoders.vlm.family import Family, PageTokens, ProcessorConfig
from colvision.encoders.vlm.layouts import CheckpointLayout, Prompts, augmentation
from colvision.encoders.vlm.processing import lacks_image_processor, stated
from colvision.errors import EncoderNotFound, WeightsMismatch

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_DOCUMENT, _IMAGE, _ROW = "<doc>", "<img>", "<row>"
_PROMPTS = Prompts(_DOCUMENT + _IMAGE, _IMAGE, query_prefix="<query>", query_suffix=augmentation("<mask>"))
_HALF = (0.5, 0.5, 0.5)
_ASKED = "\N{OBJECT REPLACEMENT CHARACTER}"  # stands for the query while its prompt is read from the chat template


class _Pictures(NamedTuple):
    """What the checkpoint says of its pages: least and most pixels, the longest side, how it is scaled."""

    least: int
    most: int | None
    max_side: int | None
    resample: Image.Resampling
    factor: float
    mean: Sequence[float]
    std: Sequence[float]


class NeoMME(Family):
    """A patch is 32 x 32 pixels. A page is scaled to whole patches, where the original pads it with black: so the
    grid covers the page and nothing else. A side changes by half a patch at most.
    """

    revision: ClassVar[int] = 1
    padding_side: ClassVar[Literal["left", "right"]] = "right"
    adds_special_tokens: ClassVar[bool] = False
    has_grid_positions: ClassVar[bool] = True
    layouts: ClassVar[Mapping[str, CheckpointLayout]] = {"neomme": CheckpointLayout(_PROMPTS)}

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

    def __init__(self, model: PreTrainedModel, source: ProcessorConfig) -> None:
        super().__init__(model, source)
        self._patch = model.config.patch_size
        self._pictures = _read_pictures(source.folder, self._patch)
        self.max_patches = self._most_patches(source.max_patches)

    def checkpoint_prompts(self, source: ProcessorConfig) -> Prompts:
        """A query's as the checkpoint's chat template writes it."""
        return _with_template(source.layout.prompts, self.tokenizer)

    def _most_patches(self, asked: int | None) -> int:
        """The smallest of what was asked, what the checkpoint says, and what fits its context beside the markers."""
        context = int(self.model.config.max_position_embeddings)
        sides = self._pictures.max_side // self._patch if self._pictures.max_side else context
        stated = self._pictures.most // self._patch**2 if self._pictures.most else context
        return max(1, min(asked or context, stated, sides * sides, context - math.isqrt(context) - 2))

    def fit(self, image: Image.Image) -> Image.Image:
        """RGB, whole patches, within the limits of pixels."""
        width, height = image.size
        scale = max(1.0, math.sqrt(self._pictures.least / (width * height)))
        if self._pictures.max_side:
            scale = min(scale, self._pictures.max_side / max(width, height))
        scale = min(scale, math.sqrt(self.max_patches / (width * height)) * self._patch)
        rows, cols = (max(1, round(side * scale / self._patch)) for side in (height, width))
        if rows * cols > self.max_patches:  # rounded up, or a sliver that had to become a patch wide
            rows, cols = (rows, self.max_patches // rows) if rows <= cols else (self.max_patches // cols, cols)
        size = (max(1, cols) * self._patch, max(1, rows) * self._patch)
        return image.convert("RGB").resize(size, self._pictures.resample)

    def patches(self, image: Image.Image) -> int:
        return int(image.width // self._patch) * int(image.height // self._patch)

    def process_images(self, images: Sequence[Image.Image]) -> tuple[Mapping[str, Tensor], Sequence[PageTokens]]:
        """`pixel_values`: the patches of all pages end to end, (patches, patch * patch * 3)."""
        cut = [self._cut(np.asarray(image, dtype=np.float32)) for image in images]
        grids = [(image.height // self._patch, image.width // self._patch) for image in images]
        return {"pixel_values": torch.from_numpy(np.concatenate(cut))}, [self._page_tokens(*grid) for grid in grids]

    def _cut(self, pixels: np.ndarray) -> np.ndarray:
        """(height, width, 3) of 0..255 -> (rows * cols, patch * patch * 3), row by row."""
        mean, std = (np.asarray(values, dtype=np.float32) for values in (self._pictures.mean, self._pictures.std))
        scaled = (pixels * np.float32(self._pictures.factor) - mean) / std
        rows, cols = pixels.shape[0] // self._patch, pixels.shape[1] // self._patch
        parts = scaled.reshape(rows, self._patch, cols, self._patch, 3).transpose(0, 2, 1, 3, 4)
        return np.ascontiguousarray(parts.reshape(rows * cols, -1), dtype=np.float32)

    def _page_tokens(self, rows: int, cols: int) -> PageTokens:
        """A marker ends each row; the first image token opens the page and is no patch."""
        kinds = np.full(rows * cols + 1, Kind.PATCH, dtype=np.uint8)
        kinds[0] = Kind.TEXT
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


def _with_template(usual: Prompts, tokenizer: PreTrainedTokenizerFast) -> Prompts:
    if not tokenizer.chat_template:
        return usual
    asked = [{"role": "user", "content": [{"type": "text", "text": _ASKED}]}]
    text: str = tokenizer.apply_chat_template(asked, tokenize=False, task="query")
    if text.count(_ASKED) != 1:
        raise WeightsMismatch(f"the checkpoint's chat template writes a query as {text!r}: expected the query once")
    prefix, _, suffix = text.partition(_ASKED)
    return replace(usual, query_prefix=prefix, query_suffix=suffix)


def _read_pictures(folder: Path, patch: int) -> _Pictures:
    file = folder / "preprocessor_config.json"
    said = stated(folder).get("image_processor") or (json.loads(file.read_bytes()) if file.is_file() else None)
    if not isinstance(said, dict):
        raise EncoderNotFound(lacks_image_processor(folder))
    if said.get("patch_size", patch) != patch:
        raise WeightsMismatch(
            f"the image processor in {folder} cuts patches of {said['patch_size']} pixels, the model expects {patch}: "
            "take all files from one checkpoint"
        )
    said = {name: value for name, value in said.items() if value is not None}
    resized, scaled, centred = (said.get(f"do_{what}", True) for what in ("resize", "rescale", "normalize"))
    size = said.get("size", {}) if resized else {}
    return _Pictures(
        least=size.get("min_pixels") or 1,
        most=size.get("max_pixels"),
        max_side=said.get("max_side") if resized else None,
        resample=Image.Resampling(said.get("resample", Image.Resampling.BILINEAR)),
        factor=said.get("rescale_factor", 1 / 255) if scaled else 1.0,
        mean=said.get("image_mean", _HALF) if centred else (0.0, 0.0, 0.0),
        std=said.get("image_std", _HALF) if centred else (1.0, 1.0, 1.0),
    )
