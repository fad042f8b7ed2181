"""What is seen of a drawn PDF page: whether there is ink where its objects and letters say that they are."""

from functools import cached_property
from itertools import product
from typing import cast

from PIL import Image

from colvision.core.page import Box, PdfGeometry

Bounds = tuple[float, float, float, float]  # left, bottom, right, top in the PDF's own space
Place = tuple[int, int, int, int]  # left, top, right, bottom in pixels of the image

_LEAST_CONTRAST = 8  # of 255: below it is paper, or the noise of its scan
_DARK = 64  # of 255
_CELLS = 8  # a side, that a picture's place is cut into


class DrawnPage:
    """The image of a page (RGB, or RGBX as PDFium draws it), asked by places of the PDF. Contrasts are those of greys.

    Only the pixels that are asked for are made grey: an answer mostly needs one row of them.
    """

    def __init__(self, image: Image.Image, geometry: PdfGeometry) -> None:
        self._size = image.size
        # Pillow's own `crop`, `convert` and `getextrema` take 15 us together, and hundreds of places are asked a page.
        self._pixels = image.im
        self._geometry = geometry

    @cached_property
    def is_blank(self) -> bool:
        """One colour all over."""
        width, height = self._size
        rows = ((0, height * row // _CELLS, width, height * row // _CELLS + 1) for row in range(_CELLS))
        return all(self._contrast(place) == 0 for place in (*rows, (0, 0, width, height)))

    @property
    def scale(self) -> float:
        """Pixels a point."""
        return float(self._size[0] / self._geometry.size[0])

    def place(self, bounds: Bounds) -> Place | None:
        """With the pixels that it only touches; None where it lies beside the page."""
        width, height = self._size
        x1, y1, x2, y2 = self._edges(bounds)
        place = (
            max(0, int(x1 * width)),
            max(0, int(y1 * height)),
            min(width, int(x2 * width) + 1),
            min(height, int(y2 * height) + 1),
        )
        return place if place[0] < place[2] and place[1] < place[3] else None

    def fractions(self, bounds: Bounds) -> Box | None:
        """In fractions of the image, cut at its edges; None where it lies beside the page."""
        x1, y1, x2, y2 = self._edges(bounds)
        if not (x1 < 1 and x2 > 0 and y1 < 1 and y2 > 0):  # also where they are no numbers
            return None
        return Box(max(x1, 0.0), max(y1, 0.0), min(x2, 1.0), min(y2, 1.0))

    def has_ink(self, place: Place) -> bool:
        """Whether something can be told from its ground."""
        left, top, right, bottom = place
        middle = (top + bottom) // 2  # a row that mostly tells as much
        has_row = self._contrast((left, middle, right, middle + 1)) >= _LEAST_CONTRAST
        return has_row or self._contrast(place) >= _LEAST_CONTRAST

    def is_dark(self, place: Place) -> bool:
        """Whether something is drawn all over it."""
        return self._extrema(place)[1] < _DARK

    def is_plain(self, place: Place) -> bool:
        """Whether most of the place has no ink, so that a picture there may be missing."""
        left, top, right, bottom = place
        xs = [left + (right - left) * k // _CELLS for k in range(_CELLS + 1)]
        ys = [top + (bottom - top) * k // _CELLS for k in range(_CELLS + 1)]
        inked = 0
        for row, col in product(range(_CELLS), repeat=2):
            cell = xs[col], ys[row], max(xs[col + 1], xs[col] + 1), max(ys[row + 1], ys[row] + 1)
            inked += self.has_ink(cell)
            if inked * 2 > _CELLS**2:
                return False
        return True

    def _contrast(self, place: Place) -> int:
        least, greatest = self._extrema(place)
        return greatest - least

    def _extrema(self, place: Place) -> tuple[int, int]:
        return cast(tuple[int, int], self._pixels.crop(place).convert("L", 0).getextrema())

    def _edges(self, bounds: Bounds) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in fractions of the image."""
        left, bottom, right, top = self._geometry.crop
        x1, y1 = (bounds[0] - left) / (right - left), (top - bounds[3]) / (top - bottom)
        x2, y2 = (bounds[2] - left) / (right - left), (top - bounds[1]) / (top - bottom)
        if self._geometry.rotation:
            (x1, y1), (x2, y2) = self._turn(x1, y1), self._turn(x2, y2)
        return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)

    def _turn(self, x: float, y: float) -> tuple[float, float]:
        """A point of the page before its clockwise rotation -> the same of the image, both as fractions."""
        return {0: (x, y), 90: (1 - y, x), 180: (1 - x, 1 - y), 270: (y, 1 - x)}[self._geometry.rotation]
