"""What the tests of checkpoints share: loading, pages of noise, the model as transformers calls it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from colvision.core.embedding import PageEmbedding
from colvision.core.page import Page
from colvision.encoders import load_encoder
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.encoders.vlm.family import Family
from colvision.testing.checkpoints import FAMILIES

FOLLOWS_THE_PAGE = [name for name in FAMILIES if name != "colpali"]
TILES = ["colsmol", "colmodernvbert"]
Get = Callable[[str], VlmEncoder]


def load(folder: Path, **options: object) -> VlmEncoder:
    """A checkpoint as the tests compare it: on the CPU, in float32."""
    return load_encoder(folder, device="cpu", dtype="float32", **options)


def vectors(encoder: VlmEncoder) -> np.ndarray:
    """The vectors of one page of noise, always the same."""
    return encode(encoder, noise(140, 84, seed=5))[0].vectors


def noise(height: int, width: int, seed: int = 0) -> Page:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Page(Image.fromarray(pixels))


def encode(encoder: VlmEncoder, *pages: Page) -> list[PageEmbedding]:
    return list(encoder.encode_pages(pages))


def as_transformers(encoder: VlmEncoder, **inputs: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return encoder.family.model(**encoder.family.to_device(inputs)).embeddings[0].numpy()


def get_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(folder)


def pixel_values(family: Family, *fitted: Image.Image) -> np.ndarray:
    """What the model is given of the pages of one batch."""
    return family.to_device(family.page_batch(fitted).inputs)["pixel_values"].numpy()
