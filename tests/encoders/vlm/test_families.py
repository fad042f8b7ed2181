"""Every family of vision-language encoders on tiny random weights: what holds for all of them."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from colvision.core.embedding import VectorKind
from colvision.core.page import Page
from colvision.encoders import load_encoder
from colvision.encoders.vlm.loaded_checkpoint import attention_implementation
from colvision.encoders.vlm.models.colpali import ColPali
from colvision.encoders.vlm.models.colqwen import ColQwen2
from colvision.errors import EncoderNotFound, WeightsMismatch
from colvision.testing.checkpoints import FAMILIES
from colvision.testing.parts import tokenizer
from tests.helpers.families import FOLLOWS_THE_PAGE, encode, noise

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", FAMILIES)
def test_a_page_is_the_same_alone_and_in_a_batch(get, name):
    pages = [noise(56, 90), noise(320, 120, 1), noise(150, 260, 2)]
    together = encode(get(name), *pages)
    for page, beside in zip(pages, together, strict=True):
        [alone] = encode(get(name), page)
        np.testing.assert_array_equal(alone.kind, beside.kind)
        np.testing.assert_array_equal(alone.grid.cells, beside.grid.cells)
        np.testing.assert_allclose(alone.vectors, beside.vectors, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("height", "width"), [(288, 160), (160, 320)])
def test_one_changed_cell_moves_its_own_patch_most(get, name, height, width):
    """The page is not square, and the cell not in the middle: no grid that is turned or shifted passes."""
    encoder = get(name)
    plain = np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)
    [before] = encode(encoder, Page(Image.fromarray(plain)))
    row, col = before.grid.rows - 2, 1
    box = before.grid.box(row, col)
    top, bottom = round(box.top * height), round(box.bottom * height)
    left, right = round(box.left * width), round(box.right * width)
    marked = plain.copy()
    marked[top:bottom, left:right] = np.random.default_rng(3).integers(0, 256, (bottom - top, right - left, 3))
    [after] = encode(encoder, Page(Image.fromarray(marked)))
    moved = after.grid.to_cells(np.linalg.norm(after.vectors - before.vectors, axis=1).astype(np.float32))
    assert np.unravel_index(np.argmax(moved), moved.shape) == (row, col)


@pytest.mark.parametrize("name", FOLLOWS_THE_PAGE)
def test_the_grid_follows_the_shape_of_the_page(get, name):
    tall, wide = encode(get(name), noise(320, 160), noise(160, 320))
    assert tall.grid.rows > tall.grid.cols
    assert wide.grid.rows < wide.grid.cols


def test_colpali_has_one_grid_for_pages_of_every_shape(get):
    pages = encode(get("colpali"), noise(320, 160), noise(40, 500))
    assert [(page.grid.rows, page.grid.cols) for page in pages] == [(8, 8)] * 2


@pytest.mark.parametrize("name", FAMILIES)
def test_the_image_tokens_are_counted_before_a_page_is_encoded(get, name):
    family = get(name).family
    for page in (noise(300, 120), noise(90, 400), noise(33, 35)):
        fitted = family.fit(page.image)
        [kind] = family.page_batch([fitted]).kinds
        assert family.count_patches(fitted) == np.sum(kind != VectorKind.TEXT)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2000, 3), (3, 2000), (1, 60)])
def test_slivers_become_pages_within_the_limit(get, name, size):
    encoder = get(name)
    [embedding] = encode(encoder, Page(Image.new("L", size, 200)))
    assert 1 <= np.sum(embedding.kind == VectorKind.PATCH) <= encoder.family.max_patches


@pytest.mark.parametrize("name", FAMILIES)
def test_queries_are_the_same_alone_and_in_a_batch(get, name):
    texts = ["oil", "how to bleed the hydraulic pump", "AB-12/3.4"]
    for text, together in zip(texts, get(name).encode_queries(texts), strict=True):
        [alone] = get(name).encode_queries([text])
        assert alone.tokens == together.tokens
        np.testing.assert_allclose(alone.vectors, together.vectors, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_ten_augmentation_tokens_count_though_most_are_the_pad_token(get, name):
    [short, _] = get(name).encode_queries(["oil", "bleed the hydraulic pump before use"])
    suffix = get(name).family.prompts.query_suffix.strip()
    token = suffix[: len(suffix) // 10]
    augmentation = [shown == token for shown in short.tokens]
    assert sum(augmentation) == 10
    assert not short.is_query[augmentation].any() and np.all(short.weights[augmentation] > 0)
    assert short.words == ("oil",)


@pytest.mark.parametrize("name", FAMILIES)
def test_bfloat16_stays_near_float32(checkpoint_folder, get, name):
    half = load_encoder(checkpoint_folder(name), device="cpu", dtype="bfloat16")
    [rough], [exact] = encode(half, noise(140, 196)), encode(get(name), noise(140, 196))
    assert np.median(np.sum(rough.vectors * exact.vectors, axis=1)) > 0.98
    assert half.info.fingerprint == get(name).info.fingerprint


@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in ("colpali", "neomme")])
def test_fewer_patches_are_a_coarser_grid(checkpoint_folder, get, name):
    coarse = load_encoder(checkpoint_folder(name), device="cpu", dtype="float32", max_patches=20)
    [fine], [less] = encode(get(name), noise(560, 400)), encode(coarse, noise(560, 400))
    assert np.sum(less.kind == VectorKind.PATCH) <= 20 < np.sum(fine.kind == VectorKind.PATCH)
    assert coarse.info.fingerprint != get(name).info.fingerprint


def test_a_page_of_neomme_has_at_most_as_many_patches_as_max_patches(checkpoint_folder):
    family = load_encoder(checkpoint_folder("neomme"), device="cpu", dtype="float32", max_patches=7).family
    sizes = np.random.default_rng(4).integers(1, 900, (100, 2)).tolist()
    fitted = [family.count_patches(family.fit(Image.new("L", (width, height)))) for width, height in sizes]
    assert max(fitted) <= 7 and min(fitted) >= 1


@pytest.mark.parametrize(("name", "patches"), [("colpali", 32), ("colsmol", 15), ("colqwen3", 7)])
def test_a_limit_that_cannot_be_met_is_refused(checkpoint_folder, name, patches):
    with pytest.raises(ValueError, match=f"max_patches is {patches}"):
        load_encoder(checkpoint_folder(name), device="cpu", dtype="float32", max_patches=patches)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "neomme"])
def test_a_checkpoint_without_a_limit_of_its_own_needs_its_image_processor(checkpoint_folder, tmp_path, name):
    for file in checkpoint_folder(name).iterdir():
        if file.name not in ("preprocessor_config.json", "processor_config.json"):
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(EncoderNotFound, match="lacks its image processor"):
        load_encoder(tmp_path, device="cpu", dtype="float32")


def test_nothing_loads_torchvision(get):
    for name in FAMILIES:
        get(name)
    assert "torchvision" not in sys.modules


def test_tokens_of_another_model_are_refused(checkpoint_folder, tmp_path):
    for file in checkpoint_folder("colmodernvbert").iterdir():
        if "token" not in file.name:
            (tmp_path / file.name).symlink_to(file)
    tokenizer(("<|endoftext|>", "<image>"), "<|endoftext|>").save_pretrained(tmp_path)
    with pytest.raises(WeightsMismatch, match="the tokenizer in .* is not this model's"):
        load_encoder(tmp_path, device="cpu", dtype="float32")


# Attention


@pytest.mark.parametrize("name", FAMILIES)
def test_torchs_own_attention_is_the_plain_one(checkpoint_folder, get, name):
    """And it is what a checkpoint is loaded with, picture and language alike."""
    plain = load_encoder(checkpoint_folder(name), device="cpu", dtype="float32")
    parts = [part for part in plain.family.model.modules() if type(part).__name__.endswith("Attention")]
    assert {part.config._attn_implementation for part in parts if hasattr(part, "config")} == {"sdpa"}
    plain.family.model.set_attn_implementation("eager")
    assert {part.config._attn_implementation for part in parts if hasattr(part, "config")} == {"eager"}
    pages = [noise(56, 90), noise(320, 120, 1)]
    for one, other in zip(encode(plain, *pages), encode(get(name), *pages), strict=True):
        np.testing.assert_allclose(one.vectors, other.vectors, rtol=0, atol=1e-5)
    queries = [each.encode_queries(["bleed the pump", "oil"]) for each in (plain, get(name))]
    for one, other in zip(*queries, strict=True):
        np.testing.assert_allclose(one.vectors, other.vectors, rtol=0, atol=1e-5)


def test_flash_attention_is_for_causal_models_on_cuda_in_bfloat16():
    cuda, cpu, half, full = torch.device("cuda"), torch.device("cpu"), torch.bfloat16, torch.float32
    assert attention_implementation(ColQwen2, cuda, half, has_flash=True) == "flash_attention_2"
    others = [(ColPali, cuda, half), (ColQwen2, cpu, half), (ColQwen2, cuda, full)]
    assert {attention_implementation(*other, has_flash=True) for other in others} == {"sdpa"}
    assert attention_implementation(ColQwen2, cuda, half, has_flash=False) == "sdpa"
