"""Prints from real PDFs: PDFium draws the page and says where every letter lies."""

import ctypes
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray
from pypdfium2 import raw

from colvision.encoders.mini.training.prints import Print, Word, words_on_paper

_POINTS_AN_INCH = 72
_MOST_CHARACTERS = 12_000  # a page
_MOST_PIXELS = 12_000_000  # a page


class DocumentPage(NamedTuple):
    """A page of a training PDF."""

    path: Path
    number: int  # from 0, as PDFium counts


def pages_of(folder: Path, *, most_a_document: int, seed: int) -> list[DocumentPage]:
    """Every readable PDF's pages, at most so many a document, in an order that the seed decides."""
    pages: list[DocumentPage] = []
    rng = Random(seed)
    for path in sorted(folder.rglob("*.pdf")):
        try:
            count = len(pdfium.PdfDocument(path))
        except pdfium.PdfiumError:
            continue
        numbers = rng.sample(range(count), min(count, most_a_document))
        pages.extend(DocumentPage(path, number) for number in numbers)
    rng.shuffle(pages)
    return pages


def print_of(page: DocumentPage, dpi: float) -> Print | None:
    """The page drawn grey at `dpi`, or None where its letters cannot be trusted (no or odd text layer, turned page)."""
    pdf = pdfium.PdfDocument(page.path)
    try:
        sheet = pdf[page.number]
        width, height = sheet.get_size()
        if sheet.get_rotation() or width * height * (dpi / _POINTS_AN_INCH) ** 2 > _MOST_PIXELS:
            return None
        codes, points = _characters(sheet)
        letters = [code for code in codes if chr(code).isalpha()]
        if len(letters) < 40 or sum(code < 0x250 for code in letters) < 0.9 * len(letters):
            return None
        scale = dpi / _POINTS_AN_INCH
        picture = sheet.render(scale=scale, grayscale=True).to_numpy().reshape(round(-(-height * scale // 1)), -1)
        shown_box = raw.FS_RECTF()  # unlike the page's own boxes, this one knows an inherited MediaBox
        raw.FPDF_GetPageBoundingBox(sheet, shown_box)
        left, top = shown_box.left, shown_box.top
        boxes = np.stack([points[:, 0] - left, top - points[:, 3], points[:, 2] - left, top - points[:, 1]], axis=1)
        boxes = (boxes * scale).astype(np.float32)
        words = list(_words(codes, boxes))
        shown = np.array([not chr(c).isspace() and c not in (0, 2, 0xFFFE, 0xAD) for c in codes])
        return Print(np.ascontiguousarray(picture), np.array(codes, dtype=np.int32)[shown], boxes[shown], words)
    except pdfium.PdfiumError:
        return None
    finally:
        pdf.close()


def _characters(sheet: pdfium.PdfPage) -> tuple[list[int], NDArray[np.float64]]:
    text = sheet.get_textpage()
    count = min(text.count_chars(), _MOST_CHARACTERS)
    codes = [raw.FPDFText_GetUnicode(text, i) for i in range(count)]
    points = np.zeros((count, 4))  # left, bottom, right, top
    sides = [ctypes.c_double() for _ in range(4)]
    left, right, bottom, top = (ctypes.byref(side) for side in sides)
    for i in range(count):
        raw.FPDFText_GetCharBox(text, i, left, right, bottom, top)
        points[i] = sides[0].value, sides[2].value, sides[1].value, sides[3].value
    return codes, points


def _words(codes: list[int], boxes: NDArray[np.float32]) -> Iterator[Word]:
    start = 0
    for end in range(len(codes) + 1):
        if end == len(codes) or chr(codes[end]).isspace() or codes[end] in (0, 2, 0xFFFE):
            token = "".join(map(chr, codes[start:end]))
            if token:
                box = boxes[start:end]
                upright = len(token) < 3 or np.ptp(box[:, [0, 2]]) > 0.8 * np.ptp(box[:, [1, 3]])
                if upright:
                    yield from words_on_paper(token, box)
            start = end + 1


def tokens_of(page: DocumentPage) -> list[str]:
    """The page's text, split at blanks; tokens that are not Latin-1 are left out."""
    pdf = pdfium.PdfDocument(page.path)
    try:
        text = pdf[page.number].get_textpage().get_text_bounded()
    except pdfium.PdfiumError:
        return []
    finally:
        pdf.close()
    return [token for token in text.split() if all(32 < ord(c) < 0x180 and ord(c) != 0xAD for c in token)]
