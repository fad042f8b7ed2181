"""The same weights, pages and questions through the original implementations, and through colvision.

`make oracles` makes the reference arrays anew; here they are only compared.
"""

import json

import numpy as np
import pytest

from colvision.core.page import Page
from colvision.encoders import load_encoder
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.encoders.vlm.family import Family, ProcessorConfig
from colvision.encoders.vlm.models.colqwen import ColQwen2
from tests.oracles.checkpoints import CASES, KEPT, checkpoint, reference
from tests.oracles.inputs import QUESTIONS, pages

pytestmark = pytest.mark.slow

TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=CASES)
def case(request, tmp_path_factory) -> tuple[str, VlmEncoder]:
    folder = checkpoint(request.param, tmp_path_factory.mktemp("oracle"))
    as_the_engine = {"attention": "causal"} if request.param == "colqwen3.5" else {}  # whose class has no other way
    return request.param, load_encoder(folder, device="cpu", dtype="float32", **as_the_engine)


def test_pages_are_those_of_the_original(case):
    name, encoder = case
    embeddings = list(encoder.encode_pages(map(Page, pages())))
    assert len(embeddings) == len(pages())
    for number, embedding in enumerate(embeddings):
        np.testing.assert_allclose(embedding.vectors, reference(name, f"page{number}"), rtol=0, atol=TOLERANCE)


def test_queries_are_those_of_the_original(case):
    name, encoder = case
    queries = encoder.encode_queries(QUESTIONS)
    assert len(queries) == len(QUESTIONS)
    for number, query in enumerate(queries):
        np.testing.assert_allclose(query.vectors, reference(name, f"query{number}"), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["colqwen2", "colqwen2.5"])
def test_without_our_positions_pages_are_not_those_of_the_original(tmp_path, name):
    class InOneLine(ColQwen2):
        def positions(self, ids, mask, pixels):
            return Family.positions(self, ids, mask, {})

    folder = checkpoint(name, tmp_path)
    encoder = load_encoder(folder, device="cpu", dtype="float32")
    source = ProcessorConfig(folder, encoder.family.layouts[encoder.checkpoint.checkpoint.model_type])
    in_line = VlmEncoder(InOneLine(encoder.family.model, source), encoder.checkpoint)
    [embedding] = in_line.encode_pages([Page(pages()[0])])
    expected = reference(name, "page0")
    assert np.sum(embedding.vectors * expected, axis=1).mean() < 0.95


def test_the_reference_arrays_say_what_made_them_and_stay_small():
    files = [KEPT / f"{name}.npz" for name in CASES]
    for file in files:
        with np.load(file) as kept:
            packages = json.loads(str(kept["versions"])).keys()
        assert packages - {"transformers", "torch"} in ({"colpali-engine"}, {"sentence-transformers"})
    assert sum(file.stat().st_size for file in files) < 1 << 20
