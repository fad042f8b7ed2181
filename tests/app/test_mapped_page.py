"""A page image with a map of any origin, as a picture and as a client draws it."""

import base64

import numpy as np
import pytest
from colvision.app.mapped_page import MappedPage
from PIL import Image

WORDS = ("oil", "pump")


@pytest.fixture
def similarity_map():
    """(2, 3, 4): wider than high, so that rows and columns cannot be mistaken for each other."""
    values = np.full((2, 3, 4), 0.1, np.float32)
    values[0, 0, 3] = 0.9  # oil at the top right
    values[1, 2, 1] = 0.5
    values[:, 1, 0] = np.nan
    return values


@pytest.fixture
def page(similarity_map):
    return MappedPage(np.full((300, 400, 3), 255, np.uint8), similarity_map, WORDS, name="a page")


def test_the_best_patch_of_each_word_is_found_and_boxed_in_its_row_and_column(page):
    oil, pump = page.view().matches
    assert (oil.cell, pump.cell) == ((0, 3), (2, 1))
    assert oil.box == pytest.approx((3 / 4, 0, 1, 1 / 3))
    assert (oil.similarity, pump.similarity) == pytest.approx((0.9, 0.5))


def test_the_score_is_that_of_maxsim_unless_contributions_are_given(page, similarity_map):
    assert page.view().score == pytest.approx(0.9 + 0.5)
    weighted = MappedPage(page.image, similarity_map, WORDS, contributions=[0.3, 2.0])
    assert weighted.view().score == pytest.approx(2.3)


def test_the_codes_give_the_similarities_back_and_0_where_there_is_no_vector(page, similarity_map):
    view = page.view()
    codes = np.frombuffer(base64.b64decode(view.map), np.uint8).reshape(2, view.rows, view.cols)
    assert (codes[:, 1, 0] == 0).all() and np.count_nonzero(codes == 0) == 2
    back = view.scale.low + (codes.astype(np.float32) - 1) / 254 * (view.scale.high - view.scale.low)
    known = np.isfinite(similarity_map)
    assert back[known] == pytest.approx(similarity_map[known], abs=0.8 / 254)


def test_a_scale_is_from_the_median_to_the_highest_or_as_given(page, similarity_map):
    assert (page.view().scale.shown_from, page.view().scale.shown_to) == pytest.approx((0.1, 0.9))
    same = MappedPage(page.image, similarity_map, WORDS, scale=(0.2, 2.0)).view().scale
    assert (same.shown_from, same.shown_to) == (0.2, 2.0)


def test_a_heatmap_colours_the_patch_of_the_word_and_no_other(page):
    pixels = np.asarray(page.heatmap("oil"), np.int32)
    assert (pixels[50, 350] != 255).any() and (pixels[250, 150] == 255).all()
    both = np.asarray(page.heatmap(), np.int32)
    assert (both[250, 150] != 255).any()
    assert page._repr_png_().startswith(b"\x89PNG")


def test_a_word_that_was_compared_with_nothing_has_no_place(similarity_map):
    similarity_map[1] = np.nan
    page = MappedPage(Image.new("L", (40, 30), 255), similarity_map, WORDS)
    assert page.view().matches[1].cell is None
    page.heatmap()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"words": ["oil"]}, r"\(words, rows, cols\).*of 1 words it is \(2, 3, 4\)"),
        ({"similarity_map": np.zeros((3, 4))}, r"it is \(3, 4\)"),
        ({"similarity_map": np.full((2, 3, 4), np.nan)}, "holds numbers"),
        ({"contributions": [1.0]}, r"contributions are \(1,\); expected \(2,\)"),
        ({"scale": (0.5, 0.5)}, "the scale .* is empty"),
    ],
)
def test_what_does_not_fit_is_said_at_once(similarity_map, changed, message):
    given = {"image": Image.new("RGB", (4, 3)), "similarity_map": similarity_map, "words": WORDS, **changed}
    with pytest.raises(ValueError, match=message):
        MappedPage(**given)


def test_a_word_that_there_is_not_is_named_with_those_that_there_are(page):
    with pytest.raises(ValueError, match=r"no word 'valve'; there are oil, pump"):
        page.heatmap("valve")
