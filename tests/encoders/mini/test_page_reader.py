"""A page is read where it is printed, once, and what is left out changes nothing."""

import numpy as np
import pypdfium2 as pdfium
import pytest
from PIL import Image

from benchmarks.printed_pages import Case, draw_page, running_text
from colvision.core.page import Page, PdfGeometry
from colvision.encoders.mini import page_reader
from colvision.encoders.mini.encoder import PAGE_TOWER, SHIPPED
from colvision.encoders.mini.page_image import resize_page
from colvision.encoders.mini.page_tower import PageTower
from tests.helpers import ROOT

pytestmark = pytest.mark.slow

# Pixels that the tower looks at, by those of the page, as docs/mini.md states them.
STATED = {"sample-manual": 0.96, "sample-manual-scan": 1.18}


class CountingTower(PageTower):
    """Counts the pixels that it is given."""

    seen = 0

    def read(self, images):
        self.seen += images.size
        return super().read(images)


@pytest.fixture
def tower():
    return CountingTower(SHIPPED / PAGE_TOWER)


def pages_of(name, numbers):
    with pdfium.PdfDocument(ROOT / "data" / f"{name}.pdf") as pdf:
        for number in numbers:
            sheet = pdf[number]
            yield Page(sheet.render(scale=2).to_pil(), geometry=PdfGeometry((0, 0, *sheet.get_size())))


@pytest.mark.parametrize("name", STATED)
def test_pages_are_read_as_often_as_is_stated(tower, name):
    """Most once, where there is print; a page whose way up is in doubt two squares more, four ways."""
    pages = list(pages_of(name, range(20)))
    for page in pages:
        page_reader.read_page(tower, page)
    share = tower.seen / sum(resize_page(page).size for page in pages)
    assert STATED[name] / 2 < share < 1.1 * STATED[name]


def test_what_is_left_out_changes_little_of_what_is_read(tower, monkeypatch):
    """Against a reading of the whole page: the same patches, nearly the same vectors, in the same places."""
    (page,) = pages_of("sample-manual", [1])
    whole = np.full((1152, 800), 255, np.uint8)
    part = resize_page(page)[:400, :640]
    whole[336:736, 96:736] = part
    cut = page_reader.read_image(tower, whole)
    assert tower.seen < 0.7 * whole.size
    rows, cols = (np.arange(length) for length in cut.cells.shape)
    monkeypatch.setattr(page_reader, "find_print", lambda _: (rows, cols))
    full = page_reader.read_image(tower, whole)
    both = (cut.cells >= 0) & (full.cells >= 0)
    assert both.sum() > 0.97 * (full.cells >= 0).sum() > 100
    alike = (cut.vectors[cut.cells[both]] * full.vectors[full.cells[both]]).sum(axis=1)
    assert alike.mean() > 0.99
    assert np.quantile(alike, 0.05) > 0.97


@pytest.mark.parametrize(
    "size", [(20, 300), (300, 20), (33, 33), (900, 40), (20, 1000), (40, 1000), (1000, 12), (1, 1)]
)
@pytest.mark.parametrize("contrast", [0, 60])
def test_scraps_are_read_too(tower, size, contrast):
    scrap = Image.effect_noise(size, contrast)
    reading = page_reader.read_page(tower, Page(scrap, geometry=PdfGeometry((0, 0, *size))))
    assert np.array_equal(np.unique(reading.cells[reading.cells >= 0]), np.arange(len(reading.vectors)))
    assert len(reading.vectors) >= 1


def test_neighbours_that_say_the_same_share_a_vector(tower):
    (page,) = pages_of("sample-manual", [1])
    alone = page_reader.read_image(tower, resize_page(page))
    joined = page_reader.read_page(tower, page)
    assert np.array_equal(joined.cells >= 0, alone.cells >= 0)
    here = alone.cells >= 0
    alike = (joined.vectors[joined.cells[here]] * alone.vectors[alone.cells[here]]).sum(axis=1)
    assert alike.min() > 0.974  # of the mean of two with a cosine of .9: the root of .95
    assert len(joined.vectors) < 0.85 * len(alone.vectors)
    _, counts = np.unique(joined.cells[here], return_counts=True)
    assert set(counts.tolist()) == {1, 2}
    assert np.allclose(np.linalg.norm(joined.vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(("points", "turn", "is_finer"), [(7, 0, True), (7, 1, True), (9, 0, False), (11, 0, False)])
def test_small_print_is_read_finer_and_nothing_else(tower, points, turn, is_finer):
    page = draw_page(Case("", running_text, points=points, turn=turn), 0).page
    expected = resize_page(page, -turn % 4, page_reader.FINER if is_finer else 1.0).shape
    read = np.rot90(page_reader.read_page(tower, page).cells, -turn % 4).shape
    assert read == (expected[0] // 16, expected[1] // 32)
