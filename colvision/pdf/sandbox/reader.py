"""One file, read by a worker process that is started again when a page has ended it."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from PIL import Image

from colvision.core.health import Note
from colvision.core.page import Page
from colvision.errors import DamagedFile, EncryptedFile, InputError, LimitExceeded, UnsupportedFile
from colvision.pdf.sandbox.client import Worker, WorkerLost, WorkerTimeout
from colvision.pdf.sandbox.protocol import Code, Request, Status

_REFUSALS: dict[Code, tuple[type[InputError], str]] = {  # the worker's code -> our error, and what to do next
    "encrypted": (EncryptedFile, "save it without the password"),
    "damaged": (DamagedFile, "copy or download it again"),
    "unsupported": (UnsupportedFile, "save it as a PNG, or with 8 or 16 bits a sample"),
    "limit": (LimitExceeded, "save it smaller, or raise the limit"),
}
_NO_ANSWER = Status("damaged", "cannot be opened")

_PAGES_A_WORKER = 200  # PDFium keeps what it has read: 0.3 MB a page in a manual with many figures
# What the pages of one file that end their worker may take together, in times of `page_seconds`: 20 minutes as it is.
# A file of 10,000 such pages would take days.
_MAX_LOST_TIMES = 40
_MAX_UNOPENED = 3  # workers in a row that could not open the file again
_MAX_NOTES = 9  # of a page: one of each kind, and some
_MAX_REASON_CHARACTERS = 300  # parts of it may come from the file


@dataclass(frozen=True, slots=True)
class FailedPage:
    """A page that could not be drawn; `reason` continues the sentence "page 7 ..."."""

    number: int
    reason: str


class Reader:
    """An open file: pages in the requested order, one read ahead while the caller works on the last."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._worker: Worker | None = None
        self._requested = 0  # pages of the present worker
        self.notes: tuple[Note, ...] = ()  # on the file, once it is open
        self._lost_seconds = 0.0  # waited for pages that ended their worker
        self._unopened = 0  # workers in a row that could not open the file again
        self._failure = ""  # why there is no worker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._end()

    def open(self) -> int:
        """Start a worker and let it open the file. The number of pages; raises `InputError`."""
        self._worker, self._requested = Worker(self._request), 0
        try:
            answer = self._worker.open()
        except WorkerLost as lost:
            self._worker = None
            kind = LimitExceeded if isinstance(lost, WorkerTimeout) else DamagedFile
            raise kind(f"{self._request.name}: opening it {lost}") from lost
        if isinstance(answer, Status) and answer.code == "opened":
            self.notes = _bounded(answer.notes)
            return answer.pages
        self._end()
        refusal = answer if isinstance(answer, Status) and answer.code in _REFUSALS else _NO_ANSWER
        error, next_step = _REFUSALS[refusal.code]
        raise error(f"{self._request.name} {refusal.text}; {next_step}")

    def read(self, numbers: Iterable[int]) -> Iterator[Page | FailedPage]:
        """The pages of these numbers, in this order. The next one is drawn while the caller has the last."""
        upcoming = iter(numbers)
        number = next(upcoming, None)
        if number is not None:
            self._request_page(number)
        while number is not None:
            page = self._receive_page(number)
            following = next(upcoming, None)
            if following is not None:
                self._request_page(following)
            yield page
            number = following

    def _request_page(self, number: int) -> None:
        if self._requested >= _PAGES_A_WORKER:
            self._end()
        if self._worker is None and self._may_go_on():
            begin = time.monotonic()
            try:
                self.open()
                self._unopened = 0
            except InputError as error:  # it could be opened before
                self._lost_seconds += time.monotonic() - begin
                self._unopened += 1
                self._failure = f"was not tried: {error}"
        if self._worker is not None:
            self._worker.request_page(number)
            self._requested += 1

    def _may_go_on(self) -> bool:
        """Whether a page that ended its worker costs itself alone; not, where a file would keep us for ever."""
        limit = _MAX_LOST_TIMES * self._request.page_seconds
        if self._lost_seconds < limit:
            return self._unopened < _MAX_UNOPENED
        self._failure = f"was not tried: pages before it that could not be drawn had taken {limit:,.0f} s"
        return False

    def _receive_page(self, number: int) -> Page | FailedPage:
        if self._worker is None:
            return FailedPage(number, self._failure)
        begin = time.monotonic()
        try:
            answer = self._worker.receive(self._request.page_seconds)
        except WorkerLost as lost:
            self._worker = None
            self._lost_seconds += time.monotonic() - begin
            return FailedPage(number, str(lost)[:_MAX_REASON_CHARACTERS])
        if isinstance(answer, Status):
            return FailedPage(number, answer.text[:_MAX_REASON_CHARACTERS])
        mode = "L" if answer.raw == "L" else "RGB"
        image = Image.frombytes(mode, answer.size, bytes(answer.pixels), "raw", answer.raw)
        notes = _bounded(answer.notes)
        return Page(image, number, self._request.name, answer.geometry, answer.text, notes, answer.print_height)

    def _end(self) -> None:
        if self._worker is not None:
            self._worker.end()
            self._worker = None


def _bounded(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    return tuple(replace(note, text=note.text[:_MAX_REASON_CHARACTERS]) for note in notes[:_MAX_NOTES])
