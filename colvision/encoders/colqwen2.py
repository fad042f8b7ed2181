"""ColQwen2 through transformers' own classes (Faysse et al. 2024, arXiv:2407.01449; `vidore/colqwen2-v1.0-hf`)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from PIL import Image
from torch import Tensor

from colvision.embedding import Kind, PatchGrid
from colvision.encoders.family import Family, PageBatch
from colvision.errors import EncoderNotFound, WeightsMismatch

if TYPE_CHECKING:
    from transformers import ColQwen2ForRetrieval, ColQwen2Processor, PreTrainedModel

_MOST_ELONGATED = 200  # long side / short side: the processor refuses more
# Without these Qwen2's tokenizer class makes itself an empty vocabulary, and says nothing.
_TOKENIZER_FILES = (("tokenizer.json",), ("vocab.json", "merges.txt"))
_FEWEST_PATCHES = 8  # what the processor enlarges a page of a few pixels to, whatever its shape


class ColQwen2(Family):
    """A patch is 28 x 28 pixels of the page scaled to at most `max_patches`; the grid follows the page's shape."""

    revision: ClassVar[int] = 1
    unused_weights: ClassVar[frozenset[str]] = frozenset({"vlm.lm_head.weight"})  # of layouts that kept the whole VLM

    @staticmethod
    def model_class() -> type[PreTrainedModel]:
        from transformers import ColQwen2ForRetrieval

        model_class: type[PreTrainedModel] = ColQwen2ForRetrieval
        return model_class

    def __init__(self, model: ColQwen2ForRetrieval, folder: Path, max_patches: int | None) -> None:
        self.model = model
        self.processor = _load_processor(folder, max_patches)
        self.tokenizer = self.processor.tokenizer
        self.dim = model.config.embedding_dim
        self.page_prompt = self.processor.visual_prompt_prefix
        self.query_prefix = self.processor.query_prefix
        self.query_suffix = 10 * self.processor.query_augmentation_token + "\n"
        pictures = self.processor.image_processor
        self._cell = pictures.patch_size * pictures.merge_size  # pixels
        self._merge = pictures.merge_size
        self.max_patches = pictures.size["longest_edge"] // self._cell**2
        self._image_token = model.config.vlm_config.image_token_id
        if (
            self._image_token != self.processor.image_token_id
            or len(self.tokenizer) > model.config.vlm_config.vocab_size
        ):
            raise WeightsMismatch(
                f"the tokenizer in {folder} is not this model's: its {self.processor.image_token} is "
                f"{self.processor.image_token_id} of {len(self.tokenizer)} tokens, the model expects "
                f"{self._image_token} of {model.config.vlm_config.vocab_size}: take all files from one checkpoint"
            )

    def fit(self, image: Image.Image) -> Image.Image:
        """RGB, stretched if it is a sliver or only a few pixels large.

        The processor refuses the one, and takes the rows of the other (1 or 3 pixels high) for colour channels.
        """
        image = image.convert("RGB")
        width, height = image.size
        longest = max(width, height)
        elongated = min(_MOST_ELONGATED, self.max_patches)
        if min(width, height) >= max(self._cell, longest / elongated):
            return image
        longest = _within(longest, self._cell, self._cell * self.max_patches)
        shortest = max(self._cell, math.ceil(longest / elongated))
        return image.resize((_within(width, shortest, longest), _within(height, shortest, longest)))

    def patches(self, image: Image.Image) -> int:
        patches: int = self.processor.image_processor.get_number_of_image_patches(image.height, image.width)
        return patches // int(self._merge) ** 2

    def page_batch(self, images: Sequence[Image.Image]) -> PageBatch:
        """Pages with the positions that the model was trained with.

        Patches have positions in three axes (time, row, column: M-RoPE, arXiv:2409.12191). The forward pass of
        `ColQwen2ForRetrieval` in transformers 5 counts tokens in a line unless it is given them.
        """
        made = self.processor(images=list(images), return_tensors="pt")
        ids, mask, grid_thw = made["input_ids"], made["attention_mask"], made["image_grid_thw"]
        is_patch = ids == self._image_token  # (b, s)
        positions, _ = self.model.vlm.get_rope_index(
            ids, mm_token_type_ids=is_patch.int(), image_grid_thw=grid_thw, attention_mask=mask
        )  # (3, b, s)
        grids, kinds = [], []
        for row, real, (_, rows, cols) in zip(is_patch, mask.bool(), (grid_thw // self._merge).tolist(), strict=True):
            patch = row[real].numpy()  # (n,)
            grids.append(PatchGrid(np.flatnonzero(patch).astype(np.int32).reshape(rows, cols)))
            kinds.append(np.where(patch, Kind.PATCH, Kind.TEXT).astype(np.uint8))
        return PageBatch({**made, "position_ids": positions}, grids, kinds)

    def query_inputs(self, ids: Tensor, mask: Tensor) -> Mapping[str, Tensor]:
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)  # (b, s) from 0 at the first real token; alike in all axes
        return {"input_ids": ids, "attention_mask": mask, "position_ids": positions}


def _load_processor(folder: Path, max_patches: int | None) -> ColQwen2Processor:
    """The checkpoint's processor, put together from its parts.

    `from_pretrained` of the whole scales pages with torchvision where that is installed, and with PIL elsewhere: the
    same checkpoint would have other vectors from one machine to the next.
    """
    from transformers import AutoTokenizer, ColQwen2Processor, Qwen2VLImageProcessorPil

    if not any(all((folder / name).is_file() for name in names) for names in _TOKENIZER_FILES):
        raise EncoderNotFound(f"{folder} lacks its tokenizer: copy tokenizer.json there from the checkpoint")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    try:
        pictures = Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)
    except OSError as error:
        raise EncoderNotFound(
            f"{folder} lacks its image processor: copy preprocessor_config.json (or processor_config.json, where that "
            "holds it) there from the checkpoint"
        ) from error
    if max_patches is not None:
        if max_patches < _FEWEST_PATCHES:
            raise ValueError(f"max_patches is {max_patches}; ColQwen2 needs at least {_FEWEST_PATCHES}")
        pixels = max_patches * (pictures.patch_size * pictures.merge_size) ** 2
        pictures.size = {"shortest_edge": pictures.size["shortest_edge"], "longest_edge": pixels}
    file = folder / "processor_config.json"
    prompts = json.loads(file.read_bytes()) if file.is_file() else {}
    return ColQwen2Processor(
        image_processor=pictures,
        tokenizer=tokenizer,
        visual_prompt_prefix=prompts.get("visual_prompt_prefix"),
        query_prefix=prompts.get("query_prefix"),
    )


def _within(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)
