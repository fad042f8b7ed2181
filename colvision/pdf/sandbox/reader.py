"""One file, read by worker processes that are started again when a page has ended them."""

import time
from collections import deque
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


@dataclass(slots=True, eq=False)
class _Seat:
    """The place of a worker, which is started again when a page has ended it."""

    worker: Worker | None = None
    is_open: bool = False  # whether the worker has opened the file
    requested: int = 0  # pages of the present worker

    def end(self) -> None:
        if self.worker is not None:
            self.worker.end()
        self.worker, self.is_open = None, False


class Reader:
    """An open file: pages in the requested order, one a process read ahead while the caller works on the last."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._seats = [_Seat()]
        self.notes: tuple[Note, ...] = ()  # on the file, once it is open
        self._lost_seconds = 0.0  # waited for pages that ended their worker
        self._unopened = 0  # workers in a row that could not open the file again
        self._failure = ""  # why there is no worker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for seat in self._seats:
            seat.end()

    def open(self) -> int:
        """Start a worker and let it open the file. The number of pages; raises `InputError`."""
        opened = self._open(self._seats[0])
        self.notes = _bounded(opened.notes)
        return opened.pages

    def _open(self, seat: _Seat) -> Status:
        seat.worker, seat.requested = seat.worker or Worker(self._request), 0
        try:
            answer = seat.worker.open()
        except WorkerLost as lost:
            seat.worker = None
            kind = LimitExceeded if isinstance(lost, WorkerTimeout) else DamagedFile
            raise kind(f"{self._request.name}: opening it {lost}") from lost
        if isinstance(answer, Status) and answer.code == "opened":
            seat.is_open = True
            return answer
        seat.end()
        refusal = answer if isinstance(answer, Status) and answer.code in _REFUSALS else _NO_ANSWER
        error, next_step = _REFUSALS[refusal.code]
        raise error(f"{self._request.name} {refusal.text}; {next_step}")

    def read(self, numbers: Iterable[int], processes: int = 1) -> Iterator[Page | FailedPage]:
        """The pages of these numbers, in this order. The next ones, one a process, are drawn while the caller has the
        last.
        """
        self._seats += [_Seat(Worker(self._request)) for _ in range(processes - 1)]  # all start, then each opens
        upcoming = iter(numbers)
        drawing: deque[tuple[int, _Seat]] = deque()
        for seat, number in zip(self._seats, upcoming, strict=False):
            self._request_page(number, seat)
            drawing.append((number, seat))
        while drawing:
            number, seat = drawing.popleft()
            page = self._receive_page(number, seat)
            following = next(upcoming, None)
            if following is not None:
                self._request_page(following, seat)
                drawing.append((following, seat))
            yield page

    def _request_page(self, number: int, seat: _Seat) -> None:
        if seat.requested >= _PAGES_A_WORKER:
            seat.end()
        if not seat.is_open and self._may_go_on():
            begin = time.monotonic()
            try:
                self._open(seat)
                self._unopened = 0
            except InputError as error:  # it could be opened before
                self._lost_seconds += time.monotonic() - begin
                self._unopened += 1
                self._failure = f"was not tried: {error}"
        if seat.is_open and seat.worker is not None:
            seat.worker.request_page(number)
            seat.requested += 1

    def _may_go_on(self) -> bool:
        """Whether a page that ended its worker costs itself alone; not, where a file would keep us for ever."""
        limit = _MAX_LOST_TIMES * self._request.page_seconds
        if self._lost_seconds < limit:
            return self._unopened < _MAX_UNOPENED
        self._failure = f"was not tried: pages before it that could not be drawn had taken {limit:,.0f} s"
        return False

    def _receive_page(self, number: int, seat: _Seat) -> Page | FailedPage:
        if seat.worker is None or not seat.is_open:
            return FailedPage(number, self._failure)
        begin = time.monotonic()
        try:
            answer = seat.worker.receive(self._request.page_seconds)
        except WorkerLost as lost:
            seat.worker, seat.is_open = None, False
            self._lost_seconds += time.monotonic() - begin
            return FailedPage(number, str(lost)[:_MAX_REASON_CHARACTERS])
        if isinstance(answer, Status):
            return FailedPage(number, answer.text[:_MAX_REASON_CHARACTERS])
        mode = "L" if answer.raw == "L" else "RGB"
        image = Image.frombytes(mode, answer.size, bytes(answer.pixels), "raw", answer.raw)
        notes = _bounded(answer.notes)
        source, geometry = self._request.name, answer.geometry
        return Page(image, number, source, geometry, answer.text, notes, answer.print_height, answer.words)


def _bounded(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    return tuple(replace(note, text=note.text[:_MAX_REASON_CHARACTERS]) for note in notes[:_MAX_NOTES])
