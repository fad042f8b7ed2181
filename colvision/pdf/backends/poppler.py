"""PDF pages by poppler's pdftoppm, through pdf2image. Runs in the worker process, whose limits pdftoppm inherits.

The geometry, the text layer and what is wrong with a file come from PDFium: poppler would be started for each. So
does the image of a page that poppler cannot draw or leaves blank: for want of memory or of a decoder it goes on
without what it could not show, and ends as if all were well.
"""

import pypdfium2 as pdfium
from pdf2image import convert_from_path
from pdf2image.exceptions import PDFPageCountError, PDFPopplerTimeoutError
from PIL import Image

from colvision.pdf.backends.pdfium import PdfiumDocument
from colvision.pdf.sandbox.protocol import PATIENCE, Request

Image.MAX_IMAGE_PIXELS = None  # the size is ours


class PopplerDocument(PdfiumDocument):
    """A PDF drawn by poppler."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._request = request

    def _render(
        self, page: pdfium.PdfPage, number: int, size: tuple[int, int]
    ) -> tuple[Image.Image, bytes | memoryview]:
        image = self._run_pdftoppm(number, max(size))
        if image is None or all(len(set(band.getextrema())) == 1 for band in image.split()):
            return super()._render(page, number, size)
        return image, image.tobytes()

    def _run_pdftoppm(self, number: int, longest_side: int) -> Image.Image | None:
        """The page with its longer side in pixels, RGB; None where it cannot be drawn."""
        try:
            images = convert_from_path(
                self._request.path,
                first_page=number,
                last_page=number,
                # The longer side alone: pdftoppm takes a width for that before /Rotate, and if poppler saw another
                # box than PDFium, the other side tells.
                size=longest_side,
                use_cropbox=True,
                # after the parent's own, unless the parent has ended
                timeout=PATIENCE * self._request.page_seconds + 1,
            )
        except PDFPopplerTimeoutError as error:
            raise TimeoutError(self._request.timeout_reason) from error
        except PDFPageCountError:
            return None
        return images[0].convert("RGB") if images else None


open_document = PopplerDocument
