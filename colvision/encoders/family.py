"""What differs from one family of vision-language encoders to the next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from colvision.embedding import PatchGrid

if TYPE_CHECKING:
    from PIL import Image
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True, eq=False)
class PageBatch:
    """`inputs` of the model for b pages, padded to (b, s) tokens; `grids` and `kinds` count without the padding."""

    inputs: Mapping[str, Tensor]
    grids: Sequence[PatchGrid]
    kinds: Sequence[NDArray[np.uint8]]


class Family(ABC):
    """One object a loaded checkpoint: how pages and queries become what its model is called with.

    The model returns `.embeddings` (b, s, dim) for these inputs, with gradients where they are wanted.
    """

    unused_weights: ClassVar[frozenset[str]] = (
        frozenset()
    )  # may lie in a checkpoint, though the model does not read them
    revision: ClassVar[int]  # raised when the same checkpoint gives other vectors than before: part of the fingerprint

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    dim: int
    max_patches: int
    page_prompt: str
    query_prefix: str
    query_suffix: str

    @staticmethod
    @abstractmethod
    def model_class() -> type[PreTrainedModel]:
        """The class of transformers that holds the weights."""

    @abstractmethod
    def __init__(self, model: PreTrainedModel, folder: Path, max_patches: int | None) -> None: ...

    @abstractmethod
    def fit(self, image: Image.Image) -> Image.Image:
        """The picture as the processor can take it, still the whole page."""

    @abstractmethod
    def patches(self, image: Image.Image) -> int:
        """The number of patches that a fitted picture becomes."""

    @abstractmethod
    def page_batch(self, images: Sequence[Image.Image]) -> PageBatch:
        """Fitted pictures -> what the model is called with."""

    @abstractmethod
    def query_inputs(self, ids: Tensor, mask: Tensor) -> Mapping[str, Tensor]:
        """Token ids and attention mask, both (b, s) -> what the model is called with."""
