"""What the tests of families share: tiny checkpoints by name, pages of noise, the model as transformers calls it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from colvision.core.embedding import PageEmbedding
from colvision.core.page import Page
from colvision.encoders.vlm.encoder import VlmEncoder
from tests.helpers.tiny import save_tiny_colqwen2
from tests.helpers.tiny_families import SAVERS

ALL = {"colqwen2": save_tiny_colqwen2, **SAVERS}
FOLLOWS_THE_PAGE = [name for name in ALL if name != "colpali"]
TILES = ["colsmol", "colmodernvbert"]
Get = Callable[[str], VlmEncoder]


def noise(height: int, width: int, seed: int = 0) -> Page:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Page(Image.fromarray(pixels))


def encode(encoder: VlmEncoder, *pages: Page) -> list[PageEmbedding]:
    return list(encoder.encode_pages(pages))


def as_transformers(encoder: VlmEncoder, **inputs: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return encoder.family.model(**inputs).embeddings[0].numpy()


def get_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(folder)
