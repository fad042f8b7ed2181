"""Which place of a page an explanation shows for a token, beside the patch that won."""

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from colvision.core.embedding import PatchGrid, QueryEmbedding, VectorKind
from colvision.core.page import PdfGeometry
from colvision.core.query import Calibration, ScoredQuery
from colvision.explain import explain_page
from colvision.maxsim import quantise
from colvision.store.shards import ShardPage

SIZE = (400, 200)
GRID = PatchGrid.full(10, 10)  # patches of 40 x 20 pixels
FONT = ImageFont.load_default(16)


@pytest.fixture
def page():
    """Two words that lie on either side of the middle of the cell (5, 4), and their boxes in pixels."""
    image = Image.new("RGB", SIZE, (255, 255, 255))
    pen = ImageDraw.Draw(image)
    pen.text((176, 102), "left", (0, 0, 0), FONT, anchor="rt")
    pen.text((184, 102), "right", (0, 0, 0), FONT, anchor="lt")
    return image, pen.textbbox((176, 102), "left", FONT, "rt"), pen.textbbox((184, 102), "right", FONT, "lt")


def _explain(image, similarities, embedding=None, **options):
    """`similarities` of cells; all others have 0."""
    angles = np.full(100, np.pi / 2)
    for (row, col), similarity in similarities.items():
        angles[10 * row + col] = np.arccos(similarity)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    stored = ShardPage(quantise(vectors, 1.0), GRID, np.zeros(100, np.uint8))
    embedding = embedding or QueryEmbedding.of_words("word", ["word"], np.array([[1, 0]], np.float32))
    query = ScoredQuery(embedding, embedding.weights, Calibration(), "f")
    return explain_page(query, stored, quantisation_range=1.0, image=image, **options)


def test_the_box_is_the_word_towards_which_the_neighbours_are_alike(page):
    image, left, right = page
    for neighbour, box in (((5, 3), left), ((5, 5), right)):
        (match,) = _explain(image, {(5, 4): 0.9, neighbour: 0.7}).matches
        assert match.cell == (5, 4)
        assert match.box.scaled(SIZE) == pytest.approx(box, abs=2)


def test_points_are_those_of_the_box(page):
    image, left, _ = page
    (match,) = _explain(image, {(5, 4): 0.9, (5, 3): 0.7}, geometry=PdfGeometry((0, 0, *SIZE))).matches
    assert match.points == pytest.approx((left[0], SIZE[1] - left[1], left[2], SIZE[1] - left[3]), abs=2)


def test_what_is_no_word_keeps_its_patch(page):
    image, _, _ = page
    word = QueryEmbedding.of_words("word", ["word"], np.array([[1, 0]], np.float32))
    prompt = dataclasses.replace(word, words=(), word=np.array([-1], np.int32), is_query=np.array([False]))
    for embedding in (dataclasses.replace(word, is_example=True), prompt):
        (match,) = _explain(image, {(5, 4): 0.9, (5, 3): 0.7}, embedding).matches
        assert match.box == GRID.box(5, 4)


def test_tokens_that_found_the_same_word_are_one_region(page):
    image, _, right = page
    two = QueryEmbedding.of_words("a b", ["a", "b"], np.array([[1, 0], [1, 0]], np.float32))
    (region,) = _explain(image, {(5, 4): 0.9, (5, 5): 0.7}, two).regions()
    assert region.tokens == ("a", "b") and region.pixels(SIZE) == pytest.approx(right, abs=2)


def test_a_token_of_text_is_shown_on_the_word_that_all_of_its_cells_cover(page):
    """Two cells of "right", of which the first lies to its left; without the page image, the cells themselves."""
    image, _, right = page
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    cells = np.full((10, 10), -1, np.int32)
    cells[5, 4:6] = 0
    stored = ShardPage(quantise(vectors, 1.0), PatchGrid(cells), np.full(2, VectorKind.TEXT, np.uint8))
    embedding = QueryEmbedding.of_words("right", ["right"], vectors[:1])
    query = ScoredQuery(embedding, embedding.weights, Calibration(), "f")
    (match,) = explain_page(query, stored, quantisation_range=1.0, image=image).matches
    assert match.cell == (5, 4)
    assert match.box.scaled(SIZE) == pytest.approx(right, abs=2)
    (match,) = explain_page(query, stored, quantisation_range=1.0).matches
    assert match.box == PatchGrid(cells).bounds(0)
