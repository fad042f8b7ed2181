"""Image files as pages, by Pillow: PNG, JPEG, WebP, and TIFF with all its pages. Runs in the worker process only.

An image is brought to the target area in either direction, so that print has the size it would have on a drawn PDF
page. Grey files stay grey (L), all others become RGB; colour profiles are not applied.
"""

import importlib
from typing import cast

from PIL import ExifTags, Image

from colvision.core.health import Note
from colvision.pdf.limits import target_size
from colvision.pdf.sandbox.protocol import PageImage, Request, UnreadableFile, UnreadablePage

Image.MAX_IMAGE_PIXELS = None  # declared sizes are checked here, against the caller's limit

_PLUGINS = {"png": "Png", "jpeg": "Jpeg", "webp": "WebP", "tiff": "Tiff"}
_DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError)  # what Pillow raises for a file that it cannot decode
_MIN_SIDE = 16  # pixels; a smaller image is a dot or a rule, not a page
_REDUCING_GAP = 2.0  # a JPEG may be decoded at a lower scale as long as it stays this much larger than the page
_FULL_SCALES = (1.0, 255.0, 65535.0)  # of grey values: a share, 8 bits, 16 bits
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
        importlib.import_module(f"PIL.{_PLUGINS[request.kind]}ImagePlugin")  # else Pillow imports all of its formats
        try:
            self._image = Image.open(request.path, formats=[request.kind])
            self.pages = int(getattr(self._image, "n_frames", 1)) if request.kind == "tiff" else 1
        except _DECODING_ERRORS as error:
            raise UnreadableFile("damaged", f"is a damaged {request.kind.upper()} file") from error
        if self.pages == 1 and self._size_error():
            raise UnreadableFile("limit", self._size_error())

    def draw(self, number: int) -> PageImage:
        try:
            if self.pages > 1:
                self._image.seek(number - 1)
            self._check_size()
            page = to_page_image(self._decode(), self._request.pixels)
        except _DECODING_ERRORS as error:
            raise UnreadablePage(f"is damaged: {error}") from error
        return PageImage(page.size, page.mode, page.tobytes())

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

    def _decode(self) -> Image.Image:
        width, height = target_size(*self._image.size, self._request.pixels, "pixels")
        self._image.draft(None, (round(width * _REDUCING_GAP), round(height * _REDUCING_GAP)))
        self._image.load()
        return self._image


open_document = ImageDocument


def to_page_image(image: Image.Image, pixels: int) -> Image.Image:
    """Any decoded image -> an upright RGB or L page image of about `pixels` pixels, on white where transparent."""
    transpose = _TRANSPOSES.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    image = _smooth(image).resize(
        target_size(*image.size, pixels, "pixels"), Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP
    )
    image = _opaque(image)
    return image if transpose is None else image.transpose(transpose)


def _smooth(image: Image.Image) -> Image.Image:
    """In a mode that can be scaled: 8 bits a channel, colours already weighted by their opacity (La, RGBa)."""
    if image.mode.startswith(("I", "F")):
        return _eight_bits(image)
    if image.has_transparency_data:
        plain, weighted = ("LA", "La") if image.mode in ("1", "L", "LA", "La") else ("RGBA", "RGBa")
        if image.mode not in (plain, weighted):
            image = image.convert(plain)
        return image if image.mode == weighted else image.convert(weighted)
    if image.mode in ("1", "P", "LAB", "HSV"):
        return image.convert("L" if image.mode == "1" else "RGB")
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey values of 16 bits, 32 bits or real numbers as 8 bits: by the usual full scale that holds them all."""
    wide = image.convert("F")
    least, greatest = cast(tuple[float, float], wide.getextrema())
    scales = (_FULL_SCALES[-1],) if image.mode.startswith("I;16") else _FULL_SCALES
    full = next((scale for scale in scales if least >= 0 and greatest <= scale), 0.0)
    black, white = (0.0, full) if full else (least, max(greatest, least + 1.0))
    factor = 255.0 / (white - black)
    return wide.point(lambda value: value * factor + (0.5 - black * factor)).convert("L")


def _opaque(image: Image.Image) -> Image.Image:
    """RGB or L, laid on white where it is transparent."""
    if image.mode in ("La", "RGBa"):
        mode = image.mode[:-1]
        image = image.convert(f"{mode}A")
        paper = Image.new(mode, image.size, "white")
        paper.paste(image.convert(mode), mask=image.getchannel("A"))
        return paper
    return image if image.mode in ("L", "RGB") else image.convert("RGB")
