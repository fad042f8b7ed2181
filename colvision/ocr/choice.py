"""Which OCR engine reads: the one that is named, or the best of those that are installed."""

import re
from functools import lru_cache
from importlib.util import find_spec

from colvision.errors import MissingExtra
from colvision.ocr.engine import OcrEngine

_ENGINES = ("rapidocr", "tesseract")
_NAMED = re.compile(r"tesseract:([A-Za-z][\w/]*(?:\+[A-Za-z][\w/]*)*)", re.ASCII)
_INSTALL = "pip install 'colvision[ocr]'"
_INSTALL_TESSERACT = "apt install tesseract-ocr, brew install tesseract"


def check_ocr(ocr: str) -> tuple[str, tuple[str, ...]]:
    """The engine ("auto" for the best there is) and its languages, of what a user may write: `tesseract:deu+eng`.

    Raises `ValueError`.
    """
    if named := _NAMED.fullmatch(ocr):
        return "tesseract", tuple(named[1].split("+"))
    if ocr not in ("auto", *_ENGINES):
        raise ValueError(f"there is no OCR engine {ocr!r}; give auto, rapidocr, tesseract, or tesseract:deu+eng")
    return ocr, ()


@lru_cache(maxsize=4)  # RapidOCR's models take seconds to load
def choose_engine(ocr: str = "auto") -> OcrEngine:
    """The engine that `check_ocr` understands; "auto" is RapidOCR where it is installed, else Tesseract.

    Raises `MissingExtra` where it is not installed, `ValueError` as `check_ocr` does.
    """
    engine, languages = check_ocr(ocr)
    has_rapidocr = find_spec("rapidocr") is not None
    if engine == "rapidocr" or (engine == "auto" and has_rapidocr):
        if not has_rapidocr:
            raise MissingExtra(f"RapidOCR is not installed here: {_INSTALL}, or read with tesseract")
        from colvision.ocr.rapidocr import RapidOcr

        return RapidOcr()
    from colvision.ocr.tesseract import Tesseract, find_tesseract

    program = find_tesseract()
    if program is None:
        if engine == "tesseract":
            raise MissingExtra(f"tesseract is not installed here, or does not run: {_INSTALL_TESSERACT}")
        raise MissingExtra(f"no OCR engine is installed here: {_INSTALL}, or tesseract ({_INSTALL_TESSERACT})")
    return Tesseract(program, languages)
