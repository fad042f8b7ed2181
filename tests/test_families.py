"""Every family of vision-language encoders on tiny random weights: what goes wrong elsewhere, tested by family."""

import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    ColModernVBertProcessor,
    ColPaliProcessor,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    SiglipImageProcessorPil,
)
from transformers.models.neomme.processing_neomme import NeoMMEProcessor

from colvision.embedding import Kind, PageEmbedding
from colvision.encoders import load_encoder
from colvision.encoders.colpali import ColPali
from colvision.encoders.colqwen import ColQwen2
from colvision.encoders.origin import attention
from colvision.encoders.vlm import VlmEncoder
from colvision.errors import EncoderError, EncoderNotFound, WeightsMismatch
from colvision.page import Page
from tests.tiny import save_tiny_colqwen2
from tests.tiny_families import SAVERS, tokenizer

ALL = {"colqwen2": save_tiny_colqwen2, **SAVERS}
FOLLOWS_THE_PAGE = [name for name in ALL if name != "colpali"]
TILES = ["colsmol", "colmodernvbert"]
Get = Callable[[str], VlmEncoder]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a family's checkpoint, made once."""
    folders = {}

    def folder_of(name: str):
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name)
            ALL[name](folders[name])
        return folders[name]

    return folder_of


@pytest.fixture(scope="module")
def get(saved) -> Get:
    loaded = {}

    def encoder(name: str) -> VlmEncoder:
        if name not in loaded:
            loaded[name] = load_encoder(saved(name), device="cpu", dtype="float32")
        return loaded[name]

    return encoder


def noise(height: int, width: int, seed: int = 0) -> Page:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Page(Image.fromarray(pixels))


def encode(encoder: VlmEncoder, *pages: Page) -> list[PageEmbedding]:
    return list(encoder.encode_pages(pages))


def as_transformers(encoder: VlmEncoder, **inputs: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return encoder.family.model(**inputs).embeddings[0].numpy()


@pytest.mark.parametrize("name", ALL)
def test_a_page_is_the_same_alone_and_in_a_batch(get, name):
    pages = [noise(56, 90), noise(320, 120, 1), noise(150, 260, 2)]
    together = encode(get(name), *pages)
    for page, beside in zip(pages, together, strict=True):
        [alone] = encode(get(name), page)
        np.testing.assert_array_equal(alone.kind, beside.kind)
        np.testing.assert_array_equal(alone.grid.cells, beside.grid.cells)
        np.testing.assert_allclose(alone.vectors, beside.vectors, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", ALL)
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
    moved = after.grid.place(np.linalg.norm(after.vectors - before.vectors, axis=1).astype(np.float32))
    assert np.unravel_index(np.argmax(moved), moved.shape) == (row, col)


@pytest.mark.parametrize("name", FOLLOWS_THE_PAGE)
def test_the_grid_follows_the_shape_of_the_page(get, name):
    tall, wide = encode(get(name), noise(320, 160), noise(160, 320))
    assert tall.grid.rows > tall.grid.cols
    assert wide.grid.rows < wide.grid.cols


def test_colpali_has_one_grid_for_pages_of_every_shape(get):
    for page in encode(get("colpali"), noise(320, 160), noise(40, 500)):
        assert (page.grid.rows, page.grid.cols) == (8, 8)


@pytest.mark.parametrize("name", ALL)
def test_the_image_tokens_are_counted_before_a_page_is_encoded(get, name):
    family = get(name).family
    for page in (noise(300, 120), noise(90, 400), noise(33, 35)):
        fitted = family.fit(page.image)
        [kind] = family.page_batch([fitted]).kinds
        assert family.patches(fitted) == np.sum(kind != Kind.TEXT)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2000, 3), (3, 2000), (1, 60)])
def test_slivers_become_pages_within_the_limit(get, name, size):
    encoder = get(name)
    [embedding] = encode(encoder, Page(Image.new("L", size, 200)))
    assert 1 <= np.sum(embedding.kind == Kind.PATCH) <= encoder.family.max_patches


@pytest.mark.parametrize("name", ALL)
def test_queries_are_the_same_alone_and_in_a_batch(get, name):
    texts = ["oil", "how to bleed the hydraulic pump", "AB-12/3.4"]
    for text, together in zip(texts, get(name).encode_queries(texts), strict=True):
        [alone] = get(name).encode_queries([text])
        assert alone.tokens == together.tokens
        np.testing.assert_allclose(alone.vectors, together.vectors, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", ALL)
def test_ten_augmentation_tokens_count_though_most_are_the_pad_token(get, name):
    [short, _] = get(name).encode_queries(["oil", "bleed the hydraulic pump before use"])
    suffix = get(name).family.prompts.query_suffix.strip()
    token = suffix[: len(suffix) // 10]
    augmentation = [shown == token for shown in short.tokens]
    assert sum(augmentation) == 10
    assert not short.is_query[augmentation].any() and np.all(short.weights[augmentation] > 0)
    assert short.words == ("oil",)


@pytest.mark.parametrize("name", ALL)
def test_bfloat16_stays_near_float32(saved, get, name):
    half = load_encoder(saved(name), device="cpu", dtype="bfloat16")
    [rough], [exact] = encode(half, noise(140, 196)), encode(get(name), noise(140, 196))
    assert np.median(np.sum(rough.vectors * exact.vectors, axis=1)) > 0.98
    assert half.info.fingerprint == get(name).info.fingerprint


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("colpali", "neomme")])
def test_fewer_patches_are_a_coarser_grid(saved, get, name):
    coarse = load_encoder(saved(name), device="cpu", dtype="float32", max_patches=20)
    [fine], [less] = encode(get(name), noise(560, 400)), encode(coarse, noise(560, 400))
    assert np.sum(less.kind == Kind.PATCH) <= 20 < np.sum(fine.kind == Kind.PATCH)
    assert coarse.info.fingerprint != get(name).info.fingerprint


def test_a_page_of_neomme_has_at_most_as_many_patches_as_were_asked_for(saved):
    family = load_encoder(saved("neomme"), device="cpu", dtype="float32", max_patches=7).family
    sizes = np.random.default_rng(4).integers(1, 900, (100, 2)).tolist()
    fitted = [family.patches(family.fit(Image.new("L", (width, height)))) for width, height in sizes]
    assert max(fitted) <= 7 and min(fitted) >= 1


@pytest.mark.parametrize(("name", "patches"), [("colpali", 32), ("colsmol", 15), ("colqwen3", 7)])
def test_a_limit_that_cannot_be_met_is_refused(saved, name, patches):
    with pytest.raises(ValueError, match=f"max_patches is {patches}"):
        load_encoder(saved(name), device="cpu", dtype="float32", max_patches=patches)


@pytest.mark.parametrize("name", [name for name in ALL if name != "neomme"])
def test_a_checkpoint_without_a_limit_of_its_own_needs_its_image_processor(saved, tmp_path, name):
    for file in saved(name).iterdir():
        if file.name not in ("preprocessor_config.json", "processor_config.json"):
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(EncoderNotFound, match="lacks its image processor"):
        load_encoder(tmp_path, device="cpu", dtype="float32")


def test_nothing_loads_torchvision(get):
    for name in ALL:
        get(name)
    assert "torchvision" not in sys.modules


# ColPali: all tokens see each other, padding is on the right


def colpali_processor(folder) -> ColPaliProcessor:
    pictures = SiglipImageProcessorPil.from_pretrained(folder)
    pictures.image_seq_length = 64
    return ColPaliProcessor(pictures, get_tokenizer(folder), query_prefix="Question: ")


def get_tokenizer(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def test_colpali_pages_and_queries_are_those_of_transformers(saved, get):
    encoder, processor = get("colpali"), colpali_processor(saved("colpali"))
    page = noise(300, 180)
    made = processor(images=[page.image])
    [ours] = encode(encoder, page)
    expected = as_transformers(encoder, **{key: made[key] for key in made if key != "labels"})
    np.testing.assert_allclose(ours.vectors, expected, rtol=0, atol=1e-5)
    [query] = encoder.encode_queries(["bleed the pump"])
    asked = processor(text=["bleed the pump"])
    np.testing.assert_allclose(query.vectors, as_transformers(encoder, **asked), rtol=0, atol=1e-5)


@pytest.mark.parametrize("what", ["page", "query"])
def test_colpali_reads_both_ways(get, what):
    """As it was trained: the first token sees the last."""
    encoder = get("colpali")
    family = encoder.family
    if what == "page":
        inputs = dict(family.page_batch([family.fit(noise(300, 180).image)]).inputs)
    else:
        inputs = dict(family.query_inputs(*family.padded([family.token_ids("<bos>Question: bleed the pump")])))
    before = as_transformers(encoder, **inputs)
    inputs["input_ids"] = inputs["input_ids"].clone()
    inputs["input_ids"][0, -1] += 1
    assert np.abs(as_transformers(encoder, **inputs) - before)[0].max() > 1e-3


def test_colpali_pads_on_the_right_and_counts_from_one(get):
    family = get("colpali").family
    ids, mask = family.padded([[5, 6, 7, 8], [9, family.tokenizer.pad_token_id]])
    assert mask.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert family.query_inputs(ids, mask)["position_ids"][0].tolist() == [1, 2, 3, 4]


def test_pictures_of_another_size_than_colpali_was_made_for_are_refused(saved, tmp_path):
    for file in saved("colpali").iterdir():
        if file.name != "preprocessor_config.json":
            (tmp_path / file.name).symlink_to(file)
    SiglipImageProcessorPil(size={"height": 224, "width": 224}).save_pretrained(tmp_path)
    with pytest.raises(WeightsMismatch, match="the model expects 112 x 112"):
        load_encoder(tmp_path, device="cpu", dtype="float32")


# Tiles: tile by tile, the whole page last


def tile_processor(name: str, folder) -> Callable[[Page], list[int]]:
    """transformers' own processor: a page's token ids."""
    pictures, tokens = Idefics3ImageProcessorPil.from_pretrained(folder), get_tokenizer(folder)
    if name == "colmodernvbert":
        own = ColModernVBertProcessor(pictures, tokens, image_seq_len=16)
        return lambda page: own.process_images([page.image])["input_ids"][0].tolist()
    own = Idefics3Processor(pictures, tokens, image_seq_len=16)
    prompt = "<|im_start|>user\n<image>Describe the image.<end_of_utterance>"
    return lambda page: own(text=[prompt], images=[page.image], return_tensors="pt")["input_ids"][0].tolist()


@pytest.mark.parametrize("name", TILES)
def test_tokens_of_a_page_in_tiles_are_those_of_transformers(saved, get, name):
    expected = tile_processor(name, saved(name))
    family = get(name).family
    for page in (noise(320, 180), noise(100, 400)):
        ids = family.page_batch([family.fit(page.image)]).inputs["input_ids"]
        assert ids[0].tolist() == expected(page)


@pytest.mark.parametrize("name", TILES)
def test_the_view_of_the_whole_page_has_no_place_on_it(get, name):
    [embedding] = encode(get(name), noise(320, 180))
    assert (embedding.grid.rows, embedding.grid.cols) == (16, 12)
    whole = np.flatnonzero(embedding.kind == Kind.GLOBAL)
    assert len(whole) == 16
    assert whole.min() > np.flatnonzero(embedding.kind == Kind.PATCH).max()


@pytest.mark.parametrize("name", TILES)
def test_rows_of_the_grid_cross_the_tiles(get, name):
    """Tokens run tile by tile: a row of the page is taken from all tiles beside each other."""
    [embedding] = encode(get(name), noise(320, 180))
    patches = np.flatnonzero(embedding.kind == Kind.PATCH)  # tile by tile, (4 tiles, 3 tiles, 4, 4) tokens
    beside = np.concatenate([patches[tile * 16 + 4 : tile * 16 + 8] for tile in range(3)])
    np.testing.assert_array_equal(embedding.grid.cells[1], beside)
    below = np.concatenate([patches[tile * 16 : tile * 16 + 4] for tile in range(3, 6)])
    np.testing.assert_array_equal(embedding.grid.cells[4], below)


@pytest.mark.parametrize("name", TILES)
def test_a_page_that_is_one_tile_is_its_own_only_view(saved, name):
    encoder = load_encoder(saved(name), device="cpu", dtype="float32", max_patches=16)
    [embedding] = encode(encoder, noise(320, 180))
    assert (embedding.grid.rows, embedding.grid.cols) == (4, 4)
    assert not np.any(embedding.kind == Kind.GLOBAL)


# Qwen3-VL and Qwen3.5: our own projection over the backbone


@pytest.mark.parametrize("name", ["colqwen2.5", "colqwen3", "colqwen3.5"])
def test_patches_of_every_qwen_have_positions_in_rows_and_columns(get, name):
    """The backbone, left to compute its own positions, gives the same vectors; in one line it gives others."""
    encoder = get(name)
    family, page = encoder.family, noise(224, 140)
    [ours] = encode(encoder, page)
    made = family.pictures(images=[page.image], return_tensors="pt")
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


# NeoMME: patches cut by ourselves


def test_patches_of_neomme_are_cut_row_by_row_with_colours_innermost(get):
    family = get("neomme").family
    page = noise(96, 64)
    pixels = np.asarray(page.image, dtype=np.float32) / 255 * 2 - 1
    cut = family.page_batch([family.fit(page.image)]).inputs["pixel_values"].numpy()
    assert cut.shape == (6, 3 * 32 * 32)
    np.testing.assert_allclose(cut[3], pixels[32:64, 32:64].ravel(), atol=1e-6)


def test_positions_of_neomme_are_those_of_its_processor(get):
    family = get("neomme").family
    images = [noise(160, 96).image, noise(64, 64).image]  # 5 x 3 and 2 x 2 patches
    inputs = family.page_batch([family.fit(image) for image in images]).inputs
    for number, (rows, cols) in enumerate([(5, 3), (2, 2)]):
        expected = NeoMMEProcessor._image_positions(rows, cols)  # (tokens, axes)
        np.testing.assert_array_equal(inputs["position_ids"][:, number, : len(expected)], expected.T)


def test_the_tokens_of_a_neomme_page_are_marker_image_and_rows(get):
    family = get("neomme").family
    [ids] = family.page_batch([family.fit(noise(64, 96).image)]).inputs["input_ids"]
    shown = family.tokenizer.convert_ids_to_tokens(ids)
    assert shown == ["<doc>", "<img>", *2 * ["<img>", "<img>", "<img>", "<row>"]]


def test_a_query_of_neomme_scores_by_the_mean(get):
    short, long = get("neomme").encode_queries(["oil", "bleed the hydraulic pump"])
    for query in (short, long):
        assert query.weights.sum() == pytest.approx(1)


def test_a_template_that_drops_the_query_is_refused(saved, tmp_path):
    for file in saved("neomme").iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).symlink_to(file)
    (tmp_path / "chat_template.jinja").write_text("{{ query_token }}")
    with pytest.raises(WeightsMismatch, match="expected the query once"):
        load_encoder(tmp_path, device="cpu", dtype="float32")


def test_tokens_of_another_model_are_refused(saved, tmp_path):
    for file in saved("colmodernvbert").iterdir():
        if "token" not in file.name:
            (tmp_path / file.name).symlink_to(file)
    tokenizer(("<|endoftext|>", "<image>"), "<|endoftext|>").save_pretrained(tmp_path)
    with pytest.raises(WeightsMismatch, match="the tokenizer in .* is not this model's"):
        load_encoder(tmp_path, device="cpu", dtype="float32")


# Batches


def test_out_of_memory_halves_the_batch_and_goes_on(saved):
    encoder = load_encoder(saved("colqwen2.5"), device="cpu", dtype="float32")
    pages = [noise(140, 84, seed) for seed in range(6)]
    expected = encode(encoder, *pages)
    sizes = []

    def refuse_large(module: torch.nn.Module, args: object, inputs: dict[str, torch.Tensor]) -> None:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    encoder.family.model.register_forward_pre_hook(refuse_large, with_kwargs=True)
    again = encode(encoder, *pages)
    assert max(sizes) == 6 and sizes.count(2) + sizes.count(1) >= 3
    for left, right in zip(expected, again, strict=True):
        np.testing.assert_allclose(left.vectors, right.vectors, rtol=0, atol=1e-5)
    sizes.clear()
    encode(encoder, *pages)
    assert max(sizes) < 6, "the next batches are as small from the start"


def test_a_single_page_that_is_too_large_for_the_memory_says_what_to_do(saved):
    encoder = load_encoder(saved("colqwen2.5"), device="cpu", dtype="float32")

    def refuse(module: torch.nn.Module, args: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    encoder.family.model.register_forward_pre_hook(refuse)
    with pytest.raises(EncoderError, match="a single page of 15 patches: load it with a smaller max_patches"):
        encode(encoder, noise(140, 84), noise(140, 84, 1))


def test_pages_are_read_in_the_thread_that_asks_and_come_in_their_order(saved):
    """What ingest counts while pages are read must not be counted from two threads."""
    encoder = load_encoder(saved("colqwen2.5"), device="cpu", dtype="float32")
    readers = set()

    def pages():
        for seed in range(12):
            readers.add(threading.get_ident())
            yield noise(60 + 40 * (seed * 5 % 12), 90, seed)

    embeddings = list(encoder.encode_pages(pages()))
    assert readers == {threading.get_ident()}
    for page, embedding in zip(pages(), embeddings, strict=True):
        [alone] = encode(encoder, page)
        np.testing.assert_allclose(alone.vectors, embedding.vectors, rtol=0, atol=2e-5)


# Attention


@pytest.mark.parametrize("name", ALL)
def test_torchs_own_attention_is_the_plain_one(saved, get, name):
    """And it is what a checkpoint is loaded with, picture and language alike."""
    plain = load_encoder(saved(name), device="cpu", dtype="float32")
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
    assert attention(ColQwen2, cuda, half, has_flash=True) == "flash_attention_2"
    others = [(ColPali, cuda, half), (ColQwen2, cpu, half), (ColQwen2, cuda, full)]
    assert {attention(*other, has_flash=True) for other in others} == {"sdpa"}
    assert attention(ColQwen2, cuda, half, has_flash=False) == "sdpa"
