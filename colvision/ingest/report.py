"""Reports of an ingest: its progress while it runs, and the outcome of every file when it is done."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from colvision.core.health import PagesNote
from colvision.core.metadata import FactChange
from colvision.ingest.left_out import LeftOut, describe_left_out
from colvision.pdf import FailedPage

FileOutcome = Literal["new", "same", "replaced", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Progress:
    """`page` of the `pages` of a document are done, `failed` of them unreadable; `seconds_left` of this document."""

    document: str
    page: int
    pages: int
    failed: int
    pages_per_second: float
    seconds_left: float | None
    document_id: str = ""


@dataclass(frozen=True, slots=True)
class FileReport:
    """The outcome of one file.

    `pages` were stored by this call, `before` by an earlier one that was interrupted. `failed_pages` were tried by this
    call; `notes` say what else of the file was not read. `document_id` is "" for a file that did not become a document;
    `reason` says why it failed, or what further encoders did not read of it. `same_as` is where a document came from
    that has the same bytes, if that is another path or name than this file's; the file `is_moved` if nothing is there
    any more. `changes` are the facts that are other ones than the document had, `read_by_ocr` is the number of pages
    whose text OCR has read.
    """

    source: str
    name: str
    outcome: FileOutcome
    document_id: str = ""
    pages: int = 0
    before: int = 0
    failed_pages: tuple[FailedPage, ...] = ()
    notes: tuple[PagesNote, ...] = ()
    reason: str = ""
    same_as: str = ""
    is_moved: bool = False
    changes: tuple[FactChange, ...] = ()
    read_by_ocr: int = 0

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        return asdict(self) | {"changes": [each._asdict() for each in self.changes]}

    def __str__(self) -> str:
        count = f"{self.pages} {_plural(self.pages, 'page')}"
        if self.before:
            count += f" after {self.before} of an earlier run"
        noted = "; ".join(map(str, self.changes))
        if self.is_moved:
            same = f"{self.source}: {self.name}, moved from {self.same_as}"
        elif self.same_as:
            same = f"{self.source}: the same bytes as {self.name}, which came from {self.same_as}"
        else:
            same = f"{self.name}: the same bytes as before"
        if tried := self.pages + len(self.failed_pages):
            same += f", {tried} {_plural(tried, 'page')} that failed before tried again, {self.pages} read"
        elif not (noted or self.read_by_ocr):
            same += ", nothing to do"
        text = {
            "new": f"{self.name}: new, {count}",
            "replaced": f"{self.name}: replaced, {count}" + (f"; {noted}" if noted else ""),
            "same": f"{same}; {noted}" if noted else same,
            "cancelled": f"{self.name}: cancelled, {count} stored; ingest it again to go on",
            "failed": f"{self.name}: failed: {self.reason}",
        }[self.outcome]
        if self.read_by_ocr:
            text += f"; the text of {self.read_by_ocr} {_plural(self.read_by_ocr, 'page')} read by OCR"
        if self.outcome != "failed":
            text += "".join(f"\n  page {failed.number} failed: {failed.reason}" for failed in self.failed_pages)
            text += "".join(f"\n  {note.sentence('the file')}" for note in self.notes)
        return text


@dataclass(frozen=True, slots=True)
class IngestReport:
    """The outcome of every file, in the order of the ingest; `left_out` is what was met and is no file to read.

    `notices` are sentences on what further encoders of the collection did not read.
    """

    files: tuple[FileReport, ...]
    seconds: float
    left_out: tuple[LeftOut, ...] = ()
    notices: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold: what `colvision ingest --json` prints."""
        return {
            "files": [file.to_dict() for file in self.files],
            "left_out": [each.to_dict() for each in self.left_out],
            "notices": list(self.notices),
            "pages": self.pages,
            "seconds": self.seconds,
        }

    def with_outcome(self, outcome: FileOutcome) -> tuple[FileReport, ...]:
        return tuple(file for file in self.files if file.outcome == outcome)

    @property
    def new(self) -> tuple[FileReport, ...]:
        return self.with_outcome("new")

    @property
    def same(self) -> tuple[FileReport, ...]:
        return self.with_outcome("same")

    @property
    def replaced(self) -> tuple[FileReport, ...]:
        return self.with_outcome("replaced")

    @property
    def failed(self) -> tuple[FileReport, ...]:
        return self.with_outcome("failed")

    @property
    def cancelled(self) -> tuple[FileReport, ...]:
        return self.with_outcome("cancelled")

    @property
    def pages(self) -> int:
        """Pages stored by this call."""
        return sum(file.pages for file in self.files)

    @property
    def failed_pages(self) -> tuple[tuple[str, FailedPage], ...]:
        """(document name, page) of the pages that were tried and could not be read."""
        return tuple((file.name, page) for file in self.files for page in file.failed_pages)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        if not self.files:
            yield "nothing to ingest: no PDF or image was given"
            yield from describe_left_out(self.left_out)
            yield from self.notices
            return
        yield from (str(file) for file in self.files)
        yield from describe_left_out(self.left_out)
        yield from self.notices
        outcomes: tuple[FileOutcome, ...] = ("new", "replaced", "same", "failed", "cancelled")
        counts = ", ".join(
            f"{len(self.with_outcome(outcome))} {outcome}" for outcome in outcomes if self.with_outcome(outcome)
        )
        speed = f" ({self.pages / self.seconds:.1f} pages/s)" if self.pages and self.seconds > 0 else ""
        yield f"{counts}; {self.pages} {_plural(self.pages, 'page')} in {self.seconds:.1f} s{speed}"
        if lost := sum(len(file.failed_pages) for file in self.files if file.outcome != "failed"):
            yield f"{lost} {_plural(lost, 'page')} could not be read: ingest again to try again"


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"
