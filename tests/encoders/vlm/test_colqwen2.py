"""ColQwen2 on tiny random weights: the traps in which the field's code lies, each with its own test."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ColQwen2Processor, Qwen2VLImageProcessorPil

from colvision.core.embedding import PageEmbedding, VectorKind
from colvision.core.page import Page
from colvision.encoders import load_encoder
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.encoders.vlm.models.colqwen import ColQwen2
from colvision.encoders.vlm.prompted import tokenise_query
from colvision.testing import tiny_checkpoint
from colvision.testing.parts import PATCHES

pytestmark = pytest.mark.slow

PROMPT = "<|im_start|>user\n<|vision_start|>", "<|vision_end|>Describe the image.<|im_end|><|endoftext|>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny-colqwen2"))


@pytest.fixture(scope="module")
def encoder(folder) -> VlmEncoder:
    return load_encoder(folder, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def processor(folder) -> ColQwen2Processor:
    """transformers' own, whole."""
    return ColQwen2Processor.from_pretrained(folder)


def noise(height: int, width: int, seed: int = 0) -> Page:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Page(Image.fromarray(pixels))


def encode(encoder: VlmEncoder, *pages: Page) -> list[PageEmbedding]:
    return list(encoder.encode_pages(pages))


def reference(encoder: VlmEncoder, processor: ColQwen2Processor, page: Page) -> np.ndarray:
    """(n, dim): the backbone left to compute its own positions, then projection and unit length."""
    model = encoder.family.model
    made = processor(images=[page.image])
    with torch.no_grad():
        states = model.vlm(
            input_ids=made["input_ids"],
            attention_mask=made["attention_mask"],
            pixel_values=made["pixel_values"][0],
            image_grid_thw=made["image_grid_thw"],
            mm_token_type_ids=(made["input_ids"] == processor.image_token_id).int(),
        ).last_hidden_state[0]
        projected = model.embedding_proj_layer(states)
    return (projected / projected.norm(dim=-1, keepdim=True)).numpy()


def as_transformers_calls_it(encoder: VlmEncoder, processor: ColQwen2Processor, page: Page) -> np.ndarray:
    with torch.no_grad():
        return encoder.family.model(**processor(images=[page.image])).embeddings[0].numpy()


@pytest.mark.parametrize(("height", "width"), [(196, 140), (140, 252), (140, 140)])
def test_patches_have_positions_in_rows_and_columns(encoder, processor, height, width):
    page = noise(height, width)
    [ours] = encode(encoder, page)
    expected = reference(encoder, processor, page)
    np.testing.assert_allclose(ours.vectors, expected, rtol=0, atol=1e-5)
    without_positions = as_transformers_calls_it(encoder, processor, page)
    assert np.sum(expected * without_positions, axis=1).mean() < 0.9


def test_positions_are_those_of_the_paper(encoder):
    family = encoder.family
    images = [noise(84, 140).image, noise(56, 56).image]  # 3 x 5 and 2 x 2 patches
    positions = family.page_batch(images).inputs["position_ids"]  # (axes, pages, tokens)
    before, after = (len(family.tokenizer(text)["input_ids"]) for text in PROMPT)
    rows, cols = np.divmod(np.arange(15), 5)
    first = [np.arange(before), np.full(15, before), before + 5 + np.arange(after)]
    np.testing.assert_array_equal(positions[0, 0], np.concatenate(first))
    np.testing.assert_array_equal(positions[1, 0, before : before + 15], before + rows)
    np.testing.assert_array_equal(positions[2, 0, before : before + 15], before + cols)
    padding = 15 - 4
    np.testing.assert_array_equal(positions[1, 1, padding + before :][:4], before + np.array([0, 0, 1, 1]))


@pytest.mark.parametrize(("height", "width"), [(196, 84), (84, 196), (336, 112)])
def test_a_hot_cell_of_a_page_that_is_not_square_moves_its_own_patch_most(encoder, height, width):
    rows, cols = height // 28, width // 28
    row, col = rows - 2, 1
    white = np.full((height, width, 3), 255, dtype=np.uint8)
    marked = white.copy()
    marked[row * 28 : row * 28 + 28, col * 28 : col * 28 + 28] = np.random.default_rng(3).integers(0, 256, (28, 28, 3))
    before, after = encode(encoder, Page(Image.fromarray(white)), Page(Image.fromarray(marked)))
    assert (before.grid.rows, before.grid.cols) == (rows, cols)
    moved = np.linalg.norm(after.vectors - before.vectors, axis=1)  # (n,)
    on_page = after.grid.to_cells(moved.astype(np.float32))  # (rows, cols)
    assert np.unravel_index(np.argmax(on_page), on_page.shape) == (row, col)


def test_the_grid_is_that_of_the_processed_page(encoder, processor):
    for page in (noise(700, 500), noise(500, 700), noise(90, 1000)):
        _, rows, cols = processor(images=[page.image])["image_grid_thw"][0].tolist()
        [embedding] = encode(encoder, page)
        assert embedding.grid.cells.shape == (rows // 2, cols // 2)


def test_prompt_tokens_stay_in_the_page_but_have_no_place_on_it(encoder):
    [embedding] = encode(encoder, noise(84, 140))
    tokens = encoder.family.tokenizer(PROMPT[0])["input_ids"], encoder.family.tokenizer(PROMPT[1])["input_ids"]
    expected = [VectorKind.TEXT] * len(tokens[0]) + [VectorKind.PATCH] * 15 + [VectorKind.TEXT] * len(tokens[1])
    assert embedding.kind.tolist() == expected
    np.testing.assert_array_equal(embedding.grid.cells.ravel(), len(tokens[0]) + np.arange(15))


def test_the_pad_token_at_the_end_of_the_page_prompt_is_kept(encoder):
    """ColQwen2's page prompt ends with the token that also pads: dropping pad tokens by id would drop it."""
    batch = encoder.family.page_batch([noise(84, 140).image, noise(56, 56).image])
    pad = encoder.family.tokenizer.pad_token_id
    assert batch.inputs["input_ids"][0, -1] == pad and batch.inputs["attention_mask"][0, -1] == 1
    for embedding, kind in zip(encode(encoder, noise(84, 140), noise(56, 56)), batch.kinds, strict=True):
        assert len(embedding.vectors) == len(kind)


def test_a_short_page_is_the_same_beside_a_long_one(encoder):
    short, long = noise(56, 56), noise(224, 140)
    [alone] = encode(encoder, short)
    beside, _ = encode(encoder, short, long)
    assert len(alone.vectors) == len(beside.vectors)
    np.testing.assert_allclose(alone.vectors, beside.vectors, rtol=0, atol=1e-5)


def test_query_tokens_are_those_of_transformers(encoder, processor):
    for text in ("bleed the pump", "Ölfilter AB-12/3.4?", "x"):
        expected = processor(text=[text])["input_ids"][0].tolist()
        assert tokenise_query(encoder.family, text).ids == expected


def test_query_vectors_are_those_of_transformers(encoder, processor):
    text = "bleed the hydraulic pump"
    with torch.no_grad():
        expected = encoder.family.model(**processor(text=[text])).embeddings[0].numpy()
    [query] = encoder.encode_queries([text])
    np.testing.assert_allclose(query.vectors, expected, rtol=0, atol=1e-5)


def test_augmentation_tokens_count_though_they_are_the_pad_token(encoder):
    short, _ = encoder.encode_queries(["oil", "bleed the hydraulic pump before use"])
    augmentation = [token == "<|endoftext|>" for token in short.tokens]
    assert sum(augmentation) == 10
    assert not short.is_query[augmentation].any()
    assert np.all(short.weights == 1)
    assert short.tokens[:2] == ("Query", ":") and not short.is_query[:2].any()


def test_pieces_of_a_word_are_joined(encoder):
    [query] = encoder.encode_queries(["replace the o-ring, seal!"])
    assert query.words == ("replace", "the", "o-ring", "seal")
    joined = ["".join(query.tokens[i] for i in np.flatnonzero(query.word == w)) for w in range(4)]
    assert joined == ["replace", "the", "o-ring", "seal"]
    assert all(query.word[i] == -1 for i, token in enumerate(query.tokens) if token in ",!")


def test_a_query_is_cut_after_512_tokens_and_says_so(encoder):
    text = "ポ" * 600  # three tokens each, sharing one character
    [query] = encoder.encode_queries([text])
    assert query.text == text
    assert 509 < query.is_query.sum() <= 512
    assert query.left_out == (text,), "a part of it is"
    [words, short] = encoder.encode_queries(["x " * 500 + "bolt " * 300, "replace the seal"])
    assert len(words.words) + len(words.left_out) == 800
    assert set(words.left_out) == {"bolt"} and short.left_out == ()


def test_fewer_patches_are_a_coarser_grid(folder, encoder):
    coarse = load_encoder(folder, device="cpu", dtype="float32", max_patches=12)
    page = noise(560, 400)
    [fine], [less] = encode(encoder, page), encode(coarse, page)
    assert np.sum(fine.kind == VectorKind.PATCH) <= PATCHES
    assert np.sum(less.kind == VectorKind.PATCH) <= 12 < np.sum(fine.kind == VectorKind.PATCH)
    assert coarse.info.fingerprint != encoder.info.fingerprint


@pytest.mark.parametrize("size", [(4000, 3), (3, 4000), (9000, 30), (1, 1), (250, 1)])
def test_slivers_keep_to_the_limit_of_patches(folder, size):
    encoder = load_encoder(folder, device="cpu", dtype="float32", max_patches=16)
    [embedding] = encode(encoder, Page(Image.new("L", size, 255)))
    assert 1 <= np.sum(embedding.kind == VectorKind.PATCH) <= 16


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (19, 19), (3, 60), (60, 1), (4000, 3)])
def test_a_page_of_a_few_pixels_is_enlarged_before_its_rows_are_taken_for_channels(encoder, size):
    fitted = encoder.family.fit(Image.new("L", size))
    assert min(fitted.size) >= 28
    assert (fitted.width > fitted.height) == (size[0] > size[1])


@pytest.mark.parametrize("limit", [8, 9, 16])
def test_no_page_becomes_more_patches_than_the_limit(folder, limit):
    family = load_encoder(folder, device="cpu", dtype="float32", max_patches=limit).family
    sizes = np.random.default_rng(4).integers(1, 130, (200, 2)).tolist()
    assert (
        max(family.count_patches(*family.fit(Image.new("L", (width, height))).size) for width, height in sizes) <= limit
    )


def test_an_ordinary_page_reaches_the_processor_untouched(encoder):
    image = noise(700, 500).image
    np.testing.assert_array_equal(encoder.family.fit(image), image)


def test_bfloat16_stays_near_float32_and_has_unit_vectors(folder, encoder):
    half = load_encoder(folder, device="cpu", dtype="bfloat16")
    page = noise(140, 196)
    [rough], [exact] = encode(half, page), encode(encoder, page)
    assert rough.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rough.vectors, axis=1), 1.0, atol=1e-5)
    assert np.sum(rough.vectors * exact.vectors, axis=1).mean() > 0.99
    assert half.info.versions["dtype"] == "bfloat16"
    assert half.info.fingerprint == encoder.info.fingerprint


def test_pages_are_scaled_without_torchvision(encoder):
    assert type(encoder.family.image_processor) is Qwen2VLImageProcessorPil
    assert "torchvision" not in sys.modules


def test_the_model_is_still_trainable_from_the_same_inputs(folder):
    """What fine-tuning calls: the family's inputs, the model's own forward, gradients."""
    encoder = load_encoder(folder, device="cpu", dtype="float32")
    assert isinstance(encoder.family, ColQwen2)
    batch = encoder.family.page_batch([noise(84, 84).image])
    encoder.family.model(**encoder.family.to_device(batch.inputs)).embeddings.sum().backward()
    assert encoder.family.model.embedding_proj_layer.weight.grad is not None
