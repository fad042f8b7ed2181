"""What an engine is given of a page."""

from dataclasses import replace

import numpy as np

from colvision.core.embedding import PatchGrid
from colvision.engines.engine import document_of_id
from tests.engines.example import PAGE


def test_vectors_are_pooled_by_the_rows_of_the_grid_and_those_without_a_place_in_their_order():
    np.testing.assert_array_equal(PAGE.pooled_rows, PAGE.codes.reshape(2, 2, 8).mean(axis=1))
    codes = np.tile(np.arange(70, dtype=np.int8)[:, None], (1, 8))
    cells = np.array([[0, 1], [-1, -1], [3, -1]], np.int32)
    page = replace(PAGE, codes=codes, grid=PatchGrid(cells))
    unplaced = [2, *range(4, 70)]
    expected = [0.5, 3.0, *(np.mean(unplaced[first : first + 32]) for first in (0, 32, 64))]
    np.testing.assert_allclose(page.pooled_rows[:, 0], expected, rtol=1e-6)


def test_the_pooled_vector_is_of_unit_length():
    np.testing.assert_allclose(np.linalg.norm(PAGE.pooled), 1.0, rtol=1e-6)
    assert replace(PAGE, codes=np.zeros((3, 8), np.int8)).pooled.tolist() == [0.0] * 8


def test_fields_are_as_json_has_them_and_the_id_leads_to_the_document():
    assert PAGE.fields["facts"] == ["machine=pump", "year=2021"] and PAGE.fields["page"] == 3
    assert document_of_id(PAGE.id) == PAGE.document_id
