"""What scanners, photocopiers and fax machines do to a page. Constants are in grey levels and pixels at 98 dpi."""

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Grey = NDArray[np.float32]
_BANK = 2048  # pixels: side of the noise that is drawn once and then looked at through a moving window
_CLEAN, _HEAVY = 0.25, 0.4  # shares of crops; the rest is in between


def degrade(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A clean crop -> the same crop as some machine would have left it, between untouched and an old photocopy."""
    if rng.random() < 0.04:
        picture = 255 - picture
    draw = rng.random()
    if draw < _CLEAN:
        return _jpeg(picture, int(rng.integers(60, 96))) if rng.random() < 0.5 else picture
    strength = float(rng.uniform(0.5, 1.0) if draw < _CLEAN + _HEAVY else rng.uniform(0.1, 0.5))
    page = _ink(picture, strength, rng)
    page = _paper(page, strength, rng)
    page += _noise(picture.shape, rng) * np.float32(rng.uniform(0, 8) * strength)
    _specks(page, strength, rng)
    spoilt = np.clip(page, 0, 255).astype(np.uint8)
    if rng.random() < 0.05:
        limit = int(np.quantile(spoilt, 0.02) * 0.5 + np.median(spoilt) * 0.5)
        return np.where(spoilt > limit, 255, 0).astype(np.uint8)
    return _jpeg(spoilt, int(rng.integers(40, 90)))


def _ink(picture: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> Grey:
    """Spread or worn ink, then the lens: 0 = black, 1 = paper."""
    image = Image.fromarray(picture)
    draw = rng.random()
    if draw < 0.5:
        image = Image.blend(image, image.filter(ImageFilter.MinFilter(3)), float(rng.uniform(0, 0.4) * strength))
    elif draw < 0.6:
        image = Image.blend(image, image.filter(ImageFilter.MaxFilter(3)), float(rng.uniform(0, 0.5) * strength))
    blur = rng.uniform(0.1, 0.8) * strength
    if blur > 0.15:
        image = image.filter(ImageFilter.GaussianBlur(float(blur)))
    page = np.asarray(image, dtype=np.float32) / np.float32(255)
    if rng.random() < 0.3:
        shadow = np.roll(page[:, ::-1], int(rng.integers(-40, 40)), axis=0)
        page = page * (1 - np.float32(rng.uniform(0, 0.09) * strength) * (1 - shadow))
    return page


def _paper(page: Grey, strength: float, rng: np.random.Generator) -> Grey:
    """Black is not black, paper is not white, light falls unevenly."""
    black = rng.uniform(0, 95) * strength
    paper = 255 - rng.uniform(0, 70) * strength
    dark = np.float32(black) + np.float32(10 * strength) * _field(page.shape, rng)
    page = dark + (np.float32(paper) - dark) * page
    page *= 1 + np.float32(0.1 * strength) * _field(page.shape, rng)
    if rng.random() < 0.2 * strength:
        away = np.linspace(0, rng.uniform(3, 12), page.shape[1], dtype=np.float32)
        gutter = 1 - np.float32(rng.uniform(0.1, 0.4)) * np.exp(-away)
        page *= gutter[::-1] if rng.random() < 0.5 else gutter
    return page


def _field(shape: tuple[int, ...], rng: np.random.Generator) -> Grey:
    """A smooth random field of variance about one half."""
    coarse = rng.normal(0, 0.8, (4, 4)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


@lru_cache(maxsize=1)
def _bank() -> Grey:
    rng = np.random.default_rng(0)
    fine = rng.standard_normal((_BANK, _BANK), dtype=np.float32)
    return fine + np.float32(0.4) * np.roll(fine, 1, axis=1)


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> Grey:
    top, left = rng.integers(0, _BANK - shape[0]), rng.integers(0, _BANK - shape[1])
    return _bank()[top : top + shape[0], left : left + shape[1]]


def _specks(page: Grey, strength: float, rng: np.random.Generator) -> None:
    count = int(rng.uniform(0, 140) * strength**2)
    rows, cols = rng.integers(0, page.shape[0] - 2, count), rng.integers(0, page.shape[1] - 2, count)
    for row, col, level in zip(rows, cols, rng.choice([60.0, 120.0, 245.0], count, p=[0.35, 0.35, 0.3]), strict=True):
        page[row : row + 1 + int(rng.integers(2)), col : col + 1 + int(rng.integers(2))] = level


def _jpeg(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", quality=quality)
    return np.asarray(Image.open(packed))
