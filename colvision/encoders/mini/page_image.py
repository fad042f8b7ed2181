"""The picture of a page that mini looks at: grey, at the resolution it was trained for, in whole patches."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colvision.core.page import Page
from colvision.encoders.mini.geometry import DPI, PATCH_HEIGHT, PATCH_WIDTH

_LETTER_AREA = 832 * 1088  # pixels that a US Letter page at 98 dpi was given when its weights were trained
_SMALLEST, _LARGEST = 0.12, 2.0  # of that area: below it a page is enlarged, above it (A2, posters) it is shrunk
_LONGEST_SIDE = 8192  # pixels, for pages that are all width or all height
_ROTATIONS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


def resize_page(page: Page, quarters: int = 0, finer: float = 1.0) -> NDArray[np.uint8]:
    """(height, width) grey, the sides multiples of the patch, turned counterclockwise by so many quarters.

    The sides are `finer` times those that body text needs. A PDF page says its size in points and comes at 98 dpi; an
    image file does not, and is taken for a Letter page.
    """
    grey = page.image.convert("L")
    rotation = _ROTATIONS[quarters]
    if rotation is not None:
        grey = grey.transpose(rotation)
    width, height = grey.size
    scale = finer * reading_scale(page)
    rows = _count_patches(height * scale, PATCH_HEIGHT)
    cols = _count_patches(width * scale, PATCH_WIDTH)
    return np.array(grey.resize((cols * PATCH_WIDTH, rows * PATCH_HEIGHT), Image.Resampling.BICUBIC))


def reading_scale(page: Page) -> float:
    """The sides of a page as mini reads body text, by those of its image."""
    area = float(_LETTER_AREA)
    if page.geometry is not None:
        points = page.geometry.size
        area = points[0] * points[1] * (DPI / 72) ** 2
        area = min(max(area, _SMALLEST * _LETTER_AREA), _LARGEST * _LETTER_AREA)
    scale: float = (area / (page.image.width * page.image.height)) ** 0.5
    return scale


def _count_patches(pixels: float, patch: int) -> int:
    return max(1, min(round(pixels / patch), _LONGEST_SIDE // patch))
