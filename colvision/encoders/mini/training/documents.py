"""Labelled pages from real PDFs: PDFium draws the page and says where every letter lies."""

import ctypes
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray
from pypdfium2 import raw

from colvision.encoders.mini.training.labelled_page import (
    LabelledPage,
    LabelledWord,
    broken_word,
    line_extent,
    printed_words,
)

_POINTS_AN_INCH = 72
_MOST_CHARACTERS = 12_000  # a page
_MOST_PIXELS = 12_000_000  # a page
_BREAKS = (0, 2, 0xFFFE)  # PDFium's marks for no character and for a hyphen at a line's end
_LOW_LETTERS = frozenset("acegmnopqrsuvwxyz.,-:;")
_X_HEIGHT, _CAP_HEIGHT = 0.46, 0.7  # of the font size, for most text faces

Boxes = NDArray[np.float64]


class DocumentPage(NamedTuple):
    """A page of a training PDF."""

    path: Path
    number: int  # from 0, as PDFium counts


def list_pages(folder: Path, *, most_a_document: int, seed: int) -> list[DocumentPage]:
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


def labelled_page(page: DocumentPage, dpi: float) -> LabelledPage | None:
    """The page drawn grey at `dpi`, or None where its letters cannot be trusted (no or odd text layer, turned page)."""
    pdf = pdfium.PdfDocument(page.path)
    try:
        pdf_page = pdf[page.number]
        width, height = pdf_page.get_size()
        if pdf_page.get_rotation() or width * height * (dpi / _POINTS_AN_INCH) ** 2 > _MOST_PIXELS:
            return None
        codes, points, bases = _characters(pdf_page)
        letters = [code for code in codes if chr(code).isalpha()]
        if len(letters) < 40 or sum(code < 0x250 for code in letters) < 0.9 * len(letters):
            return None
        scale = dpi / _POINTS_AN_INCH
        image = pdf_page.render(scale=scale, grayscale=True).to_numpy().reshape(round(-(-height * scale // 1)), -1)
        shown_box = raw.FS_RECTF()  # unlike the page's own boxes, this one knows an inherited MediaBox
        raw.FPDF_GetPageBoundingBox(pdf_page, shown_box)
        left, top = shown_box.left, shown_box.top
        boxes = points * scale * (1, -1, 1, -1) + np.array([-left, top, -left, top]) * scale  # left, bottom, right, top
        tokens = list(_tokens(codes))
        lines = _on_lines(codes, boxes[:, [0, 3, 2, 1]], (top - bases) * scale, tokens).astype(np.float32)
        words = [word for start, end in tokens for word in _words(codes[start:end], lines[start:end])]
        words.extend(word for first, second in pairwise(tokens) for word in _broken(codes, lines, first, second))
        shown = np.array([not chr(c).isspace() and c not in (*_BREAKS, 0xAD) for c in codes])
        return LabelledPage(np.ascontiguousarray(image), np.array(codes, dtype=np.int32)[shown], lines[shown], words)
    except pdfium.PdfiumError:
        return None
    finally:
        pdf.close()


def _characters(pdf_page: pdfium.PdfPage) -> tuple[list[int], Boxes, NDArray[np.float64]]:
    """Code points, tight boxes (left, bottom, right, top) and base lines in points."""
    text = pdf_page.get_textpage()
    count = min(text.count_chars(), _MOST_CHARACTERS)
    codes = [raw.FPDFText_GetUnicode(text, i) for i in range(count)]
    points, bases = np.zeros((count, 4)), np.zeros(count)
    sides = [ctypes.c_double() for _ in range(6)]
    left, right, bottom, top, across, base = (ctypes.byref(side) for side in sides)
    for i in range(count):
        raw.FPDFText_GetCharBox(text, i, left, right, bottom, top)
        raw.FPDFText_GetCharOrigin(text, i, across, base)
        points[i] = sides[0].value, sides[2].value, sides[1].value, sides[3].value
        bases[i] = sides[5].value
    return codes, points, bases


def _tokens(codes: list[int]) -> Iterator[tuple[int, int]]:
    """(start, end) of every run without a blank or a break."""
    start = 0
    for end in range(len(codes) + 1):
        if end == len(codes) or chr(codes[end]).isspace() or codes[end] in _BREAKS:
            if end > start:
                yield start, end
            start = end + 1


def _on_lines(codes: list[int], boxes: Boxes, bases: NDArray[np.float64], tokens: list[tuple[int, int]]) -> Boxes:
    """Tight boxes -> boxes as high as their line: the font size is told from a token's tallest letter."""
    boxes = boxes.copy()
    for start, end in tokens:
        base = float(np.median(bases[start:end]))
        rise = base - float(boxes[start:end, 1].min())
        low_letters = all(chr(code) in _LOW_LETTERS for code in codes[start:end])
        size = rise / (_X_HEIGHT if low_letters else _CAP_HEIGHT)
        boxes[start:end, 1], boxes[start:end, 3] = line_extent(base, max(size, 1.0))
    return boxes


def _words(codes: list[int], boxes: NDArray[np.float32]) -> list[LabelledWord]:
    """The words of one token; none of a token that runs up the page."""
    width, height = np.ptp(boxes[:, [0, 2]]), np.ptp(boxes[:, [1, 3]])
    upright = len(codes) < 3 or width > 0.5 * height
    return printed_words("".join(map(chr, codes)), boxes) if upright else []


def _broken(
    codes: list[int], boxes: NDArray[np.float32], first: tuple[int, int], second: tuple[int, int]
) -> list[LabelledWord]:
    """The word that two tokens are parts of, on each: PDFium puts a mark in place of the hyphen between two lines."""
    if second[0] != first[1] + 1 or codes[first[1]] not in _BREAKS or boxes[second[0], 0] > boxes[first[0], 0]:
        return []
    before, after = ("".join(map(chr, codes[start:end])) for start, end in (first, second))
    return broken_word(before, after, np.concatenate([boxes[slice(*first)], boxes[slice(*second)]]))


def read_tokens(page: DocumentPage) -> list[str]:
    """The page's text, split at blanks; tokens that are not Latin-1 are left out."""
    pdf = pdfium.PdfDocument(page.path)
    try:
        text = pdf[page.number].get_textpage().get_text_bounded()
    except pdfium.PdfiumError:
        return []
    finally:
        pdf.close()
    return [token for token in text.split() if all(32 < ord(c) < 0x180 and ord(c) != 0xAD for c in token)]
