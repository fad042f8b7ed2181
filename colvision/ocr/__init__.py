"""Reading the text of a page from its image (OCR): words with their places, by an engine that is installed beside."""

from colvision.ocr.choice import check_ocr, choose_engine
from colvision.ocr.engine import OcrEngine, OcrFailure

__all__ = ["OcrEngine", "OcrFailure", "check_ocr", "choose_engine"]
