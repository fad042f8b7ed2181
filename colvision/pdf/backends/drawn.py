"""What is seen of a drawn PDF page: whether there is ink where its objects and letters say that they are."""

from itertools import product
from typing import cast

from PIL import Image

from colvision.core.page import PdfGeometry

Bounds = tuple[float, float, float, float]  # left, bottom, right, top in the PDF's own space
Place = tuple[int, int, int, int]  # left, top, right, bottom in pixels of the image

_LEAST_CONTRAST = 8  # of 255: below it is paper, or the noise of its scan
_DARK = 64  # of 255
_CELLS = 8  # a side, that a picture's place is cut into


class DrawnPage:
    """The image of a page, asked by places of the PDF."""

    def __init__(self, image: Image.Image, geometry: PdfGeometry) -> None:
        self._grey = image.convert("L")
        self._geometry = geometry

    @property
    def is_blank(self) -> bool:
        """One colour all over."""
        least, greatest = self._extrema((0, 0, *self._grey.size))
        return least == greatest

    @property
    def scale(self) -> float:
        """Pixels a point."""
        return float(self._grey.width / self._geometry.size[0])

    def place(self, bounds: Bounds) -> Place | None:
        """With the pixels that it only touches; None where it lies beside the page."""
        left, bottom, right, top = self._geometry.crop
        width, height = self._grey.size
        corners = [
            self._turn((x - left) / (right - left), (top - y) / (top - bottom))
            for x, y in ((bounds[0], bounds[3]), (bounds[2], bounds[1]))
        ]
        xs, ys = sorted(x * width for x, _ in corners), sorted(y * height for _, y in corners)
        place = max(0, int(xs[0])), max(0, int(ys[0])), min(width, int(xs[1]) + 1), min(height, int(ys[1]) + 1)
        return place if place[0] < place[2] and place[1] < place[3] else None

    def has_ink(self, place: Place) -> bool:
        """Whether something can be told from its ground."""
        least, greatest = self._extrema(place)
        return greatest - least >= _LEAST_CONTRAST

    def is_dark(self, place: Place) -> bool:
        """Whether something is drawn all over it."""
        return self._extrema(place)[1] < _DARK

    def is_plain(self, place: Place) -> bool:
        """Whether most of the place has no ink, so that a picture there may be missing."""
        left, top, right, bottom = place
        xs = [left + (right - left) * k // _CELLS for k in range(_CELLS + 1)]
        ys = [top + (bottom - top) * k // _CELLS for k in range(_CELLS + 1)]
        inked = sum(
            self.has_ink((xs[col], ys[row], max(xs[col + 1], xs[col] + 1), max(ys[row + 1], ys[row] + 1)))
            for row, col in product(range(_CELLS), repeat=2)
        )
        return inked * 2 <= _CELLS**2

    def _extrema(self, place: Place) -> tuple[int, int]:
        return cast(tuple[int, int], self._grey.crop(place).getextrema())

    def _turn(self, x: float, y: float) -> tuple[float, float]:
        """A point of the page before its clockwise rotation -> the same of the image, both as fractions."""
        return {0: (x, y), 90: (1 - y, x), 180: (1 - x, 1 - y), 270: (y, 1 - x)}[self._geometry.rotation]
