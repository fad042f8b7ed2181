"""A bad scan of a PDF: every page becomes a grey JPEG that was crooked, blurred, badly lit, noisy and dirty.

Only additions and multiplications of floats and table look-ups are used, no sines or exponentials, whose last bits
differ between processors. The same versions of pillow, numpy and PDFium therefore give the same file.
"""

import io
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pypdfium2
from manual import pdf
from PIL import Image, ImageDraw, ImageFilter

DPI = 150
QUALITY = 42  # of the JPEGs: about 110 KB a page
PAPER, TONER = 226.0, 38.0  # grey levels of a copy that was copied
Grey = npt.NDArray[np.float32]


def producer() -> str:
    """The versions on which the bytes of a scan depend."""
    tools = ", ".join(f"{name} {version(name)}" for name in ("pillow", "numpy", "pypdfium2"))
    return f"{tools}, {platform.machine()}"


def write_scan(source: Path, target: Path, *, title: str, seed: int = 24) -> None:
    """Writes an image-only PDF with the pages of `source`, each in its own size."""
    pages = list(_pictures(source))
    scans = []
    for number, (picture, size) in enumerate(pages):
        behind = pages[number + 1 - 2 * (number % 2)][0] if number + 1 < len(pages) else picture
        copy = _copy(picture, behind, np.random.default_rng([seed, number]), left=number % 2 == 0)
        data = io.BytesIO()
        copy.save(data, "JPEG", quality=QUALITY, optimize=True)
        scans.append(pdf.PdfPage(b"", size, jpeg=data.getvalue(), jpeg_size=copy.size))
    pdf.write(target, scans, info={"Title": title, "Producer": producer()})


def _pictures(source: Path) -> Iterator[tuple[Image.Image, tuple[float, float]]]:
    """Grey pictures of the pages, with the sizes of the pages in points."""
    document = pypdfium2.PdfDocument(source)
    for page in document:
        yield page.render(scale=DPI / 72, grayscale=True).to_pil().convert("L"), page.get_size()
        page.close()
    document.close()


def _copy(picture: Image.Image, behind: Image.Image, rng: np.random.Generator, *, left: bool) -> Image.Image:
    """One page through the scanner; `left` says on which side the book was bound."""
    grey = _show_through(picture, behind)
    draw = ImageDraw.Draw(grey)
    _dirt(draw, grey.size, rng)
    _holes(draw, grey.size, left=left)
    grey = _crooked(grey, rng).filter(ImageFilter.GaussianBlur(float(rng.uniform(0.75, 1.15))))
    values = np.asarray(grey, dtype=np.float32) / 255
    values = TONER + (PAPER - TONER) * values * _light(values.shape, rng, left=left)
    values += _noise(values.shape, rng)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _show_through(picture: Image.Image, behind: Image.Image) -> Image.Image:
    """The print on the back of thin paper, mirrored and faint."""
    if picture.size != behind.size:
        return picture.copy()
    back = behind.transpose(Image.Transpose.FLIP_LEFT_RIGHT).filter(ImageFilter.GaussianBlur(3))
    faint = back.point([255 - (255 - v) // 14 for v in range(256)])
    return Image.fromarray(np.minimum(np.asarray(picture), np.asarray(faint)))


def _dirt(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    """Specks of toner, gaps in the print, hairs, and the streak of a worn drum."""
    width, height = size
    for _ in range(int(rng.integers(120, 260))):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.4, 1.9)
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=int(rng.integers(30, 150)))
    for _ in range(int(rng.integers(150, 300))):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.5, 1.6)
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    for _ in range(int(rng.integers(1, 4))):
        way = rng.uniform(-7, 7, 2) + np.cumsum(rng.uniform(-1.6, 1.6, (16, 2)), axis=0)
        points = np.cumsum(way, axis=0) + rng.uniform(0.1, 0.9, 2) * size
        draw.line([(float(x), float(y)) for x, y in points], fill=90, width=1)
    x = float(rng.uniform(0.08, 0.92)) * width
    draw.line([(x, 0), (x + 3, height)], fill=205, width=int(rng.integers(1, 4)))


def _holes(draw: ImageDraw.ImageDraw, size: tuple[int, int], *, left: bool) -> None:
    """Two punched holes, 80 mm apart, 12 mm from the bound edge: black on the scanner."""
    edge, radius = 12 / 25.4 * DPI, 2.9 / 25.4 * DPI
    x = edge if left else size[0] - edge
    for shift in (-40, 40):
        y = size[1] / 2 + shift / 25.4 * DPI
        draw.ellipse([x - radius - 2, y - radius - 1, x + radius + 2, y + radius + 3], fill=190)
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=25)


def _crooked(grey: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Turned by up to 1.3 degrees, sheared a little, moved by a few pixels."""
    turn = float(rng.uniform(0.005, 0.022) * (1 if rng.random() < 0.5 else -1))
    shear, stretch = float(rng.uniform(-0.004, 0.004)), float(rng.uniform(0.994, 1.006))
    width, height = grey.size
    dx, dy = (float(v) for v in rng.uniform(-8, 8, 2))
    a, b, c, d = stretch, -turn + shear, turn, 1.0
    x0 = width / 2 - a * width / 2 - b * height / 2 + dx
    y0 = height / 2 - c * width / 2 - d * height / 2 + dy
    return grey.transform(
        grey.size, Image.Transform.AFFINE, (a, b, x0, c, d, y0), Image.Resampling.BICUBIC, fillcolor=70
    )


def _light(shape: tuple[int, ...], rng: np.random.Generator, *, left: bool) -> Grey:
    """How bright the lamp is at each pixel: a slope, a darker corner, the shadow of the spine."""
    y = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None]
    x = np.linspace(0, 1, shape[1], dtype=np.float32)[None, :]
    if not left:
        x = 1 - x
    slope = np.float32(rng.uniform(0.05, 0.16))
    middle = np.float32(rng.uniform(0.2, 0.8))
    spine = np.clip(1 - x / np.float32(0.13), 0, 1)
    light: Grey = (
        1 - slope * x * y - np.float32(0.09) * (y - middle) * (y - middle) * 4 - np.float32(0.42) * spine * spine
    )
    return light


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> Grey:
    """Fine grain, and blotches some 30 pixels wide."""
    fine = rng.standard_normal(shape, dtype=np.float32) * np.float32(5)
    coarse = rng.uniform(0, 255, (shape[0] // 30 + 1, shape[1] // 30 + 1)).astype(np.uint8)
    blotches = Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    grain: Grey = fine + (np.asarray(blotches, dtype=np.float32) - 128) * np.float32(0.045)
    return grain
