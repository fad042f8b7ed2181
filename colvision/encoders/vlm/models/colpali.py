"""ColPali through transformers' own classes (Faysse et al. 2024, arXiv:2407.01449; `vidore/colpali-v1.3-hf`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colvision.core.embedding import VectorKind
from colvision.encoders.vlm.family import Family, PageTokens, ProcessorConfig
from colvision.encoders.vlm.layouts import CheckpointLayout, Prompts, augmentation
from colvision.encoders.vlm.processing import (
    PROCESSOR_FILE,
    byte_values,
    check_image_processor,
    load_image_processor,
    read_processor_config,
)

if TYPE_CHECKING:
    from PIL import Image
    from transformers import PreTrainedModel

_IMAGE = "<image>"
_DESCRIBE = "Describe the image."
# v1.2 and v1.3 were trained with these, and the versions of them for transformers state the same; colpali-engine itself
# went on to "Query: " and two <bos> in 0.3.4, and to no words before a query in 0.3.13.
_PROMPTS = Prompts(
    page=f"{_IMAGE}<bos>{_DESCRIBE}\n",
    image_token=_IMAGE,
    query_prefix="<bos>Question: ",
    query_suffix=augmentation("<pad>") + "\n",
    source="colpali-engine 0.3.3, as colpali-v1.2 and v1.3 were trained",
)
_FORMER = replace(_PROMPTS, page=f"{_IMAGE}<bos><bos>{_DESCRIBE}\n", query_prefix="<bos>Query: ")
_BOTH_WAYS = CheckpointLayout(_PROMPTS, attention="bidirectional", is_turnable=False)
_RENAMES = (
    (r"^custom_text_proj\.", "embedding_proj_layer."),
    (r"^(?:model\.)?language_model\.model\.", "vlm.language_model."),
    (r"^(?:model\.)?language_model\.lm_head\.", "lm_head."),
    (r"^(?:model\.){0,2}(language_model|vision_tower|multi_modal_projector)\.", r"vlm.\1."),
)


class ColPali(Family):
    """Every page is squashed to one square, its grid always the same (32 x 32 in the published checkpoints)."""

    revision: ClassVar[int] = 1
    unused_weights: ClassVar[frozenset[str]] = frozenset({"vlm.lm_head.weight", "lm_head.weight"})
    exported_processor: ClassVar[str | None] = "PaliGemmaProcessor"
    padding_side: ClassVar[Literal["left", "right"]] = "right"
    adds_special_tokens: ClassVar[bool] = False
    query_start: ClassVar[str] = "<bos>"
    layouts: ClassVar[Mapping[str, CheckpointLayout]] = {
        "colpali": _BOTH_WAYS,
        "paligemma": replace(_BOTH_WAYS, renames=_RENAMES, former_prompts=_FORMER),
    }

    @staticmethod
    def model_class() -> type[PreTrainedModel]:
        from transformers import ColPaliForRetrieval

        model_class: type[PreTrainedModel] = ColPaliForRetrieval
        return model_class

    def __init__(self, model: PreTrainedModel, processor: ProcessorConfig) -> None:
        from transformers import SiglipImageProcessorPil

        super().__init__(model, processor)
        self.image_processor = load_image_processor(SiglipImageProcessorPil, processor.folder)
        vision = model.config.vlm_config.vision_config
        side = vision.image_size // vision.patch_size
        self.byte_values = byte_values(self.image_processor, model)
        self._side = vision.image_size
        self._cells = np.arange(side * side, dtype=np.int32).reshape(side, side)
        self.stated_patches = self.max_patches = self._cells.size
        self.image_processor.image_seq_length = self.max_patches  # transformers' own processor asks it for that
        expected = {"height": vision.image_size, "width": vision.image_size}
        check_image_processor(processor.folder, dict(self.image_processor.size), expected)
        wanted = processor.options.max_patches
        if wanted not in (None, self.max_patches):
            raise ValueError(f"max_patches is {wanted}; ColPali has one resolution, {self.max_patches} patches a page")

    def template_prompts(self, processor: ProcessorConfig) -> Prompts:
        """PaliGemma's processor puts <bos> after the image that a chat template writes, and ends the line."""
        prompts = super().template_prompts(processor)
        before, image, after = prompts.page.partition(_IMAGE)
        return prompts.stated_by("the chat template", page=f"{before}{image}<bos>{after}\n")

    def template_page(self) -> str:
        before, image, after = self.prompts.page.partition(_IMAGE)
        if not after.startswith("<bos>") or not after.endswith("\n"):
            raise ValueError(
                f"the page's prompt {self.prompts.page!r} cannot be exported: PaliGemma's processor writes <bos> after "
                "the image, and ends the line"
            )
        return before + image + after.removeprefix("<bos>").removesuffix("\n")

    def checkpoint_prompts(self, processor: ProcessorConfig) -> Prompts:
        """ColPali's processor states the words alone, and sets image, <bos> and the line's end by itself."""
        defaults, config = processor.layout.prompts, read_processor_config(processor.folder)
        page, prefix = config.get("visual_prompt_prefix"), config.get("query_prefix")
        return defaults.stated_by(
            PROCESSOR_FILE,
            page=f"{_IMAGE}<bos>{page}\n" if isinstance(page, str) else None,
            query_prefix=self.query_start + prefix if isinstance(prefix, str) else None,
        )

    def fitted_size(self, width: int, height: int) -> tuple[int, int]:
        """Of a few pixels only, it is enlarged: the processor takes the rows of such an image for colour channels."""
        return max(width, 8), max(height, 8)

    def count_patches(self, width: int, height: int) -> int:
        return int(self._cells.size)

    def process(self, image: Image.Image) -> tuple[NDArray[np.uint8], PageTokens]:
        """Pixels (side, side, 3)."""
        pixels = np.array(image.resize((self._side, self._side), self.image_processor.resample))
        kinds = np.full(self._cells.size, VectorKind.PATCH, dtype=np.uint8)
        return pixels, PageTokens(self.prompts.page_with(self._cells.size * _IMAGE), kinds, self._cells)

    def pixel_values(self, pages: Sequence[Tensor]) -> Tensor:
        """(b, 3, side, side)."""
        return self.normalise(torch.stack(list(pages)).permute(0, 3, 1, 2), channels=1)

    def positions(self, ids: Tensor, mask: Tensor, pixels: Mapping[str, Tensor]) -> Tensor:
        return mask.cumsum(dim=1)  # PaliGemma counts from 1

    def inputs(self, ids: Tensor, mask: Tensor, pixels: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """All tokens of a page or a query see each other, as in training: token types say that all is prefix.

        Some versions of transformers read that from here, others from the configuration.
        """
        return {**super().inputs(ids, mask, pixels), "token_type_ids": torch.zeros_like(ids)}
