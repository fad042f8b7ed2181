"""Simulated scans: a PDF as an office scanner, or an old photocopier, would have left it; the same on every run.

Each page is drawn in grey, worn by what a `Level` says, and kept as one JPEG: no text layer is left. The seed of a page
is the sha256 of document, page (from 0) and level, so a page is worn alike alone and with its neighbours. The draws and
their order are those of our evaluation sets: OCR that was run on their scans stays comparable.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from colvision.pdf.trusted import TrustedPdf

Level = Literal["light", "heavy"]
Grey = NDArray[np.float32]

_DPI = 150  # of a scan: what office scanners use for text
_BACK_DPI = 50  # of the page behind, which shows through blurred
_FADING_CELLS = (6, 6)  # of the coarse field by which ink fades
_BACK_BLUR = 2.0  # pixels
_GUTTER_WIDTH = 0.035  # of the page's width, in which the shadow of the binding falls to 1/e
_SPECKS = ([30.0, 250.0], [0.7, 0.3])  # grey levels of dust and of lost ink, and their shares
_LARGE_SPECKS = 0.25  # share of the specks that are 2 x 2 pixels, not one


@dataclass(frozen=True, slots=True)
class Wear:
    """What a machine does to a page, in grey levels (0 black, 255 white) and pixels at 150 dpi."""

    turn: float  # degrees, at most, either way
    shift: int  # pixels, at most, along each axis
    bleed: float  # share of ink that has spread by one pixel
    show: float  # share of the page behind that shows through
    black: tuple[float, float]  # grey level of ink
    fading: float  # grey levels by which ink varies over the page
    paper: tuple[float, float]  # grey level of paper
    blur: tuple[float, float]  # radius in pixels
    shade: float  # share of light that is lost away from the lamp
    gutter: float  # share of light that is lost at the binding
    noise: float  # standard deviation in grey levels
    specks: int
    jpeg: int  # quality


LEVELS: dict[Level, Wear] = {
    "light": Wear(
        turn=0.6,
        shift=4,
        bleed=0.10,
        show=0.015,
        black=(15, 35),
        fading=0.0,
        paper=(238, 250),
        blur=(0.35, 0.55),
        shade=0.05,
        gutter=0.0,
        noise=3.0,
        specks=40,
        jpeg=75,
    ),
    "heavy": Wear(
        turn=1.5,
        shift=12,
        bleed=0.40,
        show=0.06,
        black=(35, 70),
        fading=8.0,
        paper=(205, 232),
        blur=(0.75, 1.05),
        shade=0.18,
        gutter=0.30,
        noise=9.0,
        specks=600,
        jpeg=35,
    ),
}


def write_scan(source: Path, target: Path, *, level: Level, numbers: Iterable[int] | None = None) -> Iterator[int]:
    """Writes the image-only PDF `target` of the pages of `source` (or of `numbers`, from 1, in this order).

    Yields the number of each page once it is written; exhaust it, or no complete PDF is left. The document's id in the
    seed is the file's stem. One page is in memory at a time. Raises `DamagedFile` for what PDFium cannot open.
    """
    with TrustedPdf(source) as pdf, target.open("wb") as file:
        writer = _ImagePdf(file)
        for number in range(1, len(pdf) + 1) if numbers is None else numbers:
            writer.add(scan_page(pdf, number, level=level, document=source.stem))
            yield number
        writer.finish()


def scan_page(pdf: TrustedPdf, number: int, *, level: Level, document: str) -> bytes:
    """One page (from 1) as the JPEG that lies in the scanned PDF."""
    behind = number + 1 if number % 2 else number - 1  # the other side of its sheet
    back = pdf.grey(behind, dpi=_BACK_DPI) if 1 <= behind <= len(pdf) else None
    seed = hashlib.sha256(f"{document}\0{number - 1}\0{level}".encode()).digest()[:8]
    rng = np.random.default_rng(int.from_bytes(seed, "big"))
    worn = wear_out(pdf.grey(number, dpi=_DPI), LEVELS[level], rng=rng, back=back)
    packed = io.BytesIO()
    worn.save(packed, "JPEG", quality=LEVELS[level].jpeg, optimize=False)
    return packed.getvalue()


def wear_out(
    image: Image.Image, wear: Wear, *, rng: np.random.Generator, back: Image.Image | None = None
) -> Image.Image:
    """A grey picture (L) -> the same page as scanned; `back` is the picture of the page behind, of any size."""
    if wear.bleed:
        image = Image.blend(image, image.filter(ImageFilter.MinFilter(3)), wear.bleed)
    ink = np.asarray(image, dtype=np.float32) / 255.0  # (height, width) 0 = ink, 1 = paper
    if back is not None and wear.show:
        ink = np.minimum(ink, 1.0) * (1 - wear.show * (1 - _seen_through(back, image.size)))
    image = _photograph(ink, wear, rng)
    light = _light((image.height, image.width), wear, rng)
    page = np.asarray(image, dtype=np.float32) * light
    page += rng.normal(0, wear.noise, page.shape).astype(np.float32)
    _sprinkle(page, wear.specks, rng)
    return _picture(page)


def _seen_through(back: Image.Image, size: tuple[int, int]) -> Grey:
    """The page behind, mirrored and blurred: (height, width) 0 = ink, 1 = paper."""
    mirrored = back.resize(size).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(mirrored.filter(ImageFilter.GaussianBlur(_BACK_BLUR)), dtype=np.float32) / 255.0


def _photograph(ink: Grey, wear: Wear, rng: np.random.Generator) -> Image.Image:
    """Ink and paper as grey levels, laid on the glass a little askew, through the lens."""
    height, width = ink.shape
    coarse = rng.normal(0, 1, _FADING_CELLS).astype(np.float32)
    field = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    black, paper = rng.uniform(*wear.black), rng.uniform(*wear.paper)
    dark = black + wear.fading * field
    page = dark + (paper - dark) * ink
    angle = rng.uniform(-wear.turn, wear.turn)
    right, down = rng.integers(-wear.shift, wear.shift + 1, 2)
    image = _picture(page).rotate(
        angle,
        resample=Image.Resampling.BICUBIC,
        translate=(int(right), int(down)),
        fillcolor=int(paper),
    )
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(*wear.blur)))


def _light(shape: tuple[int, int], wear: Wear, rng: np.random.Generator) -> NDArray[np.float64]:
    """(height, width) the share of light that arrives: a plane, a fall from some centre, the binding's shadow."""
    height, width = shape
    down, right = np.mgrid[0:height, 0:width].astype(np.float32)
    down /= height
    right /= width
    angle = rng.uniform(0, 2 * np.pi)
    plane = np.cos(angle) * (right - 0.5) + np.sin(angle) * (down - 0.5)
    centre_x, centre_y = rng.uniform(0.3, 0.7, 2)
    fall = (right - centre_x) ** 2 + (down - centre_y) ** 2
    light: NDArray[np.float64] = 1 - wear.shade * (0.5 + plane) * 0.7 - wear.shade * fall
    if wear.gutter:
        away = right if rng.random() < 0.5 else 1 - right
        light -= wear.gutter * np.exp(-away / _GUTTER_WIDTH)
    return light


def _sprinkle(page: NDArray[np.float64], specks: int, rng: np.random.Generator) -> None:
    """Dust and lost ink, in place."""
    height, width = page.shape
    rows, cols = rng.integers(0, height - 2, specks), rng.integers(0, width - 2, specks)
    levels, shares = _SPECKS
    for row, col, level in zip(rows, cols, rng.choice(levels, specks, p=shares), strict=True):
        side = 1 + int(rng.random() < _LARGE_SPECKS)
        page[row : row + side, col : col + side] = level


def _picture(page: NDArray[np.float32] | NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(page, 0, 255).astype(np.uint8))


class _ImagePdf:
    """An image-only PDF, written as its pages come: the JPEG streams lie in it as they are (PDF 32000-1, 7.5)."""

    def __init__(self, file: io.BufferedWriter) -> None:
        self._file = file
        self._offsets: dict[int, int] = {}
        self._pages: list[int] = []
        file.write(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
        self._object(1, b"<</Type/Catalog/Pages 2 0 R>>")

    def add(self, jpeg: bytes) -> None:
        width, height = Image.open(io.BytesIO(jpeg)).size
        points = (width * 72 / _DPI, height * 72 / _DPI)
        image = 3 * len(self._pages) + 3  # 1 and 2 are the catalog and the page tree
        declared = b"/Width %d/Height %d/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/DCTDecode" % (width, height)
        self._object(image, _stream(b"/Type/XObject/Subtype/Image" + declared, jpeg))
        self._object(image + 1, _stream(b"", b"q %.3f 0 0 %.3f 0 0 cm /I Do Q" % points))
        page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %.3f %.3f]" % points
        self._object(image + 2, page + b"/Resources<</XObject<</I %d 0 R>>>>/Contents %d 0 R>>" % (image, image + 1))
        self._pages.append(image + 2)

    def finish(self) -> None:
        kids = b" ".join(b"%d 0 R" % page for page in self._pages)
        self._object(2, b"<</Type/Pages/Count %d/Kids[" % len(self._pages) + kids + b"]>>")
        table = self._file.tell()
        size = len(self._offsets) + 1
        rows = b"".join(b"%010d 00000 n \n" % self._offsets[number] for number in sorted(self._offsets))
        self._file.write(b"xref\n0 %d\n0000000000 65535 f \n" % size + rows)
        self._file.write(b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, table))

    def _object(self, number: int, body: bytes) -> None:
        self._offsets[number] = self._file.tell()
        self._file.write(b"%d 0 obj\n" % number + body + b"\nendobj\n")


def _stream(entries: bytes, data: bytes) -> bytes:
    return b"<<" + entries + b"/Length %d>>\nstream\n" % len(data) + data + b"\nendstream"
