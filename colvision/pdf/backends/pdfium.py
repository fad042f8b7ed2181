"""PDF pages by PDFium; also the geometry and the text layer where poppler draws. Runs in the worker process only."""

import ctypes
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from PIL import Image

from colvision.core.page import PdfGeometry
from colvision.pdf.backends.drawn import DrawnPage
from colvision.pdf.backends.page_notes import file_notes, page_notes
from colvision.pdf.backends.page_objects import PageObjects
from colvision.pdf.backends.page_text import read_text_layer
from colvision.pdf.limits import target_size
from colvision.pdf.sandbox.protocol import PageImage, Request, UnreadableFile, UnreadablePage

_TAIL_BYTES = 4096  # every complete PDF names its cross-reference table there


class PdfiumDocument:
    """A PDF opened by PDFium."""

    def __init__(self, request: Request) -> None:
        self._pixels = request.pixels
        self._memory = (ctypes.c_ubyte * 0)()  # of the last bitmap
        self._is_truncated = _is_truncated(Path(request.path))
        self._document = _load(request.path)
        self._document.init_forms()  # else filled-in fields stay blank
        self.pages = len(self._document)
        self.notes = file_notes(self._document)

    def draw(self, number: int) -> PageImage:
        page = self._page(number)
        try:
            geometry, wanted = self._measure(page)
            image, pixels = self._render(page, number, wanted)
            size = image.size
            if abs(size[0] - wanted[0]) > 1 or abs(size[1] - wanted[1]) > 1:
                raise UnreadablePage(f"was drawn as {size[0]} x {size[1]} pixels, not {wanted[0]} x {wanted[1]}")
            drawn = DrawnPage(image, geometry)
            if self._is_truncated and drawn.is_blank:
                raise UnreadablePage("is blank, and the end of the file is missing: its content is probably lost")
            objects = PageObjects(page)
            layer = read_text_layer(page, objects, drawn)
            notes = page_notes(page, objects, drawn, layer)
            return PageImage(size, image.mode, pixels, layer.text, geometry, notes, layer.print_height, layer.words)
        finally:
            page.close()

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
    ) -> tuple[Image.Image, bytes | memoryview]:
        """The page, drawn as near to `size` as the renderer comes, and the pixels of that image."""
        bitmap = page.render(
            scale=max(size) / max(page.get_size()),
            bitmap_maker=self._new_bitmap,
            prefer_bgrx=True,  # four bytes a pixel, as Pillow keeps them
            rev_byteorder=True,
        )
        size = bitmap.width, bitmap.height
        pixels = memoryview(self._memory)[: 4 * size[0] * size[1]]
        return Image.frombuffer("RGBX", size, pixels, "raw", "RGBX", 0, 1), pixels  # type: ignore[arg-type]

    def _new_bitmap(self, width: int, height: int, **layout: int) -> pdfium.PdfBitmap:
        """In the memory of the last page: the system takes as long to give new memory as to copy that."""
        if len(self._memory) < 4 * width * height:
            self._memory = (ctypes.c_ubyte * (4 * width * height))()
        return pdfium.PdfBitmap.new_native(width, height, buffer=self._memory, **layout)


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
