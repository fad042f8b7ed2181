"""The protocol between us and the process that opens a file: lines of JSON, and the pixels of a page behind them."""

import json
from dataclasses import asdict, dataclass
from typing import IO, Any, Literal, get_args

from colvision.core.health import Note
from colvision.core.page import Box, PdfGeometry, PrintedWord

FileKind = Literal["pdf", "png", "jpeg", "webp", "tiff"]
Renderer = Literal["poppler", "pdfium", "pillow"]
Code = Literal["ready", "opened", "encrypted", "damaged", "unsupported", "limit", "failed", "died"]

PATIENCE = 4  # times `page_seconds`, by the clock: on a busy machine a page has a part of a processor
MAX_WORDS = 20_000  # of a page; one crowded with small print has 4,000
# A text layer of `page_text.MAX_TEXT_CHARACTERS` characters, all of them escaped, is 6 MB, and so are its words.
_MAX_LINE_BYTES = 16 * 2**20
_DIGITS = 5  # of a place on the page: a twentieth of a pixel
_CHANNELS = {"RGB": 3, "RGBX": 4, "L": 1}


class UnreadablePage(Exception):
    """A page that cannot be drawn. The text says why, in plain words: it becomes the reason of a `FailedPage`."""


class UnreadableFile(Exception):
    """A file that cannot be opened."""

    def __init__(self, code: Literal["encrypted", "damaged", "unsupported", "limit"], detail: str) -> None:
        super().__init__(detail)
        self.code: Code = code


@dataclass(frozen=True, slots=True)
class Request:
    """All that the process needs to know before it opens the file; the limits are those of `limits.Limits`.

    `name` is what messages call the file.
    """

    path: str
    name: str
    kind: FileKind
    renderer: Renderer
    pixels: int
    page_seconds: float
    page_memory_bytes: int
    image_pixels: int

    @property
    def timeout_reason(self) -> str:
        return f"took longer than {self.page_seconds:g} s (limit page_seconds)"

    @property
    def memory_reason(self) -> str:
        return f"needs more than {self.page_memory_bytes / 2**20:,.0f} MiB (limit page_memory_bytes)"

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode("ascii") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Request":
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True)
class PageImage:
    """A drawn page: rows of `raw` pixels from the top left, without gaps between them."""

    size: tuple[int, int]  # (width, height)
    raw: str  # RGB, RGBX (one byte without a meaning) or L
    pixels: bytes | memoryview
    text: str = ""
    geometry: PdfGeometry | None = None
    notes: tuple[Note, ...] = ()
    print_height: float | None = None
    words: tuple[PrintedWord, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """An answer without a page image; `text` continues a sentence that begins with the file or the page."""

    code: Code
    text: str = ""
    pages: int = 0  # of the file, where it was opened
    notes: tuple[Note, ...] = ()  # on the file, where it was opened

    def __post_init__(self) -> None:
        if self.code not in get_args(Code) or not isinstance(self.text, str) or not isinstance(self.pages, int):
            raise TypeError(f"{self} is not an answer")


def send(stream: IO[bytes], answer: Status | PageImage) -> None:
    """Write one answer: a line, and behind the line of a page image its pixels."""
    fields = asdict(answer) if isinstance(answer, Status) else _head(answer)
    stream.write(json.dumps(fields).encode("ascii") + b"\n")
    if isinstance(answer, PageImage):
        stream.write(answer.pixels)
    stream.flush()


def receive(stream: IO[bytes], max_pixels: int) -> Status | PageImage | None:
    """The next answer; None where the other side has ended or breaks the protocol.

    The other side has read a file that may have been made to take it over: it is trusted with nothing, least of
    all with the size of what it sends.
    """
    line = stream.readline(_MAX_LINE_BYTES)
    try:
        fields = json.loads(line)
        fields["notes"] = tuple(Note(note["kind"], note["text"]) for note in fields["notes"])
        return Status(**fields) if "code" in fields else _page_image(stream, fields, max_pixels)
    except (ValueError, TypeError, KeyError):
        return None


def _head(image: PageImage) -> dict[str, object]:
    geometry = image.geometry and asdict(image.geometry)
    notes = [asdict(note) for note in image.notes]
    head = {"size": image.size, "raw": image.raw, "text": image.text, "geometry": geometry, "notes": notes}
    words = [[word.text, *(round(edge, _DIGITS) for edge in word.box)] for word in image.words]
    return {**head, "print_height": image.print_height, "words": words}


def _page_image(stream: IO[bytes], head: dict[str, Any], max_pixels: int) -> PageImage:
    """The page image that `head` announces. Raises ValueError, TypeError or KeyError where it is not one."""
    width, height = head["size"]
    channels = _CHANNELS[head["raw"]]
    if min(width, height) < 1 or width * height > max_pixels:
        raise ValueError(f"an image of {width} x {height} pixels; at most {max_pixels} were requested")
    pixels = stream.read(width * height * channels)
    if len(pixels) < width * height * channels:
        raise ValueError("the image ends early")
    geometry = head["geometry"] and PdfGeometry(tuple(head["geometry"]["crop"]), head["geometry"]["rotation"])
    print_height = None if head["print_height"] is None else float(head["print_height"])
    text, words = str(head["text"]), tuple(_word(*word) for word in head["words"])
    return PageImage((width, height), head["raw"], pixels, text, geometry, head["notes"], print_height, words)


def _word(text: str, left: float, top: float, right: float, bottom: float) -> PrintedWord:
    if not (isinstance(text, str) and text and 0 <= left <= right <= 1 and 0 <= top <= bottom <= 1):
        raise ValueError("a word that is not on the page")
    text.encode()  # a ValueError for half a character
    return PrintedWord(text, Box(left, top, right, bottom))
