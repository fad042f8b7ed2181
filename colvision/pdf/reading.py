"""Opening files for their pages: what a file is, and its pages one at a time."""

import math
import operator
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from colvision.core.health import Note
from colvision.core.page import Page
from colvision.errors import LimitExceeded
from colvision.pdf.kinds import ENDINGS, detect_kind, file_size
from colvision.pdf.limits import RENDER_PIXELS, Limits
from colvision.pdf.renderers import RendererChoice, choose_renderer, name_and_version
from colvision.pdf.sandbox.protocol import Request
from colvision.pdf.sandbox.reader import FailedPage, Reader

_LIMITS = Limits()
_PAGES_A_PROCESS = 16  # from which a second one is worth its start of 0.2 s: a page takes 25 ms
_MIN_PIXELS, _MAX_PIXELS = 10_000, 100_000_000  # a thumbnail; A0 at 250 dpi


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What a file is: its kind by content, its number of pages, and what draws them ("pdfium 5.15.2").

    `notes` say what of the file is not in its pages, `ending` is what its name should end with ("pdf").
    """

    kind: Literal["pdf", "image"]
    pages: int
    renderer: str
    notes: tuple[Note, ...] = ()
    ending: str = field(default="", compare=False)


def inspect_file(
    path: str | Path, *, name: str | None = None, limits: Limits = _LIMITS, renderer: RendererChoice = "pdfium"
) -> FileInfo:
    """Open a file and say what it is. Messages call it `name`, which is its own by default.

    Raises a subclass of `InputError`: `UnsupportedFile`, `EncryptedFile`, `DamagedFile`, `LimitExceeded`; `InputError`
    itself for a file that is missing or may not be read; `MissingExtra` where poppler was chosen and is missing.
    """
    request = _request(Path(path), name, limits, RENDER_PIXELS, renderer)
    with Reader(request) as reader:
        pages = _open(reader, request, limits)
    kind: Literal["pdf", "image"] = "pdf" if request.kind == "pdf" else "image"
    return FileInfo(kind, pages, name_and_version(request.renderer), reader.notes, ENDINGS[request.kind])


def read_pages(
    path: str | Path,
    *,
    numbers: Iterable[int] | None = None,
    name: str | None = None,
    limits: Limits = _LIMITS,
    pixels: int = RENDER_PIXELS,
    renderer: RendererChoice = "pdfium",
    processes: int = 1,
) -> Iterator[Page | FailedPage]:
    """The pages of a file, or those of `numbers` (from 1, in the order given), each as it is requested.

    `name` is the `source` of the pages and what messages call the file, by default its own. `pixels` is the area of a
    page image; its aspect is that of the page. An image file is scaled to it as well. PDF pages are RGB; the pages of
    an image file are L where the file is grey. `renderer` is for PDF: "poppler" has to be installed. Nothing is opened
    before the first page is requested, which raises what `inspect_file` raises, and `ValueError` for a page that the
    file does not have. `processes` is how many may draw at once, each under `limits` of its own, one page ahead of the
    caller; few pages take fewer. Close the iterator (or exhaust it) to end what is behind it.
    """
    if not _MIN_PIXELS <= pixels <= _MAX_PIXELS:
        raise ValueError(f"pixels is {pixels:,}; expected {_MIN_PIXELS:,} to {_MAX_PIXELS:,}, the area of a page")
    if processes < 1:
        raise ValueError(f"processes is {processes}; expected 1 or more that draw")
    return _read(_request(Path(path), name, limits, pixels, renderer), numbers, limits, processes)


def _read(
    request: Request, numbers: Iterable[int] | None, limits: Limits, processes: int
) -> Iterator[Page | FailedPage]:
    with Reader(request) as reader:
        pages = _open(reader, request, limits)
        wanted = range(1, pages + 1) if numbers is None else numbers
        count = len(wanted) if isinstance(wanted, Sized) else pages
        worth = min(processes, math.ceil(count / _PAGES_A_PROCESS))
        yield from reader.read(_check_numbers(wanted, pages, request), max(1, worth))


def _request(path: Path, name: str | None, limits: Limits, pixels: int, renderer: RendererChoice) -> Request:
    size = file_size(path, name)
    kind = detect_kind(path, name)
    if size > limits.file_bytes:
        raise LimitExceeded(
            f"{name or path.name} has {size:,} bytes, the limit file_bytes is {limits.file_bytes:,}; "
            "split it, or raise the limit"
        )
    return Request(
        path=str(path.absolute()),
        name=name or path.name,
        kind=kind,
        renderer=choose_renderer(kind, renderer),
        pixels=pixels,
        page_seconds=limits.page_seconds,
        page_memory_bytes=limits.page_memory_bytes,
        image_pixels=limits.image_pixels,
    )


def _open(reader: Reader, request: Request, limits: Limits) -> int:
    pages = reader.open()
    if pages > limits.pages:
        raise LimitExceeded(
            f"{request.name} has {pages:,} pages, the limit pages is {limits.pages:,}; split it, or raise the limit"
        )
    return pages


def _check_numbers(numbers: Iterable[int], pages: int, request: Request) -> Iterator[int]:
    for number in numbers:
        if not 1 <= operator.index(number) <= pages:
            raise ValueError(f"page {number} of {request.name}: it has pages 1 to {pages}")
        yield operator.index(number)
