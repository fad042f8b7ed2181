"""The same weights, pages and questions through the original implementations, and through colvision.

`make oracles` makes the reference arrays anew; here they are only compared.
"""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from colvision.core.page import Page
from colvision.encoders import load_encoder
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.encoders.vlm.family import Family, ProcessorConfig
from colvision.encoders.vlm.models.colqwen import ColQwen2
from tests.helpers.families import noise
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
    """In a batch and alone, where there is no padding, and attention is masked in other ways."""
    name, encoder = case
    alone = [embedding for page in pages() for embedding in encoder.encode_pages([Page(page)])]
    for embeddings in (list(encoder.encode_pages(map(Page, pages()))), alone):
        assert len(embeddings) == len(pages())
        for number, embedding in enumerate(embeddings):
            np.testing.assert_allclose(embedding.vectors, reference(name, f"page{number}"), rtol=0, atol=TOLERANCE)


def test_queries_are_those_of_the_original(case):
    """In a batch and alone."""
    name, encoder = case
    alone = [query for question in QUESTIONS for query in encoder.encode_queries([question])]
    for queries in (encoder.encode_queries(QUESTIONS), alone):
        assert len(queries) == len(QUESTIONS)
        for number, query in enumerate(queries):
            np.testing.assert_allclose(query.vectors, reference(name, f"query{number}"), rtol=0, atol=TOLERANCE)


def test_a_changed_cell_moves_the_image_feature_of_its_place_most(case):
    """Of the vision encoder: behind it random weights this sharp, and Qwen3.5's recurrent layers, move others as much,
    so that `colvision doctor` does not find its planted patches in some of these checkpoints.
    """
    _, encoder = case
    picture = noise(420, 300).image
    grid = next(iter(encoder.encode_pages([Page(picture)]))).grid
    cells, before = image_features(encoder.family, picture)
    assert cells.shape == grid.cells.shape
    for cell in list(np.ndindex(cells.shape))[::5]:
        box = grid.box(*cell)
        left, top, right, bottom = box.left, box.top, box.right, box.bottom
        changed = picture.copy()
        changed.paste("white", (round(300 * left), round(420 * top), round(300 * right), round(420 * bottom)))
        _, after = image_features(encoder.family, changed)
        moved = np.linalg.norm(after - before, axis=1)[cells]  # (rows, cols)
        assert np.unravel_index(moved.argmax(), moved.shape) == cell


def image_features(family: Family, picture: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """The image token of each cell of a page, (rows, cols), and what the language model gets for each token, (m, d)."""
    fitted = family.fit(picture)
    inputs = family.to_device(family.page_batch([fitted]).inputs)
    pixels, options = inputs["pixel_values"], {}
    if "image_grid_thw" in inputs:
        pixels, options = pixels.flatten(0, -2), {"image_grid_thw": inputs["image_grid_thw"]}
    with torch.inference_mode():
        features = family.model.vlm.get_image_features(pixels, **options).pooler_output
    return family.process(fitted)[1].cells, torch.cat(list(features)).numpy()


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
