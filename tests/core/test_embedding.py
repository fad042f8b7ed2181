"""The value types refuse what would go wrong later, and a grid places values where they belong."""

import numpy as np
import pytest

from colvision.core.embedding import PageEmbedding, PatchGrid, QueryEmbedding, VectorKind
from colvision.core.encoder import Calibration, EncoderInfo
from colvision.core.page import Box


def ones(rows, dim=4):
    return np.eye(dim, dtype=np.float32)[np.arange(rows) % dim]


def test_values_land_in_their_cells_of_a_page_that_is_not_square():
    grid = PatchGrid(np.array([[0, -1, 1], [-1, 2, 2]], dtype=np.int32))
    placed = grid.to_cells(np.array([[5, 6, 7]], dtype=np.float32))
    np.testing.assert_array_equal(placed, [[[5, np.nan, 6], [np.nan, 7, 7]]])
    assert grid.box(1, 2) == pytest.approx(Box(2 / 3, 0.5, 1.0, 1.0))


def test_a_full_grid_counts_row_by_row():
    assert PatchGrid.full(2, 3).cells.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_vectors_that_do_not_fill_their_grid_are_refused():
    with pytest.raises(ValueError, match="7 patch vectors do not fill the 6 placed cells"):
        PageEmbedding.from_patches(ones(7), PatchGrid.full(2, 3))
    with pytest.raises(ValueError, match="places a vector of the whole page"):
        PageEmbedding(ones(6), PatchGrid.full(2, 3), np.array([0, 0, 0, 0, 0, VectorKind.GLOBAL], np.uint8))
    with pytest.raises(ValueError, match="names vector 5, the page has 4"):
        PageEmbedding.from_patches(ones(4), PatchGrid.full(2, 3))
    with pytest.raises(ValueError, match="at least one vector"):
        PageEmbedding.from_patches(ones(0), PatchGrid.full(0, 0))


def test_a_text_vector_may_have_a_cell_and_needs_none():
    kind = np.array([VectorKind.PATCH, VectorKind.PATCH, VectorKind.TEXT], np.uint8)
    for grid in (PatchGrid.full(1, 2), PatchGrid.full(1, 3)):
        assert PageEmbedding(ones(3), grid, kind).vectors.shape == (3, 4)


def test_the_bounds_of_a_vector_hold_all_of_its_cells():
    grid = PatchGrid(np.array([[0, -1, 1, 1], [-1, 2, 2, 1]], dtype=np.int32))
    assert grid.bounds(1) == Box(0.5, 0, 1, 1)
    assert grid.bounds(2) == Box(0.25, 0.5, 0.75, 1)


@pytest.mark.parametrize("spoilt", [np.float32(np.nan), np.float32(3)])
def test_vectors_not_of_unit_length_are_refused(spoilt):
    vectors = ones(2)
    vectors[1, 0] = spoilt
    with pytest.raises(ValueError, match="unit length"):
        PageEmbedding.from_patches(vectors, PatchGrid.full(1, 2))


def test_a_query_has_one_token_weight_and_word_a_vector():
    query = QueryEmbedding.of_words("oil pump", ["oil", "pump"], ones(2))
    assert query.tokens == query.words == ("oil", "pump")
    with pytest.raises(ValueError, match="2 vectors, but tokens"):
        QueryEmbedding.of_words("oil", ["oil"], ones(2))


def test_tokens_of_one_word_are_joined_and_a_word_or_a_token_without_the_other_is_left_out():
    query = QueryEmbedding(
        text="bleed pump",
        vectors=ones(4),
        tokens=("ble", "ed", "pump", "<pad>"),
        is_query=np.array([True, True, True, False]),
        weights=np.ones(4, dtype=np.float32),
        words=("bleed", "the", "pump"),
        word=np.array([0, 0, 2, -1], dtype=np.int32),
    )
    assert query.tokens_of_words() == [("bleed", [0, 1]), ("pump", [2])]


def test_the_link_is_monotone_and_the_identity_without_slope():
    x = np.linspace(-1, 1, 9, dtype=np.float32)
    np.testing.assert_array_equal(Calibration()(x), x)
    chance = Calibration(slope=20, midpoint=0.5)(x)
    assert (np.diff(chance) > 0).all()
    assert Calibration(slope=20, midpoint=0.5)(np.array([0.5], np.float32))[0] == pytest.approx(0.5)


def test_tokens_with_a_digit_may_be_matched_with_less():
    link = Calibration(slope=20, midpoint=0.5, digits_midpoint=0.4)
    midpoints = link.midpoints(["pump", "4423", "qh4423"])
    assert midpoints.tolist() == pytest.approx([0.5, 0.4, 0.4])
    np.testing.assert_allclose(link(midpoints, midpoints), 0.5)
    assert Calibration(slope=20, midpoint=0.5).midpoints(["4423"]).tolist() == [0.5]


def test_an_encoder_without_range_is_refused():
    with pytest.raises(ValueError, match="quantisation_range 0"):
        EncoderInfo("toy", "f", 4, 0.0)


def test_other_words_are_told_and_can_be_left_out():
    query = QueryEmbedding(
        text="bleed pump",
        vectors=ones(4),
        tokens=("bleed", "vent", "purge", "pump"),
        is_query=np.ones(4, np.bool_),
        weights=np.array([1, 0, 0, 1], np.float32),
        words=("bleed", "pump"),
        word=np.array([0, 0, 0, 1], np.int32),
        spelling=(0, 1, 2, 0),
        likeness=(1.0, 0.7, 0.7, 1.0),
    )
    assert query.other_words == {"bleed": ("vent", "purge")}
    own = query.without_other_words()
    assert (own.tokens, own.word.tolist(), own.spelling, own.other_words) == (("bleed", "pump"), [0, 1], (0, 0), {})
    assert own.without_other_words() is own
    with pytest.raises(ValueError, match=r"their likeness is \(1.0, 2.0\)"):
        QueryEmbedding("a b", ones(2), ("a", "b"), own.is_query, own.weights, ("a", "b"), own.word, likeness=(1.0, 2.0))
