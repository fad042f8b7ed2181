"""What differs from one family of vision-language encoders to the next."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from colvision.core.embedding import Floats, Ints, PatchGrid, VectorKind
from colvision.encoders.bi_encoders.global_vectors import NOWHERE
from colvision.encoders.options import EncoderOptions
from colvision.encoders.vlm.checkpoint import Checkpoint
from colvision.encoders.vlm.layouts import CheckpointLayout, Prompts
from colvision.encoders.vlm.processing import load_tokenizer, module_prompts, read_prompts
from colvision.encoders.vlm.scored_tokens import ScoredTokens
from colvision.encoders.vlm.transfers import HostCopy, pinned, to_device
from colvision.errors import EncoderNotFound, WeightsMismatch

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerFast
    from transformers.image_processing_utils import BaseImageProcessor

    from colvision.encoders.vlm.module_folder import ModuleFolder

_QUERY_TOKENS = 512  # a long paragraph; what comes after is cut, and absent from the embedding's `tokens`


@dataclass(frozen=True, slots=True, eq=False)
class PreparedPage:
    """One page before it shares a batch: `pixels` in the size that its family reads, uint8; its token ids; what each
    of those that have a vector is, and where its patches lie; `patches` is the number of image tokens.
    """

    pixels: NDArray[np.uint8]
    ids: Sequence[int]
    kind: NDArray[np.uint8]
    grid: PatchGrid
    patches: int


@dataclass(frozen=True, slots=True, eq=False)
class PageBatch:
    """`inputs` for b pages, padded to (b, s) tokens; `grids` and `kinds` count without the padding.

    Pixels are bytes: `Family.to_device` makes of them what the model takes.
    """

    inputs: Mapping[str, Tensor]
    grids: Sequence[PatchGrid]
    kinds: Sequence[NDArray[np.uint8]]


class PageTokens(NamedTuple):
    """One page before it is tokenised: its prompt with every image token in place, and what those tokens show.

    `kinds` (m,) is the kind of each image token, in their order; `cells` (rows, cols) the image token of each cell.
    """

    text: str
    kinds: NDArray[np.uint8]
    cells: Ints


class PendingVectors(NamedTuple):
    """Vectors of a batch that a device may still be computing: `rows` (n, dim) end to end, `lengths` of each item."""

    rows: HostCopy
    lengths: Sequence[int]

    def vectors(self) -> list[Floats]:
        """Waits for them: a flat (length, dim) float32 of each item, in memory of its own."""
        return [part.copy() for part in np.split(self.rows.array(), np.cumsum(self.lengths[:-1]))]


class ProcessorConfig(NamedTuple):
    """Where a family's tokenizer and image processor come from, and what the caller wants otherwise.

    `modules`: what sentence-transformers saved beside them.
    """

    folder: Path
    layout: CheckpointLayout
    options: EncoderOptions = EncoderOptions()
    modules: ModuleFolder | None = None

    @property
    def is_plain_folder(self) -> bool:
        """Whether sentence-transformers saved a plain backbone: then it says itself how pages and queries are given."""
        return self.modules is not None and not self.modules.is_native

    @property
    def pixels(self) -> Mapping[str, int]:
        """Limits of a page's pixels that do not stand in the image processor's own file."""
        return {} if self.modules is None else self.modules.pixels


def with_shared_weights(model: PreTrainedModel) -> PreTrainedModel:
    """A second model over the same weights: what is put into its layers is not put into the first one's.

    Two models instead of an adapter that is switched on and off: pages and queries may be encoded at the same time.
    """
    shared: dict[int, object] = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    return copy.deepcopy(model, shared)


class Family(ABC):
    """One object a loaded checkpoint: how pages and queries become what its model is called with.

    The model returns `.embeddings` (b, s, dim) for these inputs, with gradients where they are wanted.
    """

    layouts: ClassVar[Mapping[str, CheckpointLayout]]  # by config.json's model_type: where the weights and prompts are
    revision: ClassVar[int]  # raised when the same checkpoint gives other vectors than before: part of the fingerprint
    unused_weights: ClassVar[frozenset[str]] = frozenset()  # may lie in a checkpoint: the model does not read them
    padding_side: ClassVar[Literal["left", "right"]] = "left"
    adds_special_tokens: ClassVar[bool] = True  # whether the tokenizer does; else the prompts hold them already
    query_start: ClassVar[str] = ""  # what comes before the words of every query's prefix
    supports_flash_attention: ClassVar[bool] = (
        False  # whether flash-attention can mask as the model was trained: causally, padded
    )
    trained_patches: int | None = None  # the most that the models were trained with; None: as files state
    has_grid_positions: ClassVar[bool] = False  # whether patches have their row and column as positions
    exported_processor: ClassVar[str | None] = None  # transformers' class for its backbone, if one saves it plain
    exported_images: ClassVar[str | None] = None  # transformers' image processor for it, where another cuts pages here
    has_pixel_limits: ClassVar[bool] = False  # whether its image processor scales a page to so many pixels

    model: PreTrainedModel
    query_model: PreTrainedModel  # the same, unless an adapter is for queries alone
    tokenizer: PreTrainedTokenizerFast
    prompts: Prompts
    image_processor: BaseImageProcessor  # where transformers' own cuts the pages
    image_token_id: int
    scored: ScoredTokens
    dim: int
    stated_patches: int  # the most patches of a page by the checkpoint's files alone
    max_patches: int
    fitting: Image.Resampling = Image.Resampling.BICUBIC  # how `fit` scales what it has to
    byte_values: Tensor  # (3, 256): what each byte of a channel is to the model, on its device and in its dtype

    @classmethod
    def layout(cls, checkpoint: Checkpoint) -> CheckpointLayout:
        """That of its model_type, unless a family tells more by the configuration."""
        return cls.layouts[checkpoint.model_type]

    @staticmethod
    @abstractmethod
    def model_class() -> type[PreTrainedModel]:
        """The class that holds the weights: `model_class().config_class` takes `vlm_config` and `embedding_dim`."""

    def __init__(self, model: PreTrainedModel, processor: ProcessorConfig) -> None:
        """What all families have; image processor, `max_patches` and `byte_values` are each family's own."""
        config = getattr(model.config, "vlm_config", model.config)
        self.model = self.query_model = model
        self.tokenizer = load_tokenizer(processor.folder)
        self.modules = processor.modules
        self.prompts = self.with_options(self.stated_prompts(processor), processor.options)
        self.scored = ScoredTokens.of(self.modules, self.tokenizer)
        if processor.is_plain_folder:
            self.trained_patches = None  # its own files say it
        if processor.pixels and not self.has_pixel_limits:
            raise EncoderNotFound(f"{processor.folder} limits a page's pixels, which this family's processor does not")
        self.dim = processor.options.dim or model.config.embedding_dim
        self.image_token_id = config.image_token_id
        self.check_tokenizer(processor.folder, config.get_text_config().vocab_size)

    def stated_prompts(self, processor: ProcessorConfig) -> Prompts:
        """What the files say of them, and what is known of the published models where they say nothing."""
        return self.template_prompts(processor) if processor.is_plain_folder else self.checkpoint_prompts(processor)

    def template_prompts(self, processor: ProcessorConfig) -> Prompts:
        """Those that the chat template of a folder of sentence-transformers writes."""
        if processor.modules is None:
            raise ValueError(f"{processor.folder} is no folder of sentence-transformers")
        return module_prompts(processor.modules, self.tokenizer, processor.layout.prompts.image_token)

    def checkpoint_prompts(self, processor: ProcessorConfig) -> Prompts:
        """Those that the checkpoint states, and the defaults of its layout where it states none."""
        return read_prompts(processor.folder, processor.layout.prompts)

    @classmethod
    def with_options(cls, prompts: Prompts, options: EncoderOptions) -> Prompts:
        """With those that the caller wants instead."""
        prefix = None if options.query_prefix is None else cls.query_start + options.query_prefix
        return prompts.stated_by("the options given", page=options.page_prompt, query_prefix=prefix)

    @abstractmethod
    def fitted_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) in which the processor can take a page image of this size, still the whole page."""

    def fit(self, image: Image.Image) -> Image.Image:
        """The page image as the processor can take it: RGB, in `fitted_size`."""
        image = image if image.mode == "RGB" else image.convert("RGB")
        size = self.fitted_size(*image.size)
        return image if size == image.size else image.resize(size, self.fitting)

    @abstractmethod
    def count_patches(self, width: int, height: int) -> int:
        """The number of image tokens that a fitted image of this size becomes."""

    @abstractmethod
    def process(self, image: Image.Image) -> tuple[NDArray[np.uint8], PageTokens]:
        """A fitted image -> its pixels in the size that the model reads, channels last, and the page's tokens.

        Scaled by Pillow, as transformers' own image processors do it: no device scales to the same bytes.
        """

    @abstractmethod
    def pixel_values(self, pages: Sequence[Tensor]) -> Tensor:
        """Bytes of pages on the model's device, shaped as `process` made them -> the model's `pixel_values`."""

    def prepare(self, image: Image.Image) -> PreparedPage:
        """A fitted image -> all that a batch needs of it: without the model, so that many threads may do it at once."""
        pixels, page_tokens = self.process(image)
        ids = self.token_ids(page_tokens.text)
        return PreparedPage(pixels, ids, *self._place_patches(ids, page_tokens), len(page_tokens.kinds))

    def positions(self, ids: Tensor, mask: Tensor, pixels: Mapping[str, Tensor]) -> Tensor:
        """Position ids, (b, s) or (axes, b, s): counted from the first real token unless a family differs."""
        return (mask.cumsum(dim=1) - 1).clamp(min=0)

    def page_batch(self, images: Sequence[Image.Image]) -> PageBatch:
        """Fitted images, prepared here, as one batch."""
        return self.batch([self.prepare(image) for image in images])

    def batch(self, pages: Sequence[PreparedPage]) -> PageBatch:
        """Prepared pages as one batch, in memory that a CUDA device copies from by itself."""
        ids, mask = self.pad([page.ids for page in pages])
        pixels = {
            "pixels": torch.cat([torch.from_numpy(page.pixels).flatten() for page in pages]),
            "shapes": torch.tensor([page.pixels.shape for page in pages]),
        }
        inputs = pinned(self.inputs(ids, mask, pixels), self.model.device)
        return PageBatch(inputs, [page.grid for page in pages], [page.kind for page in pages])

    def query_inputs(self, ids: Tensor, mask: Tensor) -> Mapping[str, Tensor]:
        """Token ids and attention mask, both (b, s) -> what the model is called with."""
        return self.inputs(ids, mask, {})

    def inputs(self, ids: Tensor, mask: Tensor, pixels: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What the model is called with, once it is on its device; `pixels` is empty for queries, else holds the bytes
        of all pages end to end and the (b, axes) shapes of each.
        """
        positions = self.positions(ids, mask, pixels)
        return {**pixels, "input_ids": ids, "attention_mask": mask, "position_ids": positions}

    def to_device(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`inputs` on the model's device, pixels as the model takes them: rescaled, normalised and cut there."""
        placed = to_device(inputs, self.model.device)
        if "pixels" in placed:
            shapes = inputs["shapes"].tolist()
            parts = torch.split(placed.pop("pixels"), [math.prod(shape) for shape in shapes])
            pages = [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
            placed["pixel_values"] = self.pixel_values(pages)
            del placed["shapes"]
        return placed

    def normalise(self, pixels: Tensor, channels: int) -> Tensor:
        """Bytes -> what they are to the model, looked up; `channels` is their axis. (3, 256) values say it exactly,
        where arithmetic on the device would differ in the last bit.
        """
        shape = [3 if axis == channels % pixels.ndim else 1 for axis in range(pixels.ndim)]
        first = torch.arange(0, 3 * 256, 256, dtype=torch.int32, device=pixels.device).view(shape)
        places = (pixels.int() + first).flatten()
        return self.byte_values.flatten().index_select(0, places).view(pixels.shape)

    def vectors(self, inputs: Mapping[str, Tensor]) -> list[Floats]:
        """The model's embeddings (b, s, dim) -> a flat (n, dim) float32 of unit length for each row's real tokens."""
        return self.begin(inputs).vectors()

    def query_vectors(self, inputs: Mapping[str, Tensor]) -> list[Floats]:
        """The same of the model for queries."""
        return self._begin(self.query_model, inputs).vectors()

    def begin(self, inputs: Mapping[str, Tensor]) -> PendingVectors:
        """Begins to compute `vectors`; a CUDA device still does when this returns."""
        return self._begin(self.model, inputs)

    @torch.inference_mode()
    def _begin(self, model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> PendingVectors:
        counts = self.counts(inputs)
        real = pinned({"real": counts.flatten().nonzero().squeeze(1)}, self.model.device)
        embeddings = model(**self.to_device(inputs)).embeddings[..., : self.dim].flatten(0, 1)  # (b * s, dim)
        rows = embeddings.index_select(0, to_device(real, self.model.device)["real"]).float()  # one gather a batch
        unit = torch.nn.functional.normalize(rows, dim=-1)  # again: cut, or in bfloat16 off by up to 2^-8
        return PendingVectors(HostCopy(unit), counts.sum(dim=1).tolist())

    def counts(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Which tokens of a batch have a vector, (b, s): not the padding, nor what the checkpoint leaves out.

        `inputs` as `batch` and `query_inputs` give them, or as `to_device` does.
        """
        is_page = not inputs.keys().isdisjoint(("pixels", "pixel_values"))
        scored = self.scored.page if is_page else self.scored.query
        real = inputs["attention_mask"].bool()
        if self.pools_last_token:
            return real & (real.flip(1).cumsum(dim=1).flip(1) == 1)
        return real & scored(inputs["input_ids"])

    @property
    def pools_last_token(self) -> bool:
        """Whether a page or a query is one vector: that of its last token."""
        return self.modules is not None and self.modules.last_token

    def query_limit(self, others: int) -> int:
        """The most tokens of a query's own beside `others`, those of its prompt."""
        longest = self.modules.query_length if self.modules is not None else None
        return _QUERY_TOKENS if longest is None else max(1, min(_QUERY_TOKENS, longest - others))

    def query_weight(self, tokens: int) -> float:
        """What a token of a query of so many tokens counts: 1 where the model was trained on a sum."""
        return 1 / tokens if self.modules is not None and self.modules.mean else 1.0

    def tokenise(self, text: str, **options: bool) -> BatchEncoding:
        """A prompted text's tokens. What a chat template begins with <bos> gets no other one, as in transformers."""
        bos = self.tokenizer.bos_token
        is_whole = self.modules is not None and bos is not None and text.startswith(bos)
        return self.tokenizer(text, add_special_tokens=self.adds_special_tokens and not is_whole, **options)

    def token_ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenise(text)["input_ids"]
        return ids

    def pad(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Token ids of b texts -> ids and attention mask (b, s). The pad token is often the augmentation token too:
        only the mask tells the two apart.
        """
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), int(self.tokenizer.pad_token_id))
        mask = torch.zeros_like(ids)
        for number, row in enumerate(rows):
            real = slice(longest - len(row), None) if self.padding_side == "left" else slice(0, len(row))
            ids[number, real] = torch.tensor(row)
            mask[number, real] = 1
        return ids, mask

    def template_page(self) -> str:
        """The page's prompt as a chat template writes it: before the processor of transformers has it."""
        return self.prompts.page

    def tokens_of_a_view(self) -> int | None:
        """Image tokens that the processor of transformers writes for a picture or a tile; None where it counts them."""
        return None

    def check_page_length(self) -> None:
        """Raises ValueError where a page may become longer than the checkpoint's longest."""
        longest = self.modules.document_length if self.modules is not None else None
        prompt = len(self.token_ids(self.prompts.page)) - 1
        if longest is not None and self.max_patches + prompt > longest:
            raise ValueError(
                f"a page may become {self.max_patches} patches, and the checkpoint's document_length leaves room for "
                f"{longest - prompt}: load it with max_patches={longest - prompt}"
            )

    def check_tokenizer(self, folder: Path, vocabulary: int) -> None:
        """Raises WeightsMismatch for a tokenizer that was not made for a model of so many tokens."""
        found = self.tokenizer.convert_tokens_to_ids(self.prompts.image_token)
        if found != self.image_token_id or len(self.tokenizer) > vocabulary:
            raise WeightsMismatch(
                f"the tokenizer in {folder} is not this model's: its {self.prompts.image_token} is {found} of "
                f"{len(self.tokenizer)} tokens, the model expects {self.image_token_id} of {vocabulary}: "
                "take all files from one checkpoint"
            )

    def _place_patches(self, ids: Sequence[int], page_tokens: PageTokens) -> tuple[NDArray[np.uint8], PatchGrid]:
        at = np.flatnonzero(np.asarray(ids) == self.image_token_id).astype(np.int32)  # (m,)
        if len(at) != len(page_tokens.kinds):
            raise WeightsMismatch(
                f"the tokenizer makes {len(at)} image tokens of {len(page_tokens.kinds)} in the page's prompt: "
                "take all files from one checkpoint"
            )
        if self.pools_last_token:
            return np.array([VectorKind.GLOBAL], dtype=np.uint8), NOWHERE
        kind = np.full(len(ids), VectorKind.TEXT, dtype=np.uint8)
        kind[at] = page_tokens.kinds
        counts = self.scored.page(torch.tensor(ids)).numpy()
        at = np.where(counts, np.cumsum(counts) - 1, -1)[at]  # its row among the vectors that the page keeps
        cells = np.where(page_tokens.cells >= 0, at[np.maximum(page_tokens.cells, 0)], -1).astype(np.int32)
        return kind[counts], PatchGrid(cells)
