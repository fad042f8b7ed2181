"""Tokens of a page of print get cells of their own, where they stand."""

import numpy as np

from colvision.core.page import Box
from colvision.encoders.text.placing import place_tokens


def print_of(rows, cols, *, height=0.6, width=0.8):
    """Boxes of tokens in lines: shares of a line's pitch are ink."""
    return [
        Box(col / cols, row / rows, (col + width) / cols, (row + height) / rows)
        for row in range(rows)
        for col in range(cols)
    ]


def test_tokens_of_ordinary_print_have_cells_of_their_own():
    """60 lines of 24 tokens: a page of 10 point print, as a PDF gives its words."""
    boxes = print_of(60, 24)
    grid = place_tokens(boxes)
    assert set(grid.cells[grid.cells >= 0]) == set(range(len(boxes)))
    for token, box in enumerate(boxes):
        found = grid.bounds(token)
        assert abs(found.left - box.left) < 1 / grid.cols
        assert abs(found.bottom - box.bottom) < 1 / grid.rows


def test_a_grid_is_as_fine_as_the_print_is_small_and_no_finer_than_can_be_stored():
    assert place_tokens([Box(0.25, 0.0, 0.75, 0.5)]).cells.shape == (2, 2)
    assert place_tokens(print_of(400, 200)).cells.size == 96 * 96


def test_a_token_that_finds_no_free_cell_has_no_place():
    cells = place_tokens(print_of(400, 200)).cells
    placed = set(cells[cells >= 0])
    assert 96 * 96 * 0.9 < len(placed) < 400 * 200


def test_what_has_no_box_has_no_place():
    grid = place_tokens([None, Box(0.0, 0.0, 0.5, 1.0), None])
    assert set(grid.cells.ravel()) == {-1, 1}
    assert place_tokens([None, None]).cells.tolist() == [[-1]]


def test_a_box_beside_the_page_or_without_a_width_is_placed_at_the_nearest_cell():
    grid = place_tokens([Box(-0.2, 0.1, -0.1, 0.3), Box(0.5, 0.5, 0.5, 0.7), Box(0.9, 0.9, 1.4, 1.2)])
    assert set(np.unique(grid.cells)) == {-1, 0, 1, 2}
    assert grid.bounds(0).left == 0
    assert grid.bounds(2).bottom == 1
