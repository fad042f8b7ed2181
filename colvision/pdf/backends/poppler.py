"""PDF pages by poppler's pdftoppm, which inherits the limits of the worker process that this runs in.

The geometry, the text layer and what is wrong with a file come from PDFium: poppler would be started for each. So
does the image of a page that poppler cannot draw or leaves blank: for want of memory or of a decoder it goes on
without what it could not show, and ends as if all were well.
"""

import io
import subprocess

import pypdfium2 as pdfium
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
        # The longer side alone: pdftoppm takes a width for that before /Rotate, and if poppler saw another box than
        # PDFium, the other side tells.
        size = ["-cropbox", "-scale-to", str(longest_side)]
        command = ["pdftoppm", "-f", str(number), "-l", str(number), *size, self._request.path]
        seconds = PATIENCE * self._request.page_seconds + 1  # after the parent's own, unless the parent has ended
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(self._request.timeout_reason) from error
        try:
            return Image.open(io.BytesIO(done.stdout)).convert("RGB")
        except OSError:  # it was ended, or could draw nothing
            return None


open_document = PopplerDocument
