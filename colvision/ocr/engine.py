"""What an OCR engine is to the other packages."""

from typing import Protocol

from PIL import Image

from colvision.core.page import PrintedWord

MAX_WORDS = 20_000  # of a page, as of a text layer: what reads more sees words in noise


class OcrFailure(Exception):
    """A page that an engine could not read. The text continues the sentence "page 7 ..."."""


class OcrEngine(Protocol):
    """Reads the words of a page image; safe to share between threads."""

    @property
    def name(self) -> str:
        """With its version and what else its answers depend on: "tesseract 5.3.0 eng"."""
        ...

    def read(self, image: Image.Image) -> tuple[PrintedWord, ...]:
        """The words of an image (RGB or L) in reading order, none where it sees none. Raises `OcrFailure`."""
        ...
