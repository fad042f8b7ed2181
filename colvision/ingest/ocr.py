"""The text of pages that have none: read by OCR on their images, while they are ingested or later."""

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any

from colvision.core.health import Note
from colvision.core.page import Page, text_of
from colvision.core.text import is_text
from colvision.errors import DocumentNotFound, InputError
from colvision.ingest.options import Callbacks, IngestOptions
from colvision.ingest.report import Progress
from colvision.ocr import OcrEngine, OcrFailure
from colvision.pdf import FailedPage, read_pages
from colvision.pdf.text_layer import is_legible
from colvision.store import Store
from colvision.store.records import DocumentRow, PageText


def with_own_text(page: Page) -> Page:
    """Without a text layer that was not made for reading."""
    return page if is_legible(page.text) else replace(page, text="", words=())


def with_stored_text(page: Page, stored: PageText) -> Page:
    """With what OCR has read on it before."""
    return replace(page, text=stored.text, words=stored.words, text_reader=stored.reader)


def read_text(page: Page, engine: OcrEngine) -> Page:
    """With the text that the engine reads on its image; with a note where it cannot."""
    try:
        words = engine.read(page.image)
    except OcrFailure as error:
        return replace(page, notes=(*page.notes, Note("ocr", str(error))))
    return replace(page, text=text_of(words), words=words, text_reader=engine.name)


@dataclass(frozen=True, slots=True)
class OcrFileReport:
    """What OCR did with one document: `pages` it read, on which it found so many `words`; `failed` are those that it
    could not read, with reasons. `reason` says why the rest of them was not tried.
    """

    name: str
    document_id: str
    pages: int = 0
    words: int = 0
    failed: tuple[FailedPage, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        text = f"{self.name}: {self.words} words on {_count(self.pages)}"
        text += "".join(f"\n  page {each.number} {each.reason}" for each in self.failed)
        return f"{text}\n  {self.reason}" if self.reason else text


@dataclass(frozen=True, slots=True)
class OcrReport:
    """What OCR did with each document that had pages without text; `engine` is what read them, with its version."""

    files: tuple[OcrFileReport, ...]
    engine: str
    seconds: float

    @property
    def pages(self) -> int:
        return sum(file.pages for file in self.files)

    @property
    def is_complete(self) -> bool:
        """No page was left unread."""
        return not any(file.failed or file.reason for file in self.files)

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold: what `colvision ocr --json` prints."""
        return {**asdict(self), "pages": self.pages}

    def __str__(self) -> str:
        if not self.files:
            return "no page is without text"
        each = f", {self.seconds / self.pages:.1f} s a page" if self.pages else ""
        total = f"{_count(self.pages)} read by {self.engine} in {self.seconds:.1f} s{each}"
        return "\n".join([*map(str, self.files), total])


def _count(pages: int) -> str:
    return "1 page" if pages == 1 else f"{pages} pages"


def read_texts(
    store: Store,
    rows: Sequence[DocumentRow],
    engine: OcrEngine,
    *,
    options: IngestOptions,
    callbacks: Callbacks,
    again: bool = False,
) -> OcrReport:
    """Reads the stored pages without text of these documents, from their kept files, and stores what it finds.

    Pages that OCR has read are left out, unless `again`. Cancelled or killed, it goes on when it is run again: what is
    read is stored as an ingest stores pages. Raises `LibraryError`.
    """
    started = time.monotonic()
    reports = []
    for row in rows:
        numbers = store.pages_without_text(row, again=again)
        if numbers and not callbacks.is_cancelled():
            reading = _Reading(store, row, numbers, engine, options)
            reports.append(reading.run(callbacks))
    return OcrReport(tuple(reports), engine.name, time.monotonic() - started)


class _Reading:
    """OCR of some pages of one document."""

    def __init__(
        self, store: Store, row: DocumentRow, numbers: Sequence[int], engine: OcrEngine, options: IngestOptions
    ) -> None:
        self._store, self._row, self._numbers = store, row, numbers
        self._engine, self._options = engine, options
        self._texts: dict[int, PageText] = {}  # since the last commit
        self._notes: dict[int, Note] = {}
        self._failed: list[FailedPage] = []
        self._pages = self._words = 0
        self._started = self._committed_at = time.monotonic()

    def run(self, callbacks: Callbacks) -> OcrFileReport:
        reason = ""
        try:
            self._report(callbacks)
            with closing(self._read(callbacks)) as pages:
                for page in pages:
                    self._add(page)
                    self._report(callbacks)
        except (InputError, DocumentNotFound) as error:
            reason = f"the other pages were not read: {error}"
        finally:  # also after Ctrl+C
            self._commit()
        return OcrFileReport(self._row.name, self._row.id, self._pages, self._words, tuple(self._failed), reason)

    def _read(self, callbacks: Callbacks) -> Generator[Page | FailedPage, None, None]:
        path, options = self._store.original_path(self._row), self._options
        items = read_pages(
            path, numbers=self._numbers, name=self._row.name, limits=options.limits, renderer=options.renderer
        )
        for item in items:
            if callbacks.is_cancelled():
                return
            if isinstance(item, FailedPage):
                yield item
                continue
            page = with_own_text(item)
            yield page if is_text(page.text) else read_text(page, self._engine)

    def _add(self, page: Page | FailedPage) -> None:
        notes = () if isinstance(page, FailedPage) else [note for note in page.notes if note.kind == "ocr"]
        if isinstance(page, FailedPage):
            self._failed.append(page)
        elif notes:
            self._failed.append(FailedPage(page.number, notes[0].text))
            self._notes[page.number] = notes[0]
        else:
            self._texts[page.number] = PageText(page.text, page.words, page.text_reader)
            self._pages += 1
            self._words += len(page.words)
        is_due = time.monotonic() - self._committed_at >= self._options.commit_seconds
        if is_due or len(self._texts) >= self._options.commit_pages:
            self._commit()

    def _commit(self) -> None:
        if self._texts or self._notes:
            self._store.writer.set_texts(self._row, self._texts, self._notes)
            self._texts, self._notes = {}, {}
        self._committed_at = time.monotonic()

    def _report(self, callbacks: Callbacks) -> None:
        done, total = self._pages + len(self._failed), len(self._numbers)
        seconds = time.monotonic() - self._started
        speed = done / seconds if seconds > 0 else 0.0
        left = (total - done) / speed if speed else None
        callbacks.report(Progress(self._row.name, done, total, len(self._failed), speed, left, self._row.id))
