"""The ingest of one document, from its kept file into the store."""

import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from colvision.core.embedding import PageEmbedding
from colvision.core.encoder import Encoder, drawing_processes, unreadable_on
from colvision.core.health import Note
from colvision.core.page import Page, PdfGeometry
from colvision.core.text import is_text
from colvision.errors import EncoderError, InputError
from colvision.ingest.ocr import read_text, with_own_text, with_stored_text
from colvision.ingest.options import Callbacks, IngestOptions
from colvision.ingest.report import Progress
from colvision.ocr import choose_engine
from colvision.pdf import FailedPage, read_pages
from colvision.store import Store
from colvision.store.disk import check_room
from colvision.store.documents import PendingDocument
from colvision.store.files import encode_jpeg
from colvision.store.records import PageText
from colvision.store.writer import EncodedPage

_JPEG_THREADS = 2  # a page takes 16 ms of one
_JPEGS_AHEAD = 4  # pages whose pixels may wait for them
_SPEED_PAGES = 32  # newest pages that the speed is measured over: an encoder's first batch warms up


@dataclass(frozen=True, slots=True)
class _PageInFlight:
    """What is kept of a page while the encoder works on it: its image as a JPEG, 20 times smaller than pixels."""

    number: int
    jpeg: Future[bytes]
    shape: tuple[int, int]
    geometry: PdfGeometry | None
    text: PageText
    notes: tuple[Note, ...]

    @classmethod
    def of(cls, page: Page, unreadable: tuple[Note, ...], threads: ThreadPoolExecutor) -> "_PageInFlight":
        notes = page.notes + unreadable
        jpeg = threads.submit(encode_jpeg, page.image)
        text = PageText(page.text, page.words, page.text_reader)
        return cls(page.number, jpeg, page.shape, page.geometry, text, notes)

    def with_embedding(self, embedding: PageEmbedding) -> EncodedPage:
        return EncodedPage(
            self.number, embedding, self.jpeg.result(), *self.shape, self.geometry, self.text, self.notes
        )


class DocumentIngest:
    """The ingest of one document. The encoder may read ahead: pages are in flight until their embedding arrives."""

    def __init__(
        self, store: Store, encoder: Encoder, pending: PendingDocument, *, options: IngestOptions, callbacks: Callbacks
    ) -> None:
        self._store, self._encoder, self._pending = store, encoder, pending
        self._options, self._callbacks = options, callbacks
        self._engine = choose_engine(options.ocr) if options.ocr else None
        self._in_flight: deque[_PageInFlight] = deque()
        self._batch: list[EncodedPage] = []
        self._bytes = 0  # of the batch
        self._failed: list[tuple[int, str]] = []
        self._done = pending.row.pages - len(pending.missing)
        self._failed_count = 0
        self._times: deque[float] = deque([time.monotonic()], maxlen=_SPEED_PAGES + 1)
        self._committed_at = time.monotonic()
        self.stored = self.read_by_ocr = 0
        self.is_cancelled = False
        self.reason = ""  # why the rest of the file could not be read

    def run(self) -> None:
        """Raises `DiskFull`, with the pages read so far yet to be kept; what the encoder and the library raise."""
        self._check_room()
        self._report_progress()
        with ThreadPoolExecutor(_JPEG_THREADS, "jpeg") as threads, closing(self._pages(threads)) as pages:
            for embedding in self._encoder.encode_pages(pages):
                self._add(embedding)
        if self._in_flight:
            raise EncoderError(
                f"encoder {self._encoder.info.name!r} left out {len(self._in_flight)} of the pages it read"
            )
        self._commit()

    def _pages(self, threads: ThreadPoolExecutor) -> Generator[Page, None, None]:
        """The pages for the encoder, without those that failed; a file that cannot be read on ends them."""
        row = self._pending.row
        path = self._store.original_path(row)
        items: Iterator[Page | FailedPage] = iter(())
        try:
            items = read_pages(
                path,
                numbers=self._pending.missing,
                name=row.name,
                limits=self._options.limits,
                renderer=self._options.renderer,
                processes=drawing_processes(self._encoder),
            )
            for item in items:
                if self._callbacks.is_cancelled():
                    self.is_cancelled = True
                    return
                if isinstance(item, FailedPage):
                    self._failed.append((item.number, item.reason))
                    self._failed_count += 1
                    self._count_page()
                    continue
                page = self._with_text(item)
                self._in_flight.append(_PageInFlight.of(page, unreadable_on(page, self._encoder), threads))
                if len(self._in_flight) > _JPEGS_AHEAD:
                    self._in_flight[-_JPEGS_AHEAD].jpeg.result()
                yield page
        except InputError as error:
            self.reason = str(error)
        finally:
            if isinstance(items, Generator):
                items.close()  # ends the process that reads the file

    def _with_text(self, item: Page) -> Page:
        """With its own text, with what OCR has read on it before, or reads now, if it was asked to."""
        page = with_own_text(item)
        if is_text(page.text):
            return page
        if stored := self._store.read_by_ocr(self._pending.row, page.number):
            return with_stored_text(page, stored)
        if self._engine is None:
            return page
        page = read_text(page, self._engine)
        self.read_by_ocr += bool(page.text_reader)
        return page

    def _add(self, embedding: PageEmbedding) -> None:
        if not self._in_flight:
            raise EncoderError(f"encoder {self._encoder.info.name!r} gave more embeddings than it read pages")
        page = self._in_flight.popleft().with_embedding(embedding)
        self._batch.append(page)
        self._bytes += embedding.vectors.nbytes + len(page.jpeg)
        self._count_page()
        is_due = time.monotonic() - self._committed_at >= self._options.commit_seconds
        is_large = self._bytes >= self._options.commit_bytes
        if len(self._batch) >= self._options.commit_pages or is_due or is_large:
            self._commit()

    def _check_room(self) -> None:
        check_room(self._store.path, keep_free=self._options.keep_free, needed=self._bytes)

    def _commit(self) -> None:
        self._check_room()
        self.keep()

    def keep(self) -> None:
        """Stores the pages that were encoded since the last commit."""
        if self._batch or self._failed:
            self._store.writer.commit(self._pending, self._batch, self._encoder.info, failed=self._failed)
            self.stored += len(self._batch)
            self._batch, self._failed, self._bytes = [], [], 0
        self._committed_at = time.monotonic()

    def _count_page(self) -> None:
        self._done += 1
        self._times.append(time.monotonic())
        self._report_progress()

    def _report_progress(self) -> None:
        row = self._pending.row
        seconds = self._times[-1] - self._times[0]
        speed = (len(self._times) - 1) / seconds if seconds > 0 else 0.0
        seconds_left = (row.pages - self._done) / speed if speed else None
        self._callbacks.report(
            Progress(
                row.name, self._done, row.pages, self._failed_count, speed, seconds_left, self._pending.document_id
            )
        )
