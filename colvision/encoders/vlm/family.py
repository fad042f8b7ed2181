"""What differs from one family of vision-language encoders to the next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colvision.core.embedding import Floats, Ints, PatchGrid, VectorKind
from colvision.encoders.options import EncoderOptions
from colvision.encoders.vlm.checkpoint import Checkpoint
from colvision.encoders.vlm.layouts import CheckpointLayout, Prompts
from colvision.encoders.vlm.processing import load_tokenizer, module_prompts, read_prompts
from colvision.encoders.vlm.scored_tokens import ScoredTokens
from colvision.errors import EncoderNotFound, WeightsMismatch

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image
    from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerFast
    from transformers.image_processing_utils import BaseImageProcessor

    from colvision.encoders.vlm.module_folder import ModuleFolder

_QUERY_TOKENS = 512  # a long paragraph; what comes after is cut, and absent from the embedding's `tokens`


@dataclass(frozen=True, slots=True, eq=False)
class PageBatch:
    """`inputs` of the model for b pages, padded to (b, s) tokens; `grids` and `kinds` count without the padding."""

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
    has_pixel_limits: ClassVar[bool] = False  # whether its image processor scales a page to so many pixels

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    prompts: Prompts
    image_processor: BaseImageProcessor  # where transformers' own cuts the pages
    image_token_id: int
    scored: ScoredTokens
    dim: int
    stated_patches: int  # the most patches of a page by the checkpoint's files alone
    max_patches: int
    query_tokens: int  # the most of a query's own

    @classmethod
    def layout(cls, checkpoint: Checkpoint) -> CheckpointLayout:
        """That of its model_type, unless a family tells more by the configuration."""
        return cls.layouts[checkpoint.model_type]

    @staticmethod
    @abstractmethod
    def model_class() -> type[PreTrainedModel]:
        """The class that holds the weights: `model_class().config_class` takes `vlm_config` and `embedding_dim`."""

    def __init__(self, model: PreTrainedModel, processor: ProcessorConfig) -> None:
        """What all families have; image processor and `max_patches` are each family's own."""
        config = getattr(model.config, "vlm_config", model.config)
        self.model = model
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
        prompt = len(self.token_ids(self.prompts.query_prefix + self.prompts.query_suffix))
        longest = (self.modules.query_length if self.modules is not None else None) or _QUERY_TOKENS + prompt
        self.query_tokens = max(1, min(_QUERY_TOKENS, longest - prompt))

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
    def fit(self, image: Image.Image) -> Image.Image:
        """The page image as the processor can take it, still the whole page."""

    @abstractmethod
    def count_patches(self, image: Image.Image) -> int:
        """The number of image tokens that a fitted image becomes."""

    @abstractmethod
    def process_images(self, images: Sequence[Image.Image]) -> tuple[Mapping[str, Tensor], Sequence[PageTokens]]:
        """Fitted images -> the model's inputs that hold their pixels, and the tokens of each page."""

    def positions(self, ids: Tensor, mask: Tensor, pixels: Mapping[str, Tensor]) -> Tensor:
        """Position ids, (b, s) or (axes, b, s): counted from the first real token unless a family differs."""
        return (mask.cumsum(dim=1) - 1).clamp(min=0)

    def page_batch(self, images: Sequence[Image.Image]) -> PageBatch:
        """Fitted images -> what the model is called with."""
        pixels, tokens = self.process_images(images)
        rows = [self.token_ids(page_tokens.text) for page_tokens in tokens]
        ids, mask = self.pad(rows)
        placed = [self._place_patches(row, page_tokens) for row, page_tokens in zip(rows, tokens, strict=True)]
        return PageBatch(self.inputs(ids, mask, pixels), [grid for grid, _ in placed], [kind for _, kind in placed])

    def query_inputs(self, ids: Tensor, mask: Tensor) -> Mapping[str, Tensor]:
        """Token ids and attention mask, both (b, s) -> what the model is called with."""
        return self.inputs(ids, mask, {})

    def inputs(self, ids: Tensor, mask: Tensor, pixels: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What the model is called with; `pixels` is empty for queries."""
        positions = self.positions(ids, mask, pixels)
        return {**pixels, "input_ids": ids, "attention_mask": mask, "position_ids": positions}

    @torch.inference_mode()
    def vectors(self, inputs: Mapping[str, Tensor]) -> list[Floats]:
        """The model's embeddings (b, s, dim) -> a flat (n, dim) float32 of unit length for each row's real tokens."""
        placed = {name: tensor.to(self.model.device) for name, tensor in inputs.items()}
        embeddings = self.model(**placed).embeddings[..., : self.dim].float()
        unit = torch.nn.functional.normalize(embeddings, dim=-1)  # again: cut, or in bfloat16 off by up to 2^-8
        return [rows[counts].cpu().numpy() for rows, counts in zip(unit, self.counts(placed), strict=True)]

    def counts(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Which tokens of a batch have a vector, (b, s): not the padding, nor what the checkpoint leaves out."""
        scored = self.scored.page if "pixel_values" in inputs else self.scored.query
        return inputs["attention_mask"].bool() & scored(inputs["input_ids"])

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

    def _place_patches(self, ids: Sequence[int], page_tokens: PageTokens) -> tuple[PatchGrid, NDArray[np.uint8]]:
        at = np.flatnonzero(np.asarray(ids) == self.image_token_id).astype(np.int32)  # (m,)
        if len(at) != len(page_tokens.kinds):
            raise WeightsMismatch(
                f"the tokenizer makes {len(at)} image tokens of {len(page_tokens.kinds)} in the page's prompt: "
                "take all files from one checkpoint"
            )
        kind = np.full(len(ids), VectorKind.TEXT, dtype=np.uint8)
        kind[at] = page_tokens.kinds
        counts = self.scored.page(torch.tensor(ids)).numpy()
        at = np.where(counts, np.cumsum(counts) - 1, -1)[at]  # its row among the vectors that the page keeps
        cells = np.where(page_tokens.cells >= 0, at[np.maximum(page_tokens.cells, 0)], -1).astype(np.int32)
        return PatchGrid(cells), kind[counts]
