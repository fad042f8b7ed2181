"""One file, read by a child process that is started again when a page costs it its life."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from PIL import Image

from colvision.core.page import Page
from colvision.errors import DamagedFile, EncryptedFile, InputError, LimitExceeded
from colvision.pdf.sandbox.client import Worker, WorkerLost, WorkerTimeout
from colvision.pdf.sandbox.protocol import Code, Request, Status

_REFUSALS: dict[Code, tuple[type[InputError], str]] = {  # what the child calls it -> our error, and what to do next
    "encrypted": (EncryptedFile, "save it without the password"),
    "damaged": (DamagedFile, "copy or download it again"),
    "limit": (LimitExceeded, "save it smaller, or raise the limit"),
}
_NO_ANSWER = Status("damaged", "cannot be opened")

_PAGES_A_CHILD = 200  # PDFium keeps what it has met: 0.3 MB a page in a manual with many figures
_MOST_LOST = 5  # children lost in a row; a long file that costs 30 s a page for nothing would hold us up for days
_LONGEST_REASON = 300  # characters; parts of it may come from the file


@dataclass(frozen=True, slots=True)
class FailedPage:
    """A page that could not be drawn; `reason` continues the sentence "page 7 ..."."""

    number: int
    reason: str


class Reader:
    """An open file: pages in the order asked for, one ahead of the caller, who has work to do meanwhile."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._name = Path(request.path).name
        self._child: Worker | None = None
        self._asked = 0  # pages, of the present child
        self._lost = 0  # children, since the last page that could be drawn
        self._failure = ""  # why there is no child

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._end()

    def open(self) -> int:
        """Start a child and let it open the file. The number of pages; raises `InputError`."""
        self._child, self._asked = Worker(self._request), 0
        try:
            message = self._child.open()
        except WorkerLost as lost:
            self._child = None
            kind = LimitExceeded if isinstance(lost, WorkerTimeout) else DamagedFile
            raise kind(f"{self._name}: opening it {lost}") from lost
        if isinstance(message, Status) and message.said == "opened":
            return message.pages
        self._end()
        refusal = message if isinstance(message, Status) and message.said in _REFUSALS else _NO_ANSWER
        error, next_step = _REFUSALS[refusal.said]
        raise error(f"{self._name} {refusal.text}; {next_step}")

    def read(self, numbers: Iterable[int]) -> Iterator[Page | FailedPage]:
        """The pages of these numbers, in this order. The next one is drawn while the caller has the last."""
        upcoming = iter(numbers)
        number = next(upcoming, None)
        if number is not None:
            self._ask(number)
        while number is not None:
            answer = self._answer(number)
            following = next(upcoming, None)
            if following is not None:
                self._ask(following)
            yield answer
            number = following

    def _ask(self, number: int) -> None:
        if self._asked >= _PAGES_A_CHILD:
            self._end()
        if self._child is None and self._lost < _MOST_LOST:
            try:
                self.open()
            except InputError as error:  # it could be opened before
                self._lost += 1
                self._failure = f"was not tried: {error}"
        if self._child is not None:
            self._child.request_page(number)
            self._asked += 1

    def _answer(self, number: int) -> Page | FailedPage:
        if self._child is None:
            return FailedPage(number, self._failure)
        try:
            answer = self._child.receive(self._request.page_seconds)
        except WorkerLost as lost:
            self._child = None
            self._lost += 1
            self._failure = f"was not tried, {self._lost} processes had been lost in a row: the last page {lost}"
            return FailedPage(number, str(lost)[:_LONGEST_REASON])
        if isinstance(answer, Status):
            return FailedPage(number, answer.text[:_LONGEST_REASON])
        self._lost = 0
        mode = "L" if answer.raw == "L" else "RGB"
        image = Image.frombuffer(mode, answer.size, bytes(answer.pixels), "raw", answer.raw, 0, 1)
        return Page(image, number, self._name, answer.geometry, answer.text)

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None
