"""The same weights and texts through sentence-transformers, and through colvision.

`make oracles` makes the reference arrays anew; here they are only compared.
"""

import json

import numpy as np
import pytest
from PIL import Image

from colvision.core.embedding import VectorKind
from colvision.core.page import Page
from colvision.encoders import load_encoder
from colvision.encoders.text.colbert import ColbertEncoder
from tests.oracles.checkpoints import KEPT, TEXT_CASES, checkpoint, reference
from tests.oracles.inputs import DOCUMENTS, TEXT_QUERIES

TOLERANCE = 1e-5
PAPER = Image.new("L", (85, 110), 255)


@pytest.fixture(scope="module", params=TEXT_CASES)
def case(request, tmp_path_factory) -> tuple[str, ColbertEncoder]:
    folder = checkpoint(request.param, tmp_path_factory.mktemp("oracle"))
    return request.param, load_encoder(folder, device="cpu", dtype="float32")


def test_pages_are_those_of_the_original(case):
    """In a batch and alone, where there is no padding."""
    name, encoder = case
    pages = [Page(PAPER, text=text) for text in DOCUMENTS]
    alone = [embedding for page in pages for embedding in encoder.encode_pages([page])]
    for embeddings in (list(encoder.encode_pages(pages)), alone):
        assert len(embeddings) == len(DOCUMENTS)
        for number, embedding in enumerate(embeddings):
            expected = reference(name, f"document{number}")
            if len(expected):  # what is skipped leaves nothing of some; a page keeps a vector here
                np.testing.assert_allclose(embedding.vectors, expected, rtol=0, atol=TOLERANCE)
            else:
                assert len(embedding.vectors) == 1
            assert set(embedding.kind) == {VectorKind.TEXT}


def test_queries_are_those_of_the_original(case):
    """In a batch and alone; the last is longer than most are read."""
    name, encoder = case
    alone = [query for text in TEXT_QUERIES for query in encoder.encode_queries([text])]
    for queries in (encoder.encode_queries(TEXT_QUERIES), alone):
        assert len(queries) == len(TEXT_QUERIES)
        for number, query in enumerate(queries):
            np.testing.assert_allclose(query.vectors, reference(name, f"query{number}"), rtol=0, atol=TOLERANCE)


def test_the_reference_arrays_say_what_made_them_and_stay_small():
    files = [KEPT / f"{name}.npz" for name in TEXT_CASES]
    for file in files:
        with np.load(file) as kept:
            packages = json.loads(str(kept["versions"])).keys()
        assert packages - {"transformers", "torch"} == {"sentence-transformers"}
    assert sum(file.stat().st_size for file in files) < 1 << 17
