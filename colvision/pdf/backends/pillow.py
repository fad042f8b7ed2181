"""Image files as pages, by Pillow: PNG, JPEG, WebP, and TIFF with all its pages. Runs in the worker process only.

An image is brought to the target area in either direction, so that print has the size it would have on a drawn PDF
page, and to the shape of its paper. Grey files stay grey (L), all others become RGB; colour profiles are not applied.
"""

import importlib
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, cast

from PIL import Image, ImageChops

from colvision.core.health import Note
from colvision.pdf.backends.declared import Declared, read_tiff_tags
from colvision.pdf.backends.picture_parts import open_jpeg, open_png, open_webp
from colvision.pdf.limits import shrunk_notes, target_size
from colvision.pdf.sandbox.protocol import PageImage, Request, UnreadableFile, UnreadablePage

Image.MAX_IMAGE_PIXELS = None  # declared sizes are checked here, against the caller's limit

_DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error)  # of a file that Pillow cannot decode
_UNCOMMON = ("unknown pixel mode", "unknown data organization")  # what Pillow says of a whole TIFF, too
_PLUGINS = {"png": "Png", "jpeg": "Jpeg", "webp": "WebP", "tiff": "Tiff"}
_OPEN_PARTS: Mapping[str, Callable[[Path], tuple[IO[bytes], Declared]]] = {
    "png": open_png,
    "jpeg": open_jpeg,
    "webp": open_webp,
}
_NOTHING = Declared()
_MIN_SIDE = 16  # pixels; a smaller image is a dot or a rule, not a page
_REDUCING_GAP = 2.0  # a JPEG may be decoded at a lower scale as long as it stays this much larger than the page
_FULL_SCALES = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)  # of 8, 10, 12, 14 and 16 bits, however wide they are stored
_PAPER_INCHES = 8.5  # the shorter side of a sheet that says nothing of its size
_DIRECTORIES = (34665, 34853, 40965)  # EXIF, GPS, interoperability: Pillow reads them with a TIFF, and fails with them
_TRANSPOSES = {  # EXIF orientation -> what brings the stored rows upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageDocument:
    """An image file. Only TIFF has more than one page; of an animation the first frame counts."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.notes: tuple[Note, ...] = ()
        try:
            self._image, self._declared = _open(Path(request.path), request.kind)
            self.pages = int(getattr(self._image, "n_frames", 1)) if request.kind == "tiff" else 1
        except _DECODING_ERRORS as error:
            if str(error) in _UNCOMMON:
                raise UnreadableFile("unsupported", "is a TIFF with samples of an uncommon width or kind") from error
            raise UnreadableFile("damaged", f"is a damaged {request.kind.upper()} file") from error
        if self.pages == 1 and self._size_error():
            raise UnreadableFile("limit", self._size_error())

    def draw(self, number: int) -> PageImage:
        try:
            if self.pages > 1:
                self._image.seek(number - 1)
            self._check_size()
            stored, declared = self._image.size, self._declare()
            page = to_page_image(self._decode(declared), self._request.pixels, declared)
        except _DECODING_ERRORS as error:
            raise UnreadablePage(f"is damaged: {error}") from error
        return PageImage(page.size, page.mode, page.tobytes(), notes=_notes(stored, self._request.pixels, declared))

    def _check_size(self) -> None:
        """Before anything is decoded: a few bytes can declare a billion pixels."""
        if self._size_error():
            raise UnreadablePage(self._size_error())
        width, height = self._image.size
        if min(width, height) < _MIN_SIDE:
            raise UnreadablePage(f"measures {width} x {height} pixels: too small to hold anything")

    def _size_error(self) -> str:
        width, height = self._image.size
        limit = self._request.image_pixels
        if width * height <= limit:
            return ""
        return f"measures {width} x {height} = {width * height:,} pixels; the limit image_pixels is {limit:,}"

    def _declare(self) -> Declared:
        """What the present page says of itself, of rows as Pillow gives them: those of a TIFF are upright."""
        if self._request.kind != "tiff":
            return self._declared
        tags = self._image.tag_v2  # type: ignore[attr-defined]  # a TiffImageFile
        declared = read_tiff_tags(tags)
        for tag in _DIRECTORIES:
            tags.pop(tag, None)
        return declared.upright()

    def _decode(self, declared: Declared) -> Image.Image:
        width, height = _page_size(self._image.size, self._request.pixels, declared)
        self._image.draft(None, (round(width * _REDUCING_GAP), round(height * _REDUCING_GAP)))
        self._image.load()
        return self._image


open_document = ImageDocument


def _open(path: Path, kind: str) -> tuple[Image.Image, Declared]:
    """The image, not yet decoded, and what it says of itself; the pages of a TIFF say it one by one."""
    module = importlib.import_module(f"PIL.{_PLUGINS[kind]}ImagePlugin")  # `Image.open` would import all of its formats
    decoder: Callable[[IO[bytes]], Image.Image] = getattr(module, f"{_PLUGINS[kind]}ImageFile")
    if kind == "tiff":  # opened here: of a path Pillow maps the bytes of an image that is turned in wrong rows
        return decoder(path.open("rb")), Declared()
    parts, declared = _OPEN_PARTS[kind](path)
    return decoder(parts), declared


def to_page_image(image: Image.Image, pixels: int, declared: Declared = _NOTHING) -> Image.Image:
    """Any decoded image -> an upright RGB or L page image of about `pixels` pixels, on white where transparent."""
    image = _smooth(_true_values(image, declared))
    image = image.resize(_page_size(image.size, pixels, declared), Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)
    image = _opaque(image)
    transpose = _TRANSPOSES.get(declared.orientation)
    return image if transpose is None else image.transpose(transpose)


def _true_values(image: Image.Image, declared: Declared) -> Image.Image:
    """With 8 bits a sample, of which 0 is black or no ink."""
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image, declared.largest)
    elif declared.bits > 8:
        image = _spread(image)
    return ImageChops.invert(image) if declared.inverted else image


def _eight_bits(image: Image.Image, largest: float | None) -> Image.Image:
    """Grey values of 16 bits, 32 bits or real numbers as 8 bits: by the least usual scale that holds them all.

    `largest` is the end of the scale that the image names itself; it counts if it holds them, too.
    """
    wide = image.convert("F")
    least, greatest = cast(tuple[float, float], wide.getextrema())
    scales = _FULL_SCALES if image.mode.startswith("I;16") else (1.0, *_FULL_SCALES)
    full = min((scale for scale in (*scales, largest or 0.0) if least >= 0 and greatest <= scale > 0), default=0.0)
    black, white = (0.0, full) if full else (least, max(greatest, least + 1.0))
    factor = 255.0 / (white - black)
    return wide.point(lambda value: value * factor + (0.5 - black * factor)).convert("L")


def _spread(image: Image.Image) -> Image.Image:
    """Colours of more than 8 bits, of which the decoder keeps the upper 8, where fewer bits are used than stored."""
    greatest = max(cast(tuple[int, int], band)[1] for band in image.getextrema())
    full = min(scale // 256 for scale in _FULL_SCALES if greatest <= scale // 256)
    return image if full in (0, 255) else image.point(lambda value: min(255, round(value * 255 / full)))


def _smooth(image: Image.Image) -> Image.Image:
    """In a mode that can be scaled: 8 bits a channel, colours already weighted by their opacity (La, RGBa)."""
    if image.has_transparency_data:
        plain, weighted = ("LA", "La") if image.mode in ("1", "L", "LA", "La") else ("RGBA", "RGBa")
        if image.mode not in (plain, weighted):
            image = image.convert(plain)
        return image if image.mode == weighted else image.convert(weighted)
    if image.mode in ("1", "P", "LAB", "HSV"):
        return image.convert("L" if image.mode == "1" else "RGB")
    return image


def _opaque(image: Image.Image) -> Image.Image:
    """RGB or L, laid on white where it is transparent."""
    if image.mode in ("La", "RGBa"):
        mode = image.mode[:-1]
        image = image.convert(f"{mode}A")
        paper = Image.new(mode, image.size, "white")
        paper.paste(image.convert(mode), mask=image.getchannel("A"))
        return paper
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _page_size(size: tuple[int, int], pixels: int, declared: Declared) -> tuple[int, int]:
    """(width, height) of the page image, its rows as they are stored."""
    return target_size(size[0], size[1] * declared.stretch, pixels, "pixels")


def _notes(stored: tuple[int, int], pixels: int, declared: Declared) -> tuple[Note, ...]:
    """What of an image of this size gets lost on a page image: of a large sheet, or a long strip."""
    drawn = _page_size(stored, pixels, declared)
    if drawn[0] >= stored[0] and drawn[1] >= stored[1]:
        return ()
    return shrunk_notes(declared.dpi * drawn[0] / stored[0] if declared.dpi else min(drawn) / _PAPER_INCHES)
