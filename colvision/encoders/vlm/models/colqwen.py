"""ColQwen2, ColQwen2.5, ColQwen3 and ColQwen3.5 (Faysse et al. 2024, arXiv:2407.01449; `vidore/colqwen2-v1.0-hf`).

ColQwen2 and 2.5 run in transformers' own retrieval class, the others in ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colvision.core.embedding import VectorKind
from colvision.encoders.vlm.family import Family, PageTokens, ProcessorConfig
from colvision.encoders.vlm.layouts import CheckpointLayout, Prompts, augmentation
from colvision.encoders.vlm.processing import byte_values, check_image_processor, load_image_processor
from colvision.encoders.vlm.resolution import patch_limit

if TYPE_CHECKING:
    from PIL import Image
    from transformers import PreTrainedModel

_MOST_ELONGATED = 200  # long side / short side: the processor refuses more
_FEWEST_PATCHES = 8  # what the processor enlarges a page of a few pixels to, whatever its shape

_IMAGE = "<|image_pad|>"
_PAGE = f"<|im_start|>user\n<|vision_start|>{_IMAGE}<|vision_end|>Describe the image.<|im_end|><|endoftext|>"
_AUGMENTATION = augmentation("<|endoftext|>")
# Stored by colpali-engine: the language model at `model.` (transformers 4), the parts beside each other (5); by Tomoro:
# the whole plain model at `vlm.`.
_RENAMES = (
    (r"^custom_text_proj\.", "embedding_proj_layer."),
    (r"^(?:vlm\.)?model\.(language_model|visual)\.", r"vlm.\1."),
    (r"^model\.(layers|embed_tokens|norm)\.", r"vlm.language_model.\1."),
    (r"^(language_model|visual)\.", r"vlm.\1."),
)


class _ColQwen(Family):
    """A patch is a square of pixels of the page scaled to at most `max_patches`; the grid follows the page's shape."""

    revision: ClassVar[int] = 1
    unused_weights: ClassVar[frozenset[str]] = frozenset({"vlm.lm_head.weight", "lm_head.weight"})
    supports_flash_attention: ClassVar[bool] = True
    has_grid_positions: ClassVar[bool] = True
    has_pixel_limits: ClassVar[bool] = True
    exported_processor: ClassVar[str | None] = "Qwen2VLProcessor"

    def __init__(self, model: PreTrainedModel, processor: ProcessorConfig) -> None:
        from transformers import Qwen2VLImageProcessorPil

        super().__init__(model, processor)
        self.image_processor = load_image_processor(Qwen2VLImageProcessorPil, processor.folder, processor.pixels)
        self.byte_values = byte_values(self.image_processor, model)
        vision = model.config.vlm_config.vision_config
        expected = {name: getattr(vision, name) for name in ("patch_size", "temporal_patch_size")}
        expected["merge_size"] = vision.spatial_merge_size
        check_image_processor(processor.folder, vars(self.image_processor), expected)
        self._merge = self.image_processor.merge_size
        self._cell = self.image_processor.patch_size * self._merge  # pixels
        self.stated_patches = self.image_processor.size["longest_edge"] // self._cell**2
        self.max_patches = patch_limit(self, self.stated_patches, processor.options).patches
        if self.max_patches != self.stated_patches:
            self._limit(self.max_patches)

    def _limit(self, max_patches: int) -> None:
        if max_patches < _FEWEST_PATCHES:
            raise ValueError(f"max_patches is {max_patches}; ColQwen needs at least {_FEWEST_PATCHES}")
        shortest = min(self.image_processor.size["shortest_edge"], max_patches * self._cell**2)
        self.image_processor.size = {"shortest_edge": shortest, "longest_edge": max_patches * self._cell**2}

    def fitted_size(self, width: int, height: int) -> tuple[int, int]:
        """Stretched if it is a sliver or only a few pixels large.

        The processor refuses the one, and takes the rows of the other (1 or 3 pixels high) for colour channels.
        """
        longest = max(width, height)
        elongated = min(_MOST_ELONGATED, self.max_patches)
        if min(width, height) >= max(self._cell, longest / elongated):
            return width, height
        longest = _within(longest, self._cell, self._cell * self.max_patches)
        shortest = max(self._cell, math.ceil(longest / elongated))
        return _within(width, shortest, longest), _within(height, shortest, longest)

    def count_patches(self, width: int, height: int) -> int:
        patches: int = self.image_processor.get_number_of_image_patches(height, width)
        return patches // int(self._merge) ** 2

    def process(self, image: Image.Image) -> tuple[NDArray[np.uint8], PageTokens]:
        """Pixels (height, width, 3), whole patches on both sides."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        size = self.image_processor.size
        height, width = smart_resize(image.height, image.width, self._cell, size["shortest_edge"], size["longest_edge"])
        pixels = np.array(image.resize((width, height), self.image_processor.resample))
        rows, cols = height // self._cell, width // self._cell
        cells = np.arange(rows * cols, dtype=np.int32).reshape(rows, cols)
        text = self.prompts.page_with(rows * cols * self.prompts.image_token)
        return pixels, PageTokens(text, np.full(rows * cols, VectorKind.PATCH, dtype=np.uint8), cells)

    def pixel_values(self, pages: Sequence[Tensor]) -> Tensor:
        """(squares of all pages, 3 * times * side * side): squares of pixels, the four of a patch beside each other."""
        return self._films(pages).flatten(1)

    def _films(self, pages: Sequence[Tensor]) -> Tensor:
        """(squares, 3, times, side, side), a view: a picture is a film of equal frames."""
        squares = self.normalise(torch.cat([self._squares(page) for page in pages]), channels=1)
        return squares.unsqueeze(2).expand(-1, -1, self.image_processor.temporal_patch_size, -1, -1)

    def _squares(self, pixels: Tensor) -> Tensor:
        """(height, width, 3) -> (squares, 3, side, side)."""
        merge, side = self._merge, self.image_processor.patch_size
        rows, cols = pixels.shape[0] // self._cell, pixels.shape[1] // self._cell
        parts = pixels.view(rows, merge, side, cols, merge, side, 3)
        return parts.permute(0, 3, 1, 4, 6, 2, 5).reshape(-1, 3, side, side)

    def inputs(self, ids: Tensor, mask: Tensor, pixels: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if pixels:
            sides = pixels["shapes"][:, :2] // self.image_processor.patch_size  # (b, 2) squares
            pixels = {**pixels, "image_grid_thw": torch.nn.functional.pad(sides, (1, 0), value=1)}
        return super().inputs(ids, mask, pixels)

    def positions(self, ids: Tensor, mask: Tensor, pixels: Mapping[str, Tensor]) -> Tensor:
        """Patches have positions in three axes (time, row, column: M-RoPE, arXiv:2409.12191): (3, b, s)."""
        if not pixels:
            return super().positions(ids, mask, pixels)
        positions: Tensor = self.model.vlm.get_rope_index(
            ids,
            mm_token_type_ids=(ids == self.image_token_id).int(),
            image_grid_thw=pixels["image_grid_thw"],
            attention_mask=mask,
        )[0]
        return positions


class ColQwen2(_ColQwen):
    """ColQwen2 and ColQwen2.5: 28 x 28 pixels a patch.

    The forward pass of `ColQwen2ForRetrieval` in transformers 5 counts a page's tokens in a line unless it is given
    positions; and it takes the pixels of each page by itself, padded.
    """

    trained_patches: int | None = 768  # colpali-engine 0.3.1 to 0.3.8 set it in its code
    _hub = Prompts(_PAGE, _IMAGE, query_prefix="Query: ", query_suffix=_AUGMENTATION + "\n", source="transformers")
    # As trained; the port to transformers added the line's end.
    _engine = replace(_hub, query_suffix=_AUGMENTATION, source="colpali-engine 0.3.4 to 0.3.12")
    layouts: ClassVar[Mapping[str, CheckpointLayout]] = {
        "colqwen2": CheckpointLayout(_hub),
        "qwen2_vl": CheckpointLayout(_engine, _RENAMES),
        "qwen2_5_vl": CheckpointLayout(_engine, _RENAMES),
    }

    @staticmethod
    def model_class() -> type[PreTrainedModel]:
        from transformers import ColQwen2ForRetrieval

        model_class: type[PreTrainedModel] = ColQwen2ForRetrieval
        return model_class

    def pixel_values(self, pages: Sequence[Tensor]) -> Tensor:
        """(b, squares of the largest page, 3 * times * side * side)."""
        squares = [page.shape[0] * page.shape[1] // self.image_processor.patch_size**2 for page in pages]
        alone = torch.split(self._films(pages), squares)
        return torch.nn.utils.rnn.pad_sequence(list(alone), batch_first=True).flatten(2)


class ColQwen3(_ColQwen):
    """ColQwen3 and ColQwen3.5: 32 x 32 pixels a patch, no query prefix; run in our own class."""

    trained_patches: int | None = 1280  # Tomoro's; EVIE's authors take 1,024, mteb's wrapper of ColQwen3.5 1,792
    exported_processor: ClassVar[str | None] = "Qwen3VLProcessor"
    _prompts = Prompts(_PAGE, _IMAGE, query_prefix="", query_suffix=_AUGMENTATION, source="colpali-engine 0.3.18")
    layouts: ClassVar[Mapping[str, CheckpointLayout]] = {
        "qwen3_vl": CheckpointLayout(_prompts, _RENAMES),
        "colqwen3": CheckpointLayout(_prompts, _RENAMES, backbone="qwen3_vl"),
        "qwen3_5": CheckpointLayout(_prompts, _RENAMES, attention="bidirectional"),
    }

    @staticmethod
    def model_class() -> type[PreTrainedModel]:
        from colvision.encoders.vlm.late_interaction import LateInteraction

        return LateInteraction


def _within(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)
