"""What is seen of a drawn page, against every pixel of it."""

import numpy as np
import pytest
from PIL import Image

from colvision.core.page import PdfGeometry
from colvision.pdf.backends.drawn import DrawnPage

SIZE = (120, 80)
GEOMETRY = PdfGeometry((0.0, 0.0, 60.0, 40.0))


def pages(image: Image.Image) -> list[DrawnPage]:
    """By both renderers: in three bytes a pixel, and in four of which the last has no meaning."""
    noise = np.random.default_rng(0).integers(0, 256, (*image.size[::-1], 1), dtype=np.uint8)
    four = np.concatenate([np.asarray(image), noise], axis=2).tobytes()
    return [
        DrawnPage(each, GEOMETRY) for each in (image, Image.frombuffer("RGBX", image.size, four, "raw", "RGBX", 0, 1))
    ]


def test_ink_is_found_wherever_it_lies_in_a_place():
    rng = np.random.default_rng(1)
    answers = set()
    for _ in range(200):
        image = Image.new("RGB", SIZE, (250, 250, 250))
        x, y = int(rng.integers(SIZE[0])), int(rng.integers(SIZE[1]))
        image.putpixel((x, y), tuple(int(value) for value in rng.integers(200, 256, 3)))
        left, top = int(rng.integers(SIZE[0] - 40)), int(rng.integers(SIZE[1] - 20))
        place = (left, top, left + int(rng.integers(1, 40)), top + int(rng.integers(1, 20)))
        grey = np.asarray(image.convert("L"))[place[1] : place[3], place[0] : place[2]]
        expected = int(grey.max()) - int(grey.min()) >= 8
        assert [page.has_ink(place) for page in pages(image)] == [expected] * 2
        answers.add(expected)
    assert answers == {True, False}


@pytest.mark.parametrize("at", [(0, 0), (119, 79), (61, 37)])
def test_a_page_with_one_other_pixel_is_not_blank(at):
    image = Image.new("RGB", SIZE, (250, 250, 250))
    assert all(page.is_blank for page in pages(image))
    image.putpixel(at, (249, 249, 249))
    assert not any(page.is_blank for page in pages(image))


@pytest.mark.parametrize(("inked", "plain"), [(32, True), (33, False)])
def test_a_place_is_plain_until_more_than_half_of_its_cells_have_ink(inked, plain):
    image = Image.new("RGB", SIZE, (255, 255, 255))
    for cell in np.random.default_rng(inked).permutation(64)[:inked].tolist():
        image.putpixel((cell % 8 * 15 + 3, cell // 8 * 10 + 7), (0, 0, 0))
    assert [page.is_plain((0, 0, *SIZE)) for page in pages(image)] == [plain] * 2
