"""Where a place on the picture lies in the PDF."""

import pytest
from PIL import Image

from colvision.core.page import Box, Page, PdfGeometry

CROP = (10.0, 20.0, 210.0, 320.0)  # 200 wide, 300 high


@pytest.mark.parametrize(
    ("rotation", "size", "top_left"),
    [
        (0, (200, 300), Box(10, 320, 30, 305)),
        (90, (300, 200), Box(10, 40, 20, 20)),
        (180, (200, 300), Box(190, 35, 210, 20)),
        (270, (300, 200), Box(200, 320, 210, 290)),
    ],
)
def test_the_top_left_corner_of_the_picture_is_found_in_the_turned_page(rotation, size, top_left):
    geometry = PdfGeometry(CROP, rotation)
    assert geometry.size == size
    expected = {0: (0.1, 0.05), 90: (20 / 300, 10 / 200), 180: (0.1, 0.05), 270: (30 / 300, 10 / 200)}[rotation]
    found = geometry.to_points(Box(0.0, 0.0, *expected))
    assert found == pytest.approx(top_left)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_the_whole_picture_is_the_whole_crop_box(rotation):
    assert PdfGeometry(CROP, rotation).to_points(Box(0, 0, 1, 1)) == pytest.approx(Box(10, 320, 210, 20))


def test_an_empty_crop_box_and_an_odd_turn_are_refused():
    with pytest.raises(ValueError, match="is empty"):
        PdfGeometry((5, 5, 5, 10))
    with pytest.raises(ValueError, match="rotation 45"):
        PdfGeometry(CROP, 45)


def test_a_page_counts_from_one_and_gives_rows_before_columns():
    assert Page(Image.new("L", (30, 20))).shape == (20, 30)
    with pytest.raises(ValueError, match="counted from 1"):
        Page(Image.new("L", (3, 2)), number=0)
    with pytest.raises(ValueError, match="mode RGBA"):
        Page(Image.new("RGBA", (3, 2)))
