"""PDFium in this process, without limits, for files that their user chose and trusts: those of an evaluation
or a fine-tuning.

Simulated scans must equal everyone else's pixel by pixel, which takes PDFium's own grey drawing at a fixed scale;
`read_pages`, for files from anywhere, draws in colour to a fixed area.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pypdfium2 as pdfium
from PIL import Image

from colvision.errors import DamagedFile

_LONGEST_SIDE = 3000  # pixels, so that a poster does not explode


class TrustedPdf:
    """An open PDF; a context. Raises `DamagedFile` when it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        try:
            self._document = pdfium.PdfDocument(path)
        except pdfium.PdfiumError as error:
            raise DamagedFile(
                f"{path.name} cannot be opened by PDFium ({error}); leave it out, or repair it"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._document.close()

    def __len__(self) -> int:
        return len(self._document)

    def grey(self, number: int, *, dpi: float) -> Image.Image:
        """Page `number` (from 1) as a grey image (L), form fields left blank. Raises `DamagedFile`."""
        try:
            page = self._document[number - 1]
        except pdfium.PdfiumError as error:
            raise DamagedFile(f"page {number} of {self._name} cannot be loaded by PDFium; leave it out") from error
        try:
            scale = min(dpi / 72, _LONGEST_SIDE / max(page.get_size()))
            image: Image.Image = page.render(scale=scale, grayscale=True).to_pil().convert("L")
        finally:
            page.close()
        return image

    def bookmarks(self) -> Iterator[tuple[str, int]]:
        """(title, page from 1) of each bookmark that leads to a page of this file, in their order."""
        for bookmark in self._document.get_toc():
            target = bookmark.get_dest()
            number = target.get_index() if target is not None else None
            if number is not None and 0 <= number < len(self):
                yield str(bookmark.get_title()), number + 1

    def write_excerpt(self, numbers: Iterable[int], path: Path) -> None:
        """A PDF of these pages (from 1), in this order, as they are."""
        excerpt = pdfium.PdfDocument.new()
        try:
            excerpt.import_pages(self._document, pages=[number - 1 for number in numbers])
            excerpt.save(path)
        finally:
            excerpt.close()
