"""Pooling: fewer vectors, the same page."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colvision.core.embedding import PageEmbedding, PatchGrid, VectorKind
from colvision.ingest.pooling import pool


def unit(rng, rows, dim=64):
    vectors = rng.standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def sparse_page(rng, rows, cols, share=0.7):
    """A page whose blank cells have no vector."""
    inked = rng.random((rows, cols)) < share
    inked[0, 0] = True
    cells = np.full((rows, cols), -1, np.int32)
    cells[inked] = np.arange(inked.sum())
    return PageEmbedding.from_patches(unit(rng, int(inked.sum())), PatchGrid(cells))


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 12), cols=st.integers(1, 12), factor=st.integers(1, 9), seed=st.integers(0, 99))
def test_a_pooled_page_has_a_share_of_its_vectors_and_every_inked_cell(rows, cols, factor, seed):
    page = sparse_page(np.random.default_rng(seed), rows, cols)
    pooled = pool(page, factor)
    assert 1 <= len(pooled.vectors) <= -(-len(page.vectors) // factor)
    np.testing.assert_array_equal(pooled.grid.cells >= 0, page.grid.cells >= 0)


def test_a_cell_has_the_vector_nearest_to_its_own():
    page = sparse_page(np.random.default_rng(1), 9, 14)
    pooled = pool(page, 3)
    inked = page.grid.cells >= 0
    own = page.vectors[page.grid.cells[inked]]
    given_one = (own * pooled.vectors[pooled.grid.cells[inked]]).sum(axis=1)
    best = (own @ pooled.vectors.T).max(axis=1)
    assert np.mean(given_one > best - 1e-6) > 0.95  # k-means stops after a few turns


def test_patches_that_are_alike_share_a_vector_and_lose_nothing():
    rng = np.random.default_rng(2)
    kinds = unit(rng, 4)
    cells = np.arange(6 * 8).reshape(6, 8)
    quarter = (cells // 8 >= 3) * 2 + (cells % 8 >= 4)
    page = PageEmbedding.from_patches(kinds[quarter.ravel()], PatchGrid(cells.astype(np.int32)))
    pooled = pool(page, 4)
    np.testing.assert_allclose(pooled.vectors[pooled.grid.cells], kinds[quarter], atol=1e-6)


def test_a_rectangular_page_keeps_a_hot_patch_where_it_was():
    rng = np.random.default_rng(3)
    vectors = np.repeat(unit(rng, 1), 5 * 9, axis=0)
    hot = unit(rng, 1)[0]
    vectors[3 * 9 + 7] = hot
    pooled = pool(PageEmbedding.from_patches(vectors, PatchGrid.full(5, 9)), 3)
    placed = pooled.grid.to_cells((pooled.vectors @ hot)[None])[0]
    assert np.unravel_index(placed.argmax(), placed.shape) == (3, 7)
    assert placed.max() > 0.999


def test_text_and_global_vectors_are_kept_as_they_are():
    rng = np.random.default_rng(4)
    vectors = unit(rng, 11)
    kind = np.array([VectorKind.TEXT] * 2 + [VectorKind.PATCH] * 8 + [VectorKind.GLOBAL], np.uint8)
    page = PageEmbedding(vectors, PatchGrid(np.arange(2, 10, dtype=np.int32).reshape(2, 4)), kind)
    pooled = pool(page, 2)
    others = pooled.kind != VectorKind.PATCH
    np.testing.assert_array_equal(pooled.vectors[others], vectors[[0, 1, 10]])
    assert pooled.kind[others].tolist() == [VectorKind.TEXT, VectorKind.TEXT, VectorKind.GLOBAL]
    assert (~others).sum() <= 4


def test_pooling_by_one_and_of_one_patch_changes_nothing():
    rng = np.random.default_rng(5)
    page = sparse_page(rng, 4, 4)
    assert pool(page, 1) is page
    single = PageEmbedding.from_patches(unit(rng, 1), PatchGrid(np.array([[-1, 0, 0]], np.int32)))
    assert pool(single, 3) is single


def test_patches_that_cancel_out_keep_a_vector_of_unit_length():
    vector = unit(np.random.default_rng(6), 1)
    page = PageEmbedding.from_patches(np.concatenate([vector, -vector]), PatchGrid.full(1, 2))
    assert len(pool(page, 2).vectors) == 1


def test_pooling_by_less_than_one_is_refused():
    with pytest.raises(ValueError, match="pooling by a factor of 0"):
        pool(sparse_page(np.random.default_rng(7), 2, 2), 0)


def test_tokens_of_text_are_pooled_where_they_have_a_place_and_markers_are_kept():
    rng = np.random.default_rng(9)
    words = unit(rng, 3)[np.arange(12) % 6 // 2]  # each four times, in a square
    vectors = np.concatenate([unit(rng, 1), words])  # behind a marker
    grid = PatchGrid(np.arange(1, 13, dtype=np.int32).reshape(2, 6))
    page = PageEmbedding(vectors, grid, np.full(13, VectorKind.TEXT, np.uint8))
    pooled = pool(page, 4)
    assert len(pooled.vectors) == 4
    assert set(pooled.kind) == {VectorKind.TEXT}
    np.testing.assert_allclose(pooled.vectors[-1], vectors[0], atol=1e-6)
    np.testing.assert_allclose(pooled.vectors[pooled.grid.cells], vectors[grid.cells], atol=1e-6)
