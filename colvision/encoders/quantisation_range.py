"""How large a component of an encoder's page vectors gets: what int8 codes must be able to hold."""

import math
import re
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from colvision.core.embedding import PageEmbedding
from colvision.core.page import Box, Page, PrintedWord

_MARGIN = 1.25  # real pages go beyond the few generated ones; a quarter of an int8's range costs a third of a bit
_STEP = 64  # rounded up to 1/64, so that bfloat16 and float32, CPU and GPU agree
_HEIGHT, _WIDTH = 448, 336  # 192 patches of 28 pixels: seconds on a CPU even for a model of two billion weights


def measure_quantisation_range(encode_pages: Callable[[Iterable[Page]], Iterator[PageEmbedding]]) -> float:
    """The largest absolute component over three generated pages, with margin, at most 1. Deterministic."""
    largest = max(float(np.abs(embedding.vectors).max()) for embedding in encode_pages(generated_pages()))
    return min(1.0, math.ceil(largest * _MARGIN * _STEP) / _STEP)


def generated_pages() -> Iterator[Page]:
    """A page of print, a page with a table and a photograph-like patch of noise, an empty page; and their words."""
    rng = np.random.default_rng(7)
    for number, draw in enumerate((_print, _table, _blank), start=1):
        image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
        words = tuple(draw(image, rng))
        yield Page(image, number, source="generated", text=" ".join(word.text for word in words), words=words)


def _print(image: Image.Image, rng: np.random.Generator) -> Iterator[PrintedWord]:
    for row, size in zip(range(16, _HEIGHT - 40, 36), (24, 16, 12, 11, 10) * 3, strict=False):
        yield from _draw_line(image, (20, row), _letters(rng, 34), size, "black")


def _draw_line(image: Image.Image, start: tuple[int, int], text: str, size: int, colour: str) -> Iterator[PrintedWord]:
    """Draws a line of text, and gives its words where they stand."""
    canvas, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    canvas.text(start, text, fill=colour, font=font)
    for match in re.finditer(r"\S+", text):
        left = start[0] + font.getlength(text[: match.start()])
        _, top, right, bottom = canvas.textbbox((left, start[1]), match.group(), font=font)
        box = Box(left / image.width, top / image.height, right / image.width, bottom / image.height)
        yield PrintedWord(match.group(), box)


def _table(image: Image.Image, rng: np.random.Generator) -> Iterator[PrintedWord]:
    canvas = ImageDraw.Draw(image)
    for row in range(20, 200, 30):
        for left in range(20, 300, 70):
            canvas.rectangle((left, row, left + 70, row + 30), outline="black")
            yield from _draw_line(image, (left + 6, row + 8), _letters(rng, 6), 12, "navy")
    noise = rng.integers(0, 256, (180, 260, 3), dtype=np.uint8)
    image.paste(Image.fromarray(noise), (38, 230))


def _blank(image: Image.Image, rng: np.random.Generator) -> Iterator[PrintedWord]:
    """The page stays white."""
    yield from ()


def _letters(rng: np.random.Generator, count: int) -> str:
    return "".join(rng.choice(list("abcdefghijklmnoprstuvwxyz 0123456789"), count))
