"""OCR for tests: the engines that are installed, scans of printed words, and an engine that only looks words up."""

import shutil
from importlib.util import find_spec

import pytest
from PIL import Image, ImageDraw, ImageFont

from colvision.core.page import Box, PrintedWord
from colvision.ocr import OcrFailure

ENGINES = [
    pytest.param(
        "tesseract",
        marks=pytest.mark.skipif(not shutil.which("tesseract"), reason="no tesseract is installed: apt install it"),
    ),
    pytest.param(
        "rapidocr",
        marks=[
            pytest.mark.skipif(find_spec("rapidocr") is None, reason="no rapidocr: pip install 'colvision[ocr]'"),
            pytest.mark.slow,
        ],
    ),
]
LINES = ("Bleed the hydraulic pump", "before a valve is closed", "and wait for 30 seconds")
WORDS = " ".join(LINES).split()


def scan(lines=LINES, size=(1000, 600)):
    """A picture of printed lines."""
    image = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(40)
    for row, line in enumerate(lines):
        draw.text((80, 60 + 100 * row), line, fill="black", font=font)
    return image


def save_scan(path, *pages):
    """A TIFF with a page of lines each; none: blank."""
    first, *others = (scan(lines) for lines in pages)
    first.save(path, save_all=True, append_images=others, compression="tiff_lzw")
    return path


class Reciter:
    """An engine that gives the texts it was told, a page each; an `OcrFailure` for None."""

    def __init__(self, *texts, name="reciter 1"):
        self.name, self.pages, self._texts = name, [], list(texts)

    def read(self, image):
        self.pages.append(image.size)
        text = self._texts.pop(0)
        if isinstance(text, BaseException):
            raise text
        if text is None:
            raise OcrFailure("could not be read: it is upside down")
        words = text.split()
        width = 1 / max(len(words), 1)
        return tuple(
            PrintedWord(word, Box(place * width, 0.1, (place + 1) * width, 0.2), 0.5)
            for place, word in enumerate(words)
        )
