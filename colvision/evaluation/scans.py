"""Simulated scans: a PDF as an office scanner, or an old photocopier, would have left it; the same on every run.

Each page is drawn in grey, scanned as a `ScanLevel` says, and kept as one JPEG: no text layer is left. A page's seed
is the sha256 of document, page (from 0) and level, so a page is scanned alike alone and with its neighbours. The draws
and their order are those of our evaluation sets: OCR that was run on their scans stays comparable.
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
from colvision.pdf.writer import write_jpegs

ScanLevel = Literal["light", "heavy"]
Grey = NDArray[np.float32]

_DPI = 150  # of a scan: what office scanners use for text
_BACK_DPI = 50  # of the page behind, which shows through blurred
_FADING_CELLS = (6, 6)  # of the coarse field by which ink fades
_BACK_BLUR = 2.0  # pixels
_GUTTER_WIDTH = 0.035  # of the page's width, in which the shadow of the binding falls to 1/e
_SPECKS = ([30.0, 250.0], [0.7, 0.3])  # grey levels of dust and of lost ink, and their shares
_LARGE_SPECKS = 0.25  # share of the specks that are 2 x 2 pixels, not one


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """What a scanner does to a page, in grey levels (0 black, 255 white) and pixels at 150 dpi."""

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


SCAN_SETTINGS: dict[ScanLevel, ScanSettings] = {
    "light": ScanSettings(
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
    "heavy": ScanSettings(
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


def write_scan(source: Path, target: Path, *, level: ScanLevel, numbers: Iterable[int] | None = None) -> Iterator[int]:
    """Writes the image-only PDF `target` of the pages of `source` (or of `numbers`, from 1, in this order).

    Yields how many pages are written; exhaust it, or no complete PDF is left. The document's id in the seed is the
    file's stem. One page is in memory at a time. Raises `DamagedFile` for what PDFium cannot open.
    """
    with TrustedPdf(source) as pdf:
        listed = range(1, len(pdf) + 1) if numbers is None else numbers
        jpegs = (scan_page(pdf, number, level=level, document=source.stem) for number in listed)
        yield from write_jpegs(jpegs, target, dpi=_DPI)


def scan_page(pdf: TrustedPdf, number: int, *, level: ScanLevel, document: str) -> bytes:
    """One page (from 1) as the JPEG that lies in the scanned PDF."""
    behind = number + 1 if number % 2 else number - 1  # the other side of its sheet
    back = pdf.grey(behind, dpi=_BACK_DPI) if 1 <= behind <= len(pdf) else None
    seed = hashlib.sha256(f"{document}\0{number - 1}\0{level}".encode()).digest()[:8]
    rng = np.random.default_rng(int.from_bytes(seed, "big"))
    scan = simulate_scan(pdf.grey(number, dpi=_DPI), SCAN_SETTINGS[level], rng=rng, back=back)
    packed = io.BytesIO()
    scan.save(packed, "JPEG", quality=SCAN_SETTINGS[level].jpeg, optimize=False)
    return packed.getvalue()


def simulate_scan(
    image: Image.Image, settings: ScanSettings, *, rng: np.random.Generator, back: Image.Image | None = None
) -> Image.Image:
    """A grey image (L) -> the same page as scanned; `back` is the image of the page behind, of any size."""
    if settings.bleed:
        image = Image.blend(image, image.filter(ImageFilter.MinFilter(3)), settings.bleed)
    ink = np.asarray(image, dtype=np.float32) / 255.0  # (height, width) 0 = ink, 1 = paper
    if back is not None and settings.show:
        ink = np.minimum(ink, 1.0) * (1 - settings.show * (1 - _shown_through(back, image.size)))
    image = _photograph(ink, settings, rng)
    light = _light((image.height, image.width), settings, rng)
    page = np.asarray(image, dtype=np.float32) * light
    page += rng.normal(0, settings.noise, page.shape).astype(np.float32)
    _add_specks(page, settings.specks, rng)
    return _image(page)


def _shown_through(back: Image.Image, size: tuple[int, int]) -> Grey:
    """The page behind, mirrored and blurred: (height, width) 0 = ink, 1 = paper."""
    mirrored = back.resize(size).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(mirrored.filter(ImageFilter.GaussianBlur(_BACK_BLUR)), dtype=np.float32) / 255.0


def _photograph(ink: Grey, settings: ScanSettings, rng: np.random.Generator) -> Image.Image:
    """Ink and paper as grey levels, laid on the glass a little askew, through the lens."""
    height, width = ink.shape
    coarse = rng.normal(0, 1, _FADING_CELLS).astype(np.float32)
    field = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    black, paper = rng.uniform(*settings.black), rng.uniform(*settings.paper)
    dark = black + settings.fading * field
    page = dark + (paper - dark) * ink
    angle = rng.uniform(-settings.turn, settings.turn)
    right, down = rng.integers(-settings.shift, settings.shift + 1, 2)
    image = _image(page).rotate(
        angle,
        resample=Image.Resampling.BICUBIC,
        translate=(int(right), int(down)),
        fillcolor=int(paper),
    )
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(*settings.blur)))


def _light(shape: tuple[int, int], settings: ScanSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    """(height, width) the share of light that arrives: a plane, a fall from some centre, the binding's shadow."""
    height, width = shape
    down, right = np.mgrid[0:height, 0:width].astype(np.float32)
    down /= height
    right /= width
    angle = rng.uniform(0, 2 * np.pi)
    plane = np.cos(angle) * (right - 0.5) + np.sin(angle) * (down - 0.5)
    centre_x, centre_y = rng.uniform(0.3, 0.7, 2)
    fall = (right - centre_x) ** 2 + (down - centre_y) ** 2
    light: NDArray[np.float64] = 1 - settings.shade * (0.5 + plane) * 0.7 - settings.shade * fall
    if settings.gutter:
        away = right if rng.random() < 0.5 else 1 - right
        light -= settings.gutter * np.exp(-away / _GUTTER_WIDTH)
    return light


def _add_specks(page: NDArray[np.float64], specks: int, rng: np.random.Generator) -> None:
    """Dust and lost ink, in place."""
    height, width = page.shape
    rows, cols = rng.integers(0, height - 2, specks), rng.integers(0, width - 2, specks)
    levels, shares = _SPECKS
    for row, col, level in zip(rows, cols, rng.choice(levels, specks, p=shares), strict=True):
        side = 1 + int(rng.random() < _LARGE_SPECKS)
        page[row : row + side, col : col + side] = level


def _image(page: NDArray[np.float32] | NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(page, 0, 255).astype(np.uint8))
