"""The same weights, texts and questions through sentence-transformers, and through colvision: one vector a text.

`make oracles` makes the reference arrays anew; here they are only compared.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from colvision.core.embedding import VectorKind
from colvision.core.page import Page
from colvision.encoders import load_encoder
from tests.oracles.bi_encoder_folders import CASE, VARIANTS, save_variant
from tests.oracles.checkpoints import KEPT
from tests.oracles.inputs import QUESTIONS, TEXTS, weight

pytestmark = pytest.mark.slow

TOLERANCE = 1e-5


def checkpoint(name: str, folder: Path) -> Path:
    save_variant(VARIANTS[name], folder)
    with np.load(KEPT / f"{CASE}.npz") as kept:
        shapes = json.loads(str(kept["weights"]))[name]
    for file, named in shapes.items():
        state = {stored: torch.from_numpy(weight(stored, tuple(shape))) for stored, shape in named.items()}
        save_file(state, folder / f"{file}.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module", params=VARIANTS)
def case(request, tmp_path_factory):
    folder = checkpoint(request.param, tmp_path_factory.mktemp("oracle"))
    return request.param, load_encoder(folder, device="cpu", dtype="float32")


def reference(name: str, kind: str) -> np.ndarray:
    with np.load(KEPT / f"{CASE}.npz") as kept:
        return kept[f"{name}/{kind}"]


def page(text: str) -> Page:
    return Page(Image.new("L", (8, 8)), text=text)


def test_pages_are_those_of_sentence_transformers(case):
    """In a batch, padded, and alone."""
    name, encoder = case
    alone = [embedding for text in TEXTS for embedding in encoder.encode_pages([page(text)])]
    for embeddings in (list(encoder.encode_pages(map(page, TEXTS))), alone):
        assert all(embedding.kind.tolist() == [VectorKind.GLOBAL] for embedding in embeddings)
        vectors = np.concatenate([embedding.vectors for embedding in embeddings])
        np.testing.assert_allclose(vectors, reference(name, "pages"), rtol=0, atol=TOLERANCE)


def test_queries_are_those_of_sentence_transformers(case):
    name, encoder = case
    alone = [query for question in QUESTIONS for query in encoder.encode_queries([question])]
    for queries in (encoder.encode_queries(QUESTIONS), alone):
        vectors = np.concatenate([query.vectors for query in queries])
        np.testing.assert_allclose(vectors, reference(name, "queries"), rtol=0, atol=TOLERANCE)
