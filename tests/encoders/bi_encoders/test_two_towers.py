"""SigLIP and SigLIP 2: one vector a page image and one a query, as transformers computes them."""

import json

import numpy as np
import pytest
import torch
import transformers

from colvision.core.embedding import VectorKind
from colvision.encoders import load_encoder
from colvision.encoders.loading import find_patch_checkpoint
from colvision.errors import EncoderNotFound, WeightsMismatch
from tests.helpers.bi_encoders import save_siglip
from tests.helpers.families import noise

pytestmark = pytest.mark.slow

QUERIES = ("bleed the pump", "oil")


@pytest.fixture(scope="module", params=[False, True], ids=["siglip", "siglip2"])
def folder(request, tmp_path_factory):
    return save_siglip(tmp_path_factory.mktemp("towers"), is_naflex=request.param)


@pytest.fixture(scope="module")
def encoder(folder):
    return load_encoder(folder, device="cpu", dtype="float32")


def test_vectors_are_those_of_the_forward_pass_of_transformers(folder, encoder):
    """Which takes pictures and texts together, and normalises by itself."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    is_naflex = model.config.model_type == "siglip2"
    kind = transformers.Siglip2ImageProcessorPil if is_naflex else transformers.SiglipImageProcessorPil
    pages = [noise(140, 84, seed=1), noise(60, 200, seed=2)]
    inputs = kind.from_pretrained(folder)(images=[page.image for page in pages], return_tensors="pt")
    tokens = transformers.AutoTokenizer.from_pretrained(folder)
    texts = tokens(list(QUERIES), padding="max_length", max_length=16, truncation=True, return_tensors="pt")
    assert set(texts) == {"input_ids"}
    with torch.inference_mode():
        expected = model(**texts, **inputs)
    embeddings = list(encoder.encode_pages(pages))
    assert all(embedding.kind.tolist() == [VectorKind.GLOBAL] for embedding in embeddings)
    seen = np.concatenate([embedding.vectors for embedding in embeddings])
    np.testing.assert_allclose(seen, expected.image_embeds.numpy(), rtol=0, atol=1e-5)
    alone = np.concatenate([each.vectors for page in pages for each in encoder.encode_pages([page])])
    np.testing.assert_allclose(alone, seen, rtol=0, atol=1e-5)
    asked = np.concatenate([query.vectors for query in encoder.encode_queries(QUERIES)])
    np.testing.assert_allclose(asked, expected.text_embeds.numpy(), rtol=0, atol=1e-5)


def test_a_long_query_names_what_of_it_was_read(encoder):
    text = "bleed the hydraulic pump " * 20
    [query] = encoder.encode_queries([text])
    assert " ".join(text.split()).startswith(query.tokens[0])
    assert len(query.tokens[0]) < len(text) / 2


def test_prompt_and_length_are_part_of_the_fingerprint(folder, encoder):
    others = [
        load_encoder(folder, device="cpu", dtype="float32", **each) for each in ({"query_prefix": "a "}, {"dim": 16})
    ]
    assert len({encoder.info.fingerprint, *(each.info.fingerprint for each in others)}) == 3


def test_what_a_page_alone_decides_is_refused(folder):
    with pytest.raises(ValueError, match="takes no page_prompt"):
        load_encoder(folder, page_prompt="a page")


def test_an_adapter_is_refused_and_none_is_trained_or_merged(tmp_path):
    folder = save_siglip(tmp_path / "towers")
    with pytest.raises(EncoderNotFound, match="makes one vector of a page: adapters are trained for"):
        find_patch_checkpoint(folder)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(folder)}))
    with pytest.raises(EncoderNotFound, match="is a bi-encoder with an adapter: merge it"):
        load_encoder(adapter, device="cpu")


def test_a_tower_of_another_size_is_refused(tmp_path):
    folder = save_siglip(tmp_path / "towers")
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config["vision_config"]["intermediate_size"] = 48
    file.write_text(json.dumps(config))
    with pytest.raises(WeightsMismatch, match="of another shape"):
        load_encoder(folder, device="cpu", dtype="float32")
