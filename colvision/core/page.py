"""A page: its image, where it came from, and how its pixels lie on the paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image

from colvision.core.health import Note


class PageId(NamedTuple):
    """One page of one document of a library."""

    document: str  # document id
    page: int  # from 1


class Box(NamedTuple):
    """A rectangle. In pixels and fractions the origin is the top left; in PDF points the bottom left."""

    left: float
    top: float
    right: float
    bottom: float

    def scaled(self, size: tuple[int, int]) -> "Box":
        """A box in fractions, in the pixels of an image of `size` (width, height)."""
        width, height = size
        return Box(self.left * width, self.top * height, self.right * width, self.bottom * height)


@dataclass(frozen=True, slots=True)
class PdfGeometry:
    """How the image of a PDF page lies in the PDF's own space (unrotated points, origin bottom left).

    `crop` is the visible box (left, bottom, right, top) in points, `rotation` the clockwise rotation (0, 90, 180, 270)
    that a viewer applies (PDF 32000-1, 7.7.3.3). The image shows `crop` after that rotation.
    """

    crop: tuple[float, float, float, float]
    rotation: int = 0

    def __post_init__(self) -> None:
        left, bottom, right, top = self.crop
        if not (left < right and bottom < top):
            raise ValueError(f"crop box {self.crop} is empty; expected left < right and bottom < top")
        if self.rotation not in (0, 90, 180, 270):
            raise ValueError(f"rotation {self.rotation} is not one of 0, 90, 180, 270")

    @property
    def size(self) -> tuple[float, float]:
        """(width, height) in points of the page as shown, after the rotation."""
        left, bottom, right, top = self.crop
        width, height = right - left, top - bottom
        return (height, width) if self.rotation in (90, 270) else (width, height)

    def to_points(self, box: Box) -> Box:
        """A box in fractions of the image -> PDF points: `Box(left, top, right, bottom)` with top > bottom."""
        left, bottom, right, top = self.crop
        corners = [self._unrotate(x, y) for x, y in ((box.left, box.top), (box.right, box.bottom))]
        xs = [left + x * (right - left) for x, _ in corners]
        ys = [top - y * (top - bottom) for _, y in corners]
        return Box(min(xs), max(ys), max(xs), min(ys))

    def _unrotate(self, x: float, y: float) -> tuple[float, float]:
        """A point of the rotated image -> the same point before the clockwise rotation, both as fractions."""
        if self.rotation == 90:
            return y, 1 - x
        if self.rotation == 180:
            return 1 - x, 1 - y
        if self.rotation == 270:
            return 1 - y, x
        return x, y


class PrintedWord(NamedTuple):
    """A word of a page's text where it stands: `box` in fractions of the page image, `confidence` (0..1) of who read
    it, 1 for a PDF's own text.
    """

    text: str
    box: Box
    confidence: float = 1.0


def text_of(words: Sequence[PrintedWord]) -> str:
    """Words in reading order -> their lines: one ends where the next word stands lower, higher or further back."""
    lines: list[list[str]] = []
    before: Box | None = None
    for word in words:
        middle = (word.box.top + word.box.bottom) / 2
        if before is None or not before.top <= middle <= before.bottom or word.box.left < before.left:
            lines.append([])
        lines[-1].append(word.text)
        before = word.box
    return "\n".join(map(" ".join, lines))


def parse_page(text: str) -> tuple[str, int]:
    """`pump.pdf:12` -> the document (a name or an id) and its page. Raises `ValueError`."""
    document, _, page = text.rpartition(":")
    if not document or not page.isdecimal() or len(page) > 9:
        raise ValueError(f"{text!r} is no DOCUMENT:PAGE, such as pump.pdf:12")
    return document, int(page)


@dataclass(frozen=True, slots=True)
class Page:
    """One page as an image.

    `image` is RGB or L, `number` counts from 1 in its file, `source` names the file in messages,
    `geometry` is None for image files, `text` is the PDF's own text layer, or what the OCR engine `text_reader` has
    read on the image ("" where there is none), `words` are its words in reading order (none where nobody knows where
    they stand), `notes` say what of the page cannot be read on the image. `print_height` is the size of most letters
    of the text layer (a font's size, its em) in pixels of the image, None where nobody knows.
    """

    image: Image.Image
    number: int = 1
    source: str = ""
    geometry: PdfGeometry | None = None
    text: str = ""
    notes: tuple[Note, ...] = ()
    print_height: float | None = None
    words: tuple[PrintedWord, ...] = ()
    text_reader: str = ""  # "" for the PDF's own, else the engine with its version

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError(f"page number {self.number} of {self.source!r}: pages are counted from 1")
        if self.image.mode not in ("RGB", "L"):
            raise ValueError(f"page {self.number} of {self.source!r} has mode {self.image.mode}; expected RGB or L")

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the image in pixels."""
        width, height = self.image.size
        return height, width
