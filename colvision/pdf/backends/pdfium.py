"""PDF pages by PDFium; also the geometry and the text layer where poppler draws. Runs in the worker process only."""

import re
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from colvision.core.health import Note
from colvision.core.page import PdfGeometry
from colvision.pdf.limits import target_size
from colvision.pdf.sandbox.protocol import PageImage, Request, UnreadableFile, UnreadablePage

MAX_TEXT_CHARACTERS = 1_000_000  # of a page's text layer; a page crowded with small print has 20,000

_TAIL_BYTES = 4096  # every complete PDF names its cross-reference table there
_LINE_HYPHEN = re.compile("[\x02\ufffe]\\s*")  # PDFium's mark for a word that is broken at the end of a line
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


class PdfiumDocument:
    """A PDF opened by PDFium."""

    def __init__(self, request: Request) -> None:
        self._pixels = request.pixels
        self._is_truncated = _is_truncated(Path(request.path))
        self._document = _load(request.path)
        self._document.init_forms()  # else filled-in fields stay blank
        self.pages = len(self._document)
        self.notes: tuple[Note, ...] = ()

    def draw(self, number: int) -> PageImage:
        page = self._page(number)
        try:
            geometry, size = self._measure(page)
            image = PageImage(*self._render(page, number, size), _text(page), geometry)
        finally:
            page.close()
        if abs(image.size[0] - size[0]) > 1 or abs(image.size[1] - size[1]) > 1:
            raise UnreadablePage(f"was drawn as {image.size[0]} x {image.size[1]} pixels, not {size[0]} x {size[1]}")
        if self._is_truncated and not bytes(image.pixels).strip(b"\xff"):
            raise UnreadablePage("is blank, and the end of the file is missing: its content is probably lost")
        return image

    def _page(self, number: int) -> pdfium.PdfPage:
        try:
            return self._document[number - 1]
        except pdfium.PdfiumError as error:
            raise UnreadablePage("is damaged: it cannot be loaded") from error

    def _measure(self, page: pdfium.PdfPage) -> tuple[PdfGeometry, tuple[int, int]]:
        """The page's place in the PDF's space, and its size in pixels."""
        width, height = page.get_size()
        size = target_size(width, height, self._pixels, "points")
        crop = tuple(float(edge) for edge in page.get_bbox())  # the boxes by name leave out inherited ones
        return PdfGeometry((crop[0], crop[1], crop[2], crop[3]), int(page.get_rotation())), size

    def _render(
        self, page: pdfium.PdfPage, number: int, size: tuple[int, int]
    ) -> tuple[tuple[int, int], str, bytes | memoryview]:
        """(size, raw mode, pixels) of the page, drawn as near to `size` as the renderer comes."""
        bitmap = page.render(scale=max(size) / max(page.get_size()))
        return (bitmap.width, bitmap.height), "BGR", memoryview(bitmap.buffer)


open_document = PdfiumDocument


def _load(path: str) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        code = pdfium_c.FPDF_GetLastError()
        if code == pdfium_c.FPDF_ERR_PASSWORD:
            raise UnreadableFile("encrypted", "needs a password") from error
        if code == pdfium_c.FPDF_ERR_SECURITY:
            raise UnreadableFile("encrypted", "is encrypted in a way that PDFium does not know") from error
        if code == pdfium_c.FPDF_ERR_SUCCESS:
            raise UnreadableFile("damaged", "is a PDF without pages") from error
        raise UnreadableFile("damaged", "is a PDF that is damaged or cut short") from error


def _is_truncated(path: Path) -> bool:
    """Whether the end of the file is missing: PDFium then opens what it finds, and draws lost content as blank."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return b"startxref" not in file.read()


def _text(page: pdfium.PdfPage) -> str:
    """The text layer within the visible box: plain lines, words broken at line ends joined, no control characters."""
    layer = page.get_textpage()
    try:
        text = str(layer.get_text_bounded()) if layer.count_chars() else ""
    finally:
        layer.close()
    text = _LINE_HYPHEN.sub("", text[:MAX_TEXT_CHARACTERS]).replace("\r\n", "\n")
    return _CONTROL.sub("", text)
