"""How large a component of an encoder's page vectors gets: what int8 codes must be able to hold."""

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from colvision.core.embedding import PageEmbedding
from colvision.core.page import Page

_MARGIN = 1.25  # real pages go beyond the few generated ones; a quarter of an int8's range costs a third of a bit
_STEP = 64  # rounded up to 1/64, so that bfloat16 and float32, CPU and GPU agree
_HEIGHT, _WIDTH = 448, 336  # 192 patches of 28 pixels: seconds on a CPU even for a model of two billion weights


def measure_quantisation_range(encode_pages: Callable[[Iterable[Page]], Iterator[PageEmbedding]]) -> float:
    """The largest absolute component over three generated pages, with margin, at most 1. Deterministic."""
    largest = max(float(np.abs(embedding.vectors).max()) for embedding in encode_pages(generated_pages()))
    return min(1.0, math.ceil(largest * _MARGIN * _STEP) / _STEP)


def generated_pages() -> Iterator[Page]:
    """A page of print, a page with a table and a photograph-like patch of noise, an empty page."""
    rng = np.random.default_rng(7)
    for number, draw in enumerate((_print, _table, _blank), start=1):
        image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
        text = "\n".join(draw(image, rng))
        yield Page(image, number, source="generated", text=text)


def _print(image: Image.Image, rng: np.random.Generator) -> Iterator[str]:
    """Draws lines, and gives what they say."""
    canvas = ImageDraw.Draw(image)
    for row, size in zip(range(16, _HEIGHT - 40, 36), (24, 16, 12, 11, 10) * 3, strict=False):
        line = _letters(rng, 34)
        canvas.text((20, row), line, fill="black", font=ImageFont.load_default(size))
        yield line


def _table(image: Image.Image, rng: np.random.Generator) -> Iterator[str]:
    canvas = ImageDraw.Draw(image)
    for row in range(20, 200, 30):
        for left in range(20, 300, 70):
            cell = _letters(rng, 6)
            canvas.rectangle((left, row, left + 70, row + 30), outline="black")
            canvas.text((left + 6, row + 8), cell, fill="navy", font=ImageFont.load_default(12))
            yield cell
    noise = rng.integers(0, 256, (180, 260, 3), dtype=np.uint8)
    image.paste(Image.fromarray(noise), (38, 230))


def _blank(image: Image.Image, rng: np.random.Generator) -> Iterator[str]:
    """The page stays white."""
    yield from ()


def _letters(rng: np.random.Generator, count: int) -> str:
    return "".join(rng.choice(list("abcdefghijklmnoprstuvwxyz 0123456789"), count))
