"""The same weights, texts and questions through sentence-transformers, and through colvision: one vector a text.

`make oracles` makes the reference arrays anew; here they are only compared.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from colvision.core.embedding import VectorKind
from colvision.core.page import Page
from colvision.encoders import load_encoder
from tests.helpers.bi_encoders import draw_weights
from tests.helpers.bi_encoders import text_page as page
from tests.oracles.bi_encoder_folders import CASE, PAGE_CASE, VARIANTS, save_page_embedding, save_variant
from tests.oracles.checkpoints import KEPT
from tests.oracles.inputs import PAGE_TEXTS, QUESTIONS, pages

pytestmark = pytest.mark.slow

TOLERANCE = 1e-5


def checkpoint(name: str, folder: Path) -> Path:
    save_variant(VARIANTS[name], folder)
    with np.load(KEPT / f"{CASE}.npz") as kept:
        return draw_weights(folder, json.loads(str(kept["weights"]))[name])


@pytest.fixture(scope="module", params=VARIANTS)
def case(request, tmp_path_factory):
    folder = checkpoint(request.param, tmp_path_factory.mktemp("oracle"))
    return request.param, load_encoder(folder, device="cpu", dtype="float32")


def reference(name: str, kind: str) -> np.ndarray:
    with np.load(KEPT / f"{CASE}.npz") as kept:
        return kept[f"{name}/{kind}"]


def test_pages_are_those_of_sentence_transformers(case):
    """In a batch, padded, and alone; the opposite for a page without text."""
    name, encoder = case
    expected = reference(name, "pages") * [[1.0 if text else -1.0] for text in PAGE_TEXTS]
    alone = [embedding for text in PAGE_TEXTS for embedding in encoder.encode_pages([page(text)])]
    for embeddings in (list(encoder.encode_pages(map(page, PAGE_TEXTS))), alone):
        assert all(embedding.kind.tolist() == [VectorKind.GLOBAL] for embedding in embeddings)
        vectors = np.concatenate([embedding.vectors for embedding in embeddings])
        np.testing.assert_allclose(vectors, expected, rtol=0, atol=TOLERANCE)


def test_queries_are_those_of_sentence_transformers(case):
    name, encoder = case
    alone = [query for question in QUESTIONS for query in encoder.encode_queries([question])]
    for queries in (encoder.encode_queries(QUESTIONS), alone):
        vectors = np.concatenate([query.vectors for query in queries])
        np.testing.assert_allclose(vectors, reference(name, "queries"), rtol=0, atol=TOLERANCE)


def test_pages_and_queries_by_the_last_token_are_those_of_sentence_transformers(tmp_path):
    """A model as Qwen3-VL-Embedding: in batches and alone."""
    with np.load(KEPT / f"{PAGE_CASE}.npz") as kept:
        folder = draw_weights(save_page_embedding(tmp_path), json.loads(str(kept["weights"])))
        seen, asked = kept["pages"], kept["queries"]
    encoder = load_encoder(folder, device="cpu", dtype="float32")
    alone = [embedding for each in pages() for embedding in encoder.encode_pages([Page(each)])]
    for embeddings in (list(encoder.encode_pages(map(Page, pages()))), alone):
        assert all(embedding.kind.tolist() == [VectorKind.GLOBAL] for embedding in embeddings)
        vectors = np.concatenate([embedding.vectors for embedding in embeddings])
        np.testing.assert_allclose(vectors, seen, rtol=0, atol=TOLERANCE)
    queries = encoder.encode_queries(QUESTIONS)
    assert [query.words for query in queries] == [(question,) for question in QUESTIONS]
    np.testing.assert_allclose(np.concatenate([query.vectors for query in queries]), asked, rtol=0, atol=TOLERANCE)
