"""What every encoder keeps, whatever it is made of."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from colvision.core.embedding import PageEmbedding
from colvision.core.encoder import Encoder
from colvision.core.page import Page
from colvision.encoders import load_encoder
from tests.helpers.tiny import save_tiny_colqwen2

pytestmark = pytest.mark.slow

Loader = Callable[[], Encoder]


def load_mini(folder: Path) -> Loader:
    return lambda: load_encoder("mini")


def load_colqwen2(folder: Path) -> Loader:
    checkpoint = save_tiny_colqwen2(folder / "colqwen2")
    return lambda: load_encoder(checkpoint, device="cpu", dtype="float32")


@pytest.fixture(scope="module", params=[load_mini, load_colqwen2])
def load(request, tmp_path_factory) -> Loader:
    return request.param(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def encoder(load) -> Encoder:
    return load()


def printed(text: str, height: int = 220, width: int = 160, mode: str = "RGB") -> Page:
    """A page with the text in it, line by line."""
    image = Image.new(mode, (width, height), "white")
    canvas = ImageDraw.Draw(image)
    for line, words in enumerate(text.split("/")):
        canvas.text((8, 8 + 24 * line), words, fill="black", font=ImageFont.load_default(16))
    return Page(image)


MANUAL = [
    printed("bleed the pump/before use/valve 12"),
    printed("table of/contents", height=140, width=300),
    printed("hydraulic oil/AB-12/34", height=400, width=120),
    printed("safety first", height=90, width=90),
]


def encode(encoder: Encoder, *pages: Page) -> list[PageEmbedding]:
    return list(encoder.encode_pages(pages))


def assert_same(left: PageEmbedding, right: PageEmbedding, tolerance: float = 0.0) -> None:
    np.testing.assert_array_equal(left.grid.cells, right.grid.cells)
    np.testing.assert_array_equal(left.kind, right.kind)
    np.testing.assert_allclose(left.vectors, right.vectors, rtol=0, atol=tolerance)


def test_it_follows_the_protocol(encoder):
    assert isinstance(encoder, Encoder)


def test_one_embedding_a_page_in_order(encoder):
    embeddings = encode(encoder, *MANUAL)
    assert len(embeddings) == len(MANUAL)
    for page, embedding in zip(MANUAL, embeddings, strict=True):
        assert_same(embedding, encode(encoder, page)[0], tolerance=1e-5)


def test_no_pages_give_no_embeddings(encoder):
    assert encode(encoder) == []
    assert encoder.encode_queries([]) == []


def test_a_page_has_the_same_vectors_in_whatever_company_and_order(encoder):
    forwards = encode(encoder, *MANUAL)
    backwards = encode(encoder, *reversed(MANUAL))[::-1]
    assert len(forwards) == len(MANUAL)
    for left, right in zip(forwards, backwards, strict=True):
        assert_same(left, right, tolerance=1e-5)


def test_the_first_page_comes_out_before_the_input_ends(encoder):
    taken = []

    def endless() -> Iterator[Page]:
        for number in count():
            taken.append(number)
            yield MANUAL[number % len(MANUAL)]

    embeddings = encoder.encode_pages(endless())
    next(embeddings)
    assert len(taken) < 200
    next(embeddings)


def test_vectors_have_unit_length_and_the_size_that_is_declared(encoder):
    embeddings = encode(encoder, *MANUAL)
    assert len(embeddings) == len(MANUAL)
    for embedding in embeddings:
        assert embedding.vectors.dtype == np.float32
        assert embedding.vectors.shape[1] == encoder.info.dim
        np.testing.assert_allclose(np.linalg.norm(embedding.vectors, axis=1), 1.0, atol=1e-5)


def test_a_page_lies_upright_and_a_wide_one_across(encoder):
    tall, wide = encode(encoder, printed("valve", 400, 200), printed("valve", 200, 400))
    assert tall.grid.rows > wide.grid.rows
    assert tall.grid.cols < wide.grid.cols


def test_a_blank_page_keeps_a_vector(encoder):
    [embedding] = encode(encoder, Page(Image.new("RGB", (160, 220), "white")))
    assert len(embedding.vectors) >= 1


def test_different_pages_differ(encoder):
    left, right = encode(encoder, printed("bleed the pump"), printed("AB-12/34 oil"))
    nearest = (left.vectors @ right.vectors.T).max(axis=1)  # (n,)
    assert nearest.min() < 0.999


def test_the_same_page_twice_gives_the_same_bytes(encoder):
    assert_same(encode(encoder, MANUAL[0])[0], encode(encoder, MANUAL[0])[0])


def test_a_grey_page_is_the_page_in_colour_without_colours(encoder):
    grey, colour = encode(encoder, printed("bleed the pump", mode="L"), printed("bleed the pump"))
    assert_same(grey, colour, tolerance=1e-5)


@pytest.mark.parametrize("size", [(2400, 40), (40, 2400), (4000, 3), (1, 1), (3, 3), (5, 1), (3, 60)])
def test_odd_shapes_of_pages_still_become_vectors(encoder, size):
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0]), dtype=np.uint8)
    [embedding] = encode(encoder, Page(Image.fromarray(pixels)))
    assert len(embedding.vectors) >= 1


def test_page_components_fit_the_range_of_codes(encoder):
    values = np.concatenate([embedding.vectors.ravel() for embedding in encode(encoder, *MANUAL)])
    assert np.mean(np.abs(values) > encoder.info.quantisation_range) < 1e-3


def test_a_query_keeps_its_words_and_says_which_tokens_are_theirs(encoder):
    [query] = encoder.encode_queries(["bleed the hydraulic pump"])
    assert query.text == "bleed the hydraulic pump"
    assert set(query.words) <= {"bleed", "the", "hydraulic", "pump"} and "pump" in query.words
    assert set(query.word[query.is_query]) == set(range(len(query.words)))
    assert np.all(query.word[~query.is_query] == -1)
    for token, word in zip(query.tokens, query.word, strict=True):
        if word >= 0:
            assert token in query.words[word] or query.words[word] in token


def test_queries_come_in_order_and_alone_as_together(encoder):
    texts = ["pump", "how to bleed the hydraulic pump after a change of oil", "AB-12/3.4", "oil"]
    for text, together in zip(texts, encoder.encode_queries(texts), strict=True):
        [alone] = encoder.encode_queries([text])
        assert together.text == text and together.tokens == alone.tokens
        assert together.vectors.shape[1] == encoder.info.dim
        np.testing.assert_allclose(together.vectors, alone.vectors, rtol=0, atol=1e-5)
        np.testing.assert_array_equal(together.word, alone.word)


def test_the_same_query_twice_gives_the_same_bytes(encoder):
    first, second = (encoder.encode_queries(["bleed the pump"])[0] for _ in range(2))
    np.testing.assert_array_equal(first.vectors, second.vectors)


def test_white_space_around_a_query_changes_nothing(encoder):
    plain, spaced = encoder.encode_queries(["bleed pump", "  bleed \n pump\t"])
    np.testing.assert_allclose(plain.vectors, spaced.vectors, rtol=0, atol=1e-5)


@pytest.mark.parametrize("text", ["Überdruckventil öffnen", "油圧ポンプ", "pe\u0301riode", "pump 😀 valve", "C3PO №5"])
def test_queries_in_any_script_have_words(encoder, text):
    [query] = encoder.encode_queries([text])
    assert query.words and query.is_query.any()


@pytest.mark.parametrize("text", ["", "   ", "\n", "?!", "... --- ..."])
def test_a_query_without_a_word_is_refused(encoder, text):
    with pytest.raises(ValueError, match=r"query"):
        encoder.encode_queries(["pump", text])


def test_a_very_long_query_is_taken(encoder):
    [query] = encoder.encode_queries(["pump valve oil " * 5000])
    assert query.is_query.any() and np.isfinite(query.vectors).all()


def test_a_query_that_is_one_endless_word_is_taken(encoder):
    [query] = encoder.encode_queries(["x7" * 20_000])
    assert query.is_query.any()


def test_what_a_collection_remembers_of_it_is_sane(encoder):
    info = encoder.info
    assert info.name and len(info.fingerprint) >= 16 and info.dim >= 8
    assert 0 < info.quantisation_range <= 1
    assert "torch" in info.versions
    assert encoder.info == info


def test_a_second_load_is_the_same_encoder(load, encoder):
    again = load()
    assert again.info.fingerprint == encoder.info.fingerprint
    assert again.info.quantisation_range == encoder.info.quantisation_range
    assert_same(encode(again, MANUAL[0])[0], encode(encoder, MANUAL[0])[0], tolerance=1e-6)
