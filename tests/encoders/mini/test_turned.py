"""Pages that lie on their side or stand on their head are read the right way up, and pointed at where they lie."""

import numpy as np
import pypdfium2 as pdfium
import pytest
from PIL import Image

from colvision.core.page import Page
from colvision.encoders import mini
from colvision.encoders.mini.page_image import resize_page
from tests.helpers import ROOT

pytestmark = pytest.mark.slow

SCAN = ROOT / "data" / "sample-manual-scan.pdf"


@pytest.fixture(scope="module")
def encoder():
    return mini.load()


@pytest.fixture(scope="module")
def upright():
    with pdfium.PdfDocument(SCAN) as pdf:
        return pdf[2].render(scale=2).to_pil().convert("L")


@pytest.mark.parametrize(
    ("turn", "quarters"),
    [(Image.Transpose.ROTATE_90, 1), (Image.Transpose.ROTATE_180, 2), (Image.Transpose.ROTATE_270, 3)],
)
def test_a_turned_page_has_the_vectors_of_the_upright_one_in_turned_places(encoder, upright, turn, quarters):
    straight, turned = encoder.encode_pages([Page(upright), Page(upright.transpose(turn))])
    back = np.rot90(turned.grid.cells, -quarters)
    assert back.shape == straight.grid.cells.shape
    assert turned.grid.cells.shape != straight.grid.cells.shape or quarters == 2
    both = (back >= 0) & (straight.grid.cells >= 0)
    assert both.sum() > 0.95 * (straight.grid.cells >= 0).sum()
    same = (turned.vectors[back[both]] * straight.vectors[straight.grid.cells[both]]).sum(axis=1)
    assert np.median(same) > 0.95


def test_an_upright_page_is_read_once_and_as_it_is(encoder, upright):
    rows, cols = resize_page(Page(upright)).shape
    (straight,) = encoder.encode_pages([Page(upright)])
    assert straight.grid.cells.shape == (rows // 16, cols // 32)


def test_a_page_without_a_letter_has_no_other_way_up(encoder):
    drawing = np.full((1100, 850), 255, np.uint8)
    drawing[200:900, 100:108] = 0
    drawing[200:208, 100:700] = 0
    (found,) = encoder.encode_pages([Page(Image.fromarray(drawing))])
    rows, cols = resize_page(Page(Image.fromarray(drawing))).shape
    assert found.grid.cells.shape == (rows // 16, cols // 32)
