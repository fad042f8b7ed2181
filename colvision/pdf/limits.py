"""Limits for one file, and the size in which a page is drawn."""

import math
from dataclasses import dataclass

from colvision.core.health import Note
from colvision.pdf.sandbox.protocol import UnreadablePage

RENDER_PIXELS = 2_100_000  # area of a drawn page: US Letter at 150 dpi is 1,275 x 1,650

_LEAST_DPI = 65.0  # of a drawn sheet: A2 comes at 73, where print of 10 pt can just be read, A1 at 52

_MIN_MEMORY_BYTES = 256 * 2**20  # Python, Pillow and PDFium alone map about 100 MB
_MAX_ASPECT = 100  # a page 100 times as long as wide is 145 pixels wide at RENDER_PIXELS: nothing can be read on it


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may take; a file or page that would take more is refused, never cut short in silence.

    `page_seconds` is the processor time for one page, and for opening the file; by the clock it may take four times as
    long, where the machine is busy, and no longer than that where the system does not tell the time of a process.
    `page_memory_bytes` is the address space of each process that touches the file: it takes up to 10 bytes a pixel
    to scale an image of an unusual mode, so 2 GiB is enough for `image_pixels` = 150 million (A0 at 300 dpi is 139).
    """

    file_bytes: int = 2 * 2**30
    pages: int = 10_000
    page_seconds: float = 30.0
    page_memory_bytes: int = 2 * 2**30
    image_pixels: int = 150_000_000

    def __post_init__(self) -> None:
        for name in ("file_bytes", "pages", "image_pixels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1")
        if not 0 < self.page_seconds < math.inf:
            raise ValueError(f"page_seconds is {self.page_seconds}; expected a finite number above 0")
        if self.page_memory_bytes < _MIN_MEMORY_BYTES:
            raise ValueError(
                f"page_memory_bytes is {self.page_memory_bytes:,}; nothing runs in under {_MIN_MEMORY_BYTES:,}"
            )


def target_size(width: float, height: float, pixels: int, unit: str) -> tuple[int, int]:
    """(width, height) in pixels of a page image: its own aspect, an area of about `pixels`.

    Raises `UnreadablePage` for a page without area, or so narrow that nothing could be read on it.
    """
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise UnreadablePage(f"measures {width:g} x {height:g} {unit}: there is nothing to see")
    aspect = width / height
    if not 1 / _MAX_ASPECT <= aspect <= _MAX_ASPECT:
        raise UnreadablePage(
            f"measures {width:g} x {height:g} {unit}: "
            f"more than {_MAX_ASPECT} times as long as wide, nothing could be read on it"
        )
    return round(math.sqrt(pixels * aspect)), round(math.sqrt(pixels / aspect))


def shrunk_notes(dpi: float) -> tuple[Note, ...]:
    """What is said of a sheet that is drawn with so many dots an inch."""
    if dpi >= _LEAST_DPI:
        return ()
    text = f"is drawn at {dpi:.0f} dots an inch, too few to read most print: split it into parts of A3 or less"
    return (Note("shrunk", text),)
