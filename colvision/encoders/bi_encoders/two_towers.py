"""A bi-encoder of page images: one model for pictures and one for texts, whose vectors are compared (SigLIP, SigLIP 2).

Zhai et al. 2023 (arXiv:2303.15343), Tschannen et al. 2025 (arXiv:2502.14786); by transformers alone, scaled by Pillow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
import transformers

from colvision.core.embedding import Floats, PageEmbedding, QueryEmbedding
from colvision.core.encoder import CheckpointRef, EncoderInfo
from colvision.core.page import Page
from colvision.encoders.bi_encoders.global_vectors import query_text, unit, whole_page, whole_query
from colvision.encoders.bi_encoders.info import check_dim, check_options, encoder_info, quantisation_range
from colvision.encoders.bi_encoders.text_model import load_backbone
from colvision.encoders.finding import Finding
from colvision.encoders.fingerprint import fingerprint
from colvision.encoders.options import EncoderOptions
from colvision.encoders.vlm.checkpoint import Checkpoint
from colvision.encoders.vlm.processing import load_image_processor, load_tokenizer
from colvision.errors import WeightsMismatch

if TYPE_CHECKING:
    from PIL import Image

IMAGE_PROCESSORS: Mapping[str, str] = {  # config.json's model_type -> transformers' image processor without torchvision
    "siglip": "SiglipImageProcessorPil",
    "siglip2": "Siglip2ImageProcessorPil",
}
_REVISION = "1"  # raised when the same files give other vectors than before: part of the fingerprint
_BATCH_PAGES = {"cpu": 4, "cuda": 64, "mps": 16}
_SHORTEST = 8  # pixels of a side; of a sliver, the processor would take rows for colour channels


class TwoTowerEncoder:
    """An `Encoder` whose page is one vector of its picture, scaled to what the model reads: layout, no small print."""

    def __init__(self, checkpoint: Checkpoint, options: EncoderOptions, known: EncoderInfo | None = None) -> None:
        """Raises EncoderNotFound, WeightsMismatch, and ValueError for an option that it does not have."""
        refused = ("max_patches", "adapter", "quantise", "attention", "page_prompt")
        check_options(options, "a bi-encoder of page images", refused=refused)
        device, *_ = options.torch_devices()
        self._checkpoint, self._options, self._known = checkpoint, options, known
        self._model = load_backbone(checkpoint.folder, checkpoint.name, options.torch_dtype(device)).to(device)
        self._tokenizer = load_tokenizer(checkpoint.folder)
        kind = getattr(transformers, IMAGE_PROCESSORS[checkpoint.model_type])
        self._images = load_image_processor(kind, checkpoint.folder)
        self._prefix = options.query_prefix or ""
        text = self._model.config.text_config
        self._longest = int(text.max_position_embeddings)  # padded to that: as it was trained
        if len(self._tokenizer) > text.vocab_size:
            raise WeightsMismatch(
                f"the tokenizer of {checkpoint.name!r} has {len(self._tokenizer)} tokens, the model {text.vocab_size}: "
                "take all files from one checkpoint"
            )
        full = self._text_vectors(["a"]).shape[1]
        self.dim = check_dim(checkpoint.name, full, options.dim)
        self._is_cut = self.dim != full

    @cached_property
    def info(self) -> EncoderInfo:
        """The first time, three small generated pages are encoded to measure `quantisation_range`."""
        cut = (f"{self.dim} components",) if self._is_cut else ()
        made = fingerprint([self._checkpoint.folder], ("two towers", _REVISION, self._prefix, *cut))
        reference = CheckpointRef(
            self._checkpoint.source, query_prefix=self._options.query_prefix, dim=self._options.dim
        )
        measured = quantisation_range(self.encode_pages, made, self._known)
        return encoder_info(reference, self._checkpoint.name, (made, self.dim), self._model, measured)

    def encode_pages(self, pages: Iterable[Page]) -> Iterator[PageEmbedding]:
        """One embedding a page, in order: one vector of kind `GLOBAL`."""
        waiting, size = iter(pages), _BATCH_PAGES.get(self._model.device.type, _BATCH_PAGES["cpu"])
        while batch := [_fitted(page.image) for page in islice(waiting, size)]:
            yield from (whole_page(vector[None]) for vector in self._image_vectors(batch))

    def encode_queries(self, texts: Sequence[str]) -> list[QueryEmbedding]:
        """One vector a query. Of one that is longer than the model reads its first words, which its token names.

        Raises ValueError for a text without a letter or digit.
        """
        asked = [query_text(text) for text in texts]
        if not asked:
            return []
        vectors = unit(self._text_vectors([self._prefix + text for text in asked]), self.dim)
        read = map(self._read_part, asked)
        return [whole_query(*each) for each in zip(texts, read, vectors, strict=True)]

    def describe_page(self) -> str:
        """How many vectors a page becomes, before there is one."""
        return "one vector a page"

    def self_check(self) -> Iterator[Finding]:
        """What `colvision doctor` reports of it beyond what its vectors show."""
        yield Finding("query prompt", None, repr(self._prefix))
        yield Finding("longest query", None, f"{self._longest} tokens")

    @torch.inference_mode()
    def _image_vectors(self, images: Sequence[Image.Image]) -> Floats:
        inputs = self._images(images=list(images), return_tensors="pt").to(self._model.device)
        inputs["pixel_values"] = inputs["pixel_values"].to(self._model.dtype)
        return unit(self._model.get_image_features(**inputs).pooler_output.float().cpu().numpy(), self.dim)

    @torch.inference_mode()
    def _text_vectors(self, texts: Sequence[str]) -> Floats:
        """(t, any), of any length. Padding is attended to unless the tokenizer's files ask for a mask, as published."""
        inputs = self._tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=self._longest, return_tensors="pt"
        ).to(self._model.device)
        inputs.pop("token_type_ids", None)
        vectors: Floats = self._model.get_text_features(**inputs).pooler_output.float().cpu().numpy()
        return vectors

    def _read_part(self, text: str) -> str:
        spans = self._tokenizer(
            self._prefix + text, truncation=True, max_length=self._longest, return_offsets_mapping=True
        )["offset_mapping"]
        end = int(np.max([end for _, end in spans], initial=0)) - len(self._prefix)
        return text[: max(end, 1)].rstrip()


def _fitted(image: Image.Image) -> Image.Image:
    image = image if image.mode == "RGB" else image.convert("RGB")
    size = max(image.width, _SHORTEST), max(image.height, _SHORTEST)
    return image if size == image.size else image.resize(size)
