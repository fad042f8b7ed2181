"""Encoders that see a page as square tiles and, last, as a whole: ColSmol (Idefics3, SmolVLM), ColModernVBERT and
ColUltraVBERT.

ColSmol: `vidore/colSmol-256M`. ColModernVBERT: Teiletche et al. 2025, arXiv:2510.01149.
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

from colvision.core.embedding import Ints, VectorKind
from colvision.encoders.vlm.checkpoint import Checkpoint
from colvision.encoders.vlm.family import Family, PageTokens, ProcessorConfig
from colvision.encoders.vlm.layouts import CheckpointLayout, Prompts, augmentation
from colvision.encoders.vlm.processing import byte_values, check_image_processor, load_image_processor
from colvision.errors import EncoderNotFound

if TYPE_CHECKING:
    from PIL import Image
    from transformers import PreTrainedModel

_IMAGE, _AROUND, _GLOBAL = "<image>", "<fake_token_around_image>", "<global-img>"
_SHORTEST = 32  # pixels: the processor takes the rows of an image 1 or 3 pixels high for colour channels
_MOST_ELONGATED = 16  # long side / short side; longer slivers would leave a tile's side without a pixel
_ULTRAVBERT_TILES = 27  # of a page, where its image processor's file says no other number
_PARTS = "text_model|vision_model|connector"


class _TiledFamily(Family):
    """The page is scaled and stretched to whole tiles; each becomes s x s tokens, and so does the page as a whole.

    The grid is that of the tiles. The view of the whole page has no place on it, unless it is the only one.
    """

    revision: ClassVar[int] = 1
    unused_weights: ClassVar[frozenset[str]] = frozenset({"lm_head.weight"})
    exported_processor: ClassVar[str | None] = "Idefics3Processor"

    def __init__(self, model: PreTrainedModel, processor: ProcessorConfig) -> None:
        from transformers import Idefics3ImageProcessorPil

        super().__init__(model, processor)
        self.image_processor = load_image_processor(Idefics3ImageProcessorPil, processor.folder)
        self.byte_values = byte_values(self.image_processor, model)
        config = model.config.vlm_config
        shuffle = config.pixel_shuffle_factor if hasattr(config, "pixel_shuffle_factor") else config.scale_factor
        self._side = config.vision_config.image_size // config.vision_config.patch_size // shuffle  # tokens of a tile
        self._tile = config.vision_config.image_size  # pixels
        tile = {"longest_edge": self._tile}
        check_image_processor(
            processor.folder, {"max_image_size": dict(self.image_processor.max_image_size)}, {"max_image_size": tile}
        )
        self.stated_patches = self._most_patches()
        if processor.options.max_patches is not None:
            self._limit(processor.options.max_patches)
        self.max_patches = self._most_patches()

    def _most_patches(self) -> int:
        tiles = math.ceil(self.image_processor.size["longest_edge"] / self._tile)
        return int((tiles * tiles if tiles > 1 else 1) * self._side**2)

    def _limit(self, max_patches: int) -> None:
        """As many tiles a side as a square page may have."""
        if max_patches < self._side**2:
            raise ValueError(f"max_patches is {max_patches}; a tile alone is {self._side**2}")
        tiles = math.isqrt(max_patches // self._side**2)
        longest = min(self.image_processor.size["longest_edge"], tiles * self._tile)
        self.image_processor.size = {"longest_edge": longest}

    def tokens_of_a_view(self) -> int | None:
        return int(self._side) ** 2

    def fitted_size(self, width: int, height: int) -> tuple[int, int]:
        """Stretched if it is a sliver or only a few pixels large."""
        shortest = max(_SHORTEST, math.ceil(max(width, height) / _MOST_ELONGATED))
        return max(width, shortest), max(height, shortest)

    def count_patches(self, width: int, height: int) -> int:
        _, rows, cols = self._tiles(width, height)
        return (rows * cols + 1) * int(self._side) ** 2

    def process(self, image: Image.Image) -> tuple[NDArray[np.uint8], PageTokens]:
        """Pixels (tiles and the whole page, tile, tile, 3)."""
        resample, tile = self.image_processor.resample, self._tile
        size, rows, cols = self._tiles(*image.size)
        page = image.resize(size, resample)
        if rows == 0:
            tiles = np.zeros((0, tile, tile, 3), dtype=np.uint8)
        else:
            page = page.resize((cols * tile, rows * tile), resample)
            tiles = np.array(page).reshape(rows, tile, cols, tile, 3).swapaxes(1, 2).reshape(-1, tile, tile, 3)
        whole = np.array(page.resize((tile, tile), resample))
        return np.concatenate([tiles, whole[None]]), self._page_tokens(rows, cols)

    def _tiles(self, width: int, height: int) -> tuple[tuple[int, int], int, int]:
        """The size (width, height) that a page is scaled to, then stretched to so many rows and columns of tiles; no
        row and no column where it is the only view.
        """
        size, rows, cols = _tile_grid(width, height, self._longest_edge(width, height), self._tile)
        is_cut = self.image_processor.do_image_splitting and rows * cols > 1
        return (size, rows, cols) if is_cut else (size, 0, 0)

    def _longest_edge(self, width: int, height: int) -> int:
        """Pixels that the longer side of a page is scaled to."""
        return int(self.image_processor.size["longest_edge"])

    def pixel_values(self, pages: Sequence[Tensor]) -> Tensor:
        """(b, most tiles, 3, tile, tile); those that a page lacks are zero, which the model leaves out."""
        tiles = self.normalise(torch.cat(list(pages)).permute(0, 3, 1, 2), channels=1)
        return torch.nn.utils.rnn.pad_sequence(
            list(torch.split(tiles, [len(page) for page in pages])), batch_first=True
        )

    def _page_tokens(self, rows: int, cols: int) -> PageTokens:
        """`rows` x `cols` tiles; none of them means that the whole page is the only view."""
        tokens = self._side**2
        view = f"{_AROUND}{_GLOBAL}{tokens * _IMAGE}{_AROUND}"
        if rows == 0:
            kinds = np.full(tokens, VectorKind.PATCH, dtype=np.uint8)
            return PageTokens(self.prompts.page_with(view), kinds, _grid_of_tiles(1, 1, self._side))
        lines = [
            "".join(f"{_AROUND}<row_{row}_col_{col}>{tokens * _IMAGE}" for col in range(1, cols + 1))
            for row in range(1, rows + 1)
        ]
        text = self.prompts.page_with("\n".join([*lines, "", view]))
        kinds = np.full((rows * cols + 1) * tokens, VectorKind.PATCH, dtype=np.uint8)
        kinds[-tokens:] = VectorKind.GLOBAL
        return PageTokens(text, kinds, _grid_of_tiles(rows, cols, self._side))


class ColIdefics3(_TiledFamily):
    """ColSmol. Published in January 2025 with the chat template of its base: the words of a page come before it."""

    supports_flash_attention: ClassVar[bool] = True
    _renames = (
        (r"^(?:linear|custom_text_proj)\.", "embedding_proj_layer."),
        (rf"^(?:model\.)?({_PARTS})\.", r"vlm.\1."),
    )
    _prompts = Prompts(
        page=f"<|im_start|>User: Describe the image.{_IMAGE}<end_of_utterance>",
        image_token=_IMAGE,
        query_prefix="Query: ",
        query_suffix=augmentation("<end_of_utterance>") + "\n",
        source="colpali-engine 0.3.8, as colSmol was published",
    )
    _former = replace(_prompts, page=f"<|im_start|>user\n{_IMAGE}Describe the image.<end_of_utterance>")
    _layout = CheckpointLayout(_prompts, _renames, former_prompts=_former)
    layouts: ClassVar[Mapping[str, CheckpointLayout]] = {"idefics3": _layout, "smolvlm": _layout}

    @staticmethod
    def model_class() -> type[PreTrainedModel]:
        from colvision.encoders.vlm.late_interaction import LateInteraction

        return LateInteraction


class ColModernVBert(_TiledFamily):
    """Its language model reads both ways and is small enough for a patient CPU."""

    _prompts = Prompts(
        page=f"<|begin_of_text|>User:{_IMAGE}Describe the image.<end_of_utterance>\nAssistant:",
        image_token=_IMAGE,
        query_prefix="",
        query_suffix=augmentation("<end_of_utterance>"),
        source="transformers, as colmodernvbert was trained",
    )
    _renames = (
        (r"^(?:model\.)?custom_text_proj\.", "embedding_proj_layer."),
        (rf"^(?:model\.)?({_PARTS})\.", r"vlm.\1."),
    )
    _native = CheckpointLayout(_prompts, attention="bidirectional", is_turnable=False)
    layouts: ClassVar[Mapping[str, CheckpointLayout]] = {
        "colmodernvbert": _native,
        "modernvbert": replace(_native, renames=_renames, backbone="modernvbert"),
    }

    @classmethod
    def layout(cls, checkpoint: Checkpoint) -> CheckpointLayout:
        """Earlier revisions of the merged checkpoint state the retrieval model's type and the plain model's fields."""
        is_native = "vlm_config" in checkpoint.config()
        return cls.layouts["colmodernvbert" if is_native else "modernvbert"]

    @staticmethod
    def model_class() -> type[PreTrainedModel]:
        from transformers import ColModernVBertForRetrieval

        model_class: type[PreTrainedModel] = ColModernVBertForRetrieval
        return model_class


class ColUltraVBert(_TiledFamily):
    """As ColModernVBERT, on UltraBERT, which reads both ways, too; of at most `max_image_tiles` tiles a page: one that
    would have more is scaled to a tile less, until it has not.

    The image processor of transformers needs torchvision: this is Idefics3's, given the longest side of each page.
    """

    exported_images: ClassVar[str | None] = "UltraVBertImageProcessor"
    _unstated = Prompts(_IMAGE, _IMAGE, query_prefix="", query_suffix="", source="none")
    _renames = ((rf"^(?:model\.)?({_PARTS})\.", r"vlm.\1."),)
    _layout = CheckpointLayout(_unstated, _renames, attention="bidirectional", is_turnable=False)
    layouts: ClassVar[Mapping[str, CheckpointLayout]] = {"ultravbert": _layout}

    @staticmethod
    def model_class() -> type[PreTrainedModel]:
        from colvision.encoders.vlm.late_interaction import LateInteraction

        return LateInteraction

    @property
    def _most_tiles(self) -> int:
        return int(getattr(self.image_processor, "max_image_tiles", _ULTRAVBERT_TILES))

    def _most_patches(self) -> int:
        return int(min(super()._most_patches(), self._most_tiles * self._side**2))

    def checkpoint_prompts(self, processor: ProcessorConfig) -> Prompts:
        raise EncoderNotFound(
            f"{processor.folder} states no prompts: ColUltraVBERT is read as sentence-transformers saves it; copy its "
            "modules.json, chat_template.jinja and the other files there from the checkpoint"
        )

    def _longest_edge(self, width: int, height: int) -> int:
        longest = super()._longest_edge(width, height)
        while longest > self._tile:
            _, rows, cols = _tile_grid(width, height, longest, self._tile)
            if rows * cols <= self._most_tiles:
                break
            longest -= self._tile
        return longest


def _tile_grid(width: int, height: int, longest: int, tile: int) -> tuple[tuple[int, int], int, int]:
    """The size (width, height) that Idefics3's image processor scales a page to, and rows and columns of the tiles that
    it then stretches it to. (Its `get_number_of_image_patches` counts others where `longest` is no multiple of a tile.)
    """
    from transformers.models.idefics3.image_processing_pil_idefics3 import get_resize_output_image_size

    image = np.broadcast_to(np.uint8(0), (height, width))  # all that is asked of it is its shape
    height, width = get_resize_output_image_size(image, longest)
    if width >= height:
        cols = math.ceil(width / tile)
        rows = math.ceil(int(cols * tile / (width / height)) / tile)
    else:
        rows = math.ceil(height / tile)
        cols = math.ceil(int(rows * tile * (width / height)) / tile)
    return (width, height), rows, cols


def _grid_of_tiles(rows: int, cols: int, side: int) -> Ints:
    """(rows * side, cols * side): tokens run tile by tile, and row by row within a tile."""
    tokens = np.arange(rows * cols * side * side, dtype=np.int32).reshape(rows, cols, side, side)
    return tokens.transpose(0, 2, 1, 3).reshape(rows * side, cols * side)
