"""ColPali, tiles and Qwen on tiny random weights: the forward pass that each was trained with."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import (
    ColModernVBertProcessor,
    ColPaliProcessor,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    SiglipImageProcessorPil,
)

from colvision.core.embedding import VectorKind
from colvision.core.page import Page
from colvision.encoders import load_encoder
from colvision.errors import WeightsMismatch
from tests.helpers.families import TILES, as_transformers, encode, get_tokenizer, noise

pytestmark = pytest.mark.slow

# ColPali: all tokens see each other, padding is on the right


def colpali_processor(folder) -> ColPaliProcessor:
    pictures = SiglipImageProcessorPil.from_pretrained(folder)
    pictures.image_seq_length = 64
    return ColPaliProcessor(pictures, get_tokenizer(folder), query_prefix="Question: ")


def test_colpali_pages_and_queries_are_those_of_transformers(checkpoint_folder, get):
    encoder, processor = get("colpali"), colpali_processor(checkpoint_folder("colpali"))
    page = noise(300, 180)
    made = processor(images=[page.image])
    [ours] = encode(encoder, page)
    expected = as_transformers(encoder, **{key: made[key] for key in made if key != "labels"})
    np.testing.assert_allclose(ours.vectors, expected, rtol=0, atol=1e-5)
    [query] = encoder.encode_queries(["bleed the pump"])
    inputs = processor(text=["bleed the pump"])
    np.testing.assert_allclose(query.vectors, as_transformers(encoder, **inputs), rtol=0, atol=1e-5)


@pytest.mark.parametrize("what", ["page", "query"])
def test_colpali_reads_both_ways(get, what):
    """As it was trained: the first token sees the last."""
    encoder = get("colpali")
    family = encoder.family
    if what == "page":
        inputs = dict(family.page_batch([family.fit(noise(300, 180).image)]).inputs)
    else:
        inputs = dict(family.query_inputs(*family.pad([family.token_ids("<bos>Question: bleed the pump")])))
    before = as_transformers(encoder, **inputs)
    inputs["input_ids"] = inputs["input_ids"].clone()
    inputs["input_ids"][0, -1] += 1
    assert np.abs(as_transformers(encoder, **inputs) - before)[0].max() > 1e-3


def test_colpali_pads_on_the_right_and_counts_from_one(get):
    family = get("colpali").family
    ids, mask = family.pad([[5, 6, 7, 8], [9, family.tokenizer.pad_token_id]])
    assert mask.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert family.query_inputs(ids, mask)["position_ids"][0].tolist() == [1, 2, 3, 4]


def test_pictures_of_another_size_than_colpali_was_made_for_are_refused(checkpoint_folder, tmp_path):
    for file in checkpoint_folder("colpali").iterdir():
        if file.name != "preprocessor_config.json":
            (tmp_path / file.name).symlink_to(file)
    SiglipImageProcessorPil(size={"height": 224, "width": 224}).save_pretrained(tmp_path)
    with pytest.raises(WeightsMismatch, match="its height is 224, the model expects 112"):
        load_encoder(tmp_path, device="cpu", dtype="float32")


# Tiles: tile by tile, the whole page last


def tile_processor(name: str, folder) -> Callable[[Page], list[int]]:
    """transformers' own processor: a page's token ids."""
    pictures, tokens = Idefics3ImageProcessorPil.from_pretrained(folder), get_tokenizer(folder)
    if name == "colmodernvbert":
        own = ColModernVBertProcessor(pictures, tokens, image_seq_len=16)
        return lambda page: own.process_images([page.image])["input_ids"][0].tolist()
    own = Idefics3Processor(pictures, tokens, image_seq_len=16)
    prompt = "<|im_start|>User: Describe the image.<image><end_of_utterance>"
    return lambda page: own(text=[prompt], images=[page.image], return_tensors="pt")["input_ids"][0].tolist()


@pytest.mark.parametrize("name", TILES)
def test_tokens_of_a_page_in_tiles_are_those_of_transformers(checkpoint_folder, get, name):
    expected = tile_processor(name, checkpoint_folder(name))
    family = get(name).family
    for page in (noise(320, 180), noise(100, 400)):
        ids = family.page_batch([family.fit(page.image)]).inputs["input_ids"]
        assert ids[0].tolist() == expected(page)


@pytest.mark.parametrize("name", TILES)
def test_the_view_of_the_whole_page_has_no_place_on_it(get, name):
    [embedding] = encode(get(name), noise(320, 180))
    assert (embedding.grid.rows, embedding.grid.cols) == (16, 12)
    whole = np.flatnonzero(embedding.kind == VectorKind.GLOBAL)
    assert len(whole) == 16
    assert whole.min() > np.flatnonzero(embedding.kind == VectorKind.PATCH).max()


@pytest.mark.parametrize("name", TILES)
def test_rows_of_the_grid_cross_the_tiles(get, name):
    """Tokens run tile by tile: a row of the page is taken from all tiles beside each other."""
    [embedding] = encode(get(name), noise(320, 180))
    patches = np.flatnonzero(embedding.kind == VectorKind.PATCH)  # tile by tile, (4 tiles, 3 tiles, 4, 4) tokens
    beside = np.concatenate([patches[tile * 16 + 4 : tile * 16 + 8] for tile in range(3)])
    np.testing.assert_array_equal(embedding.grid.cells[1], beside)
    below = np.concatenate([patches[tile * 16 : tile * 16 + 4] for tile in range(3, 6)])
    np.testing.assert_array_equal(embedding.grid.cells[4], below)


@pytest.mark.parametrize("name", TILES)
def test_a_page_that_is_one_tile_is_its_own_only_view(checkpoint_folder, name):
    encoder = load_encoder(checkpoint_folder(name), device="cpu", dtype="float32", max_patches=16)
    [embedding] = encode(encoder, noise(320, 180))
    assert (embedding.grid.rows, embedding.grid.cols) == (4, 4)
    assert not np.any(embedding.kind == VectorKind.GLOBAL)


# Qwen3-VL and Qwen3.5: our own projection over the backbone


@pytest.mark.parametrize("name", ["colqwen2.5", "colqwen3", "colqwen3.5"])
def test_patches_of_every_qwen_have_positions_in_rows_and_columns(get, name):
    """The backbone, left to compute its own positions, gives the same vectors; in one line it gives others."""
    encoder = get(name)
    family, page = encoder.family, noise(224, 140)
    [ours] = encode(encoder, page)
    made = family.image_processor(images=[page.image], return_tensors="pt")
    ids = family.page_batch([page.image]).inputs["input_ids"]
    with torch.no_grad():
        states = family.model.vlm(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=made["pixel_values"],
            image_grid_thw=made["image_grid_thw"],
            mm_token_type_ids=(ids == family.image_token_id).int(),
        ).last_hidden_state[0]
        expected = torch.nn.functional.normalize(family.model.embedding_proj_layer(states), dim=-1).numpy()
    np.testing.assert_allclose(ours.vectors, expected, rtol=0, atol=1e-5)
    inputs = dict(family.page_batch([page.image]).inputs)
    inputs["position_ids"] = torch.arange(ids.shape[1])[None]
    assert np.abs(expected - as_transformers(encoder, **inputs)).max() > 0.05


def test_a_patch_of_the_newer_qwens_is_32_pixels_wide(get):
    [embedding] = encode(get("colqwen3"), noise(160, 96))
    assert (embedding.grid.rows, embedding.grid.cols) == (5, 3)
