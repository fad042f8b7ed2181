"""Options of an ingest, and its callbacks."""

from collections.abc import Callable
from dataclasses import dataclass

from colvision.core.metadata import Metadata, metadata_text
from colvision.ingest.report import FileReport, Progress
from colvision.ocr import check_ocr
from colvision.pdf import Limits, RendererChoice, check_renderer
from colvision.store.disk import KEEP_FREE

COMMIT_BYTES = 256 << 20  # of vectors and page images that wait for a commit


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """A commit every `commit_pages` or `commit_seconds`, the most that a kill can cost, or `commit_bytes` of pages.

    Before each the disk is looked at: `keep_free` bytes stay free, at most 5 % of it.
    `replace`, `metadata`, `job`: see `SourceFile`. `pool` has a new collection keep one vector for about so many
    patches; None keeps the collection's own. `renderer` draws the pages of PDFs. `ocr` names what reads the text of
    pages that have none (see `check_ocr`); None: nothing does.
    """

    collection: str = "default"
    replace: bool = False
    metadata: Metadata | None = None
    job: int | None = None
    pool: int | None = None
    commit_pages: int = 64
    commit_seconds: float = 10.0
    commit_bytes: int = COMMIT_BYTES
    keep_free: int = KEEP_FREE
    limits: Limits = Limits()
    renderer: RendererChoice = "pdfium"
    ocr: str | None = None

    def __post_init__(self) -> None:
        if self.commit_pages < 1 or self.commit_seconds < 0:
            raise ValueError(f"a commit every {self.commit_pages} pages or {self.commit_seconds} s: expected 1 or more")
        if self.keep_free < 0:
            raise ValueError(f"keep_free is {self.keep_free}; give a number of bytes, 0 or more")
        metadata_text(self.metadata or {})  # refused before the first file is read
        check_renderer(self.renderer)
        if self.ocr is not None:
            check_ocr(self.ocr)


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Functions of the caller: `progress` is called after every page, `cancel` before every page, `on_file` with the
    outcome of every file.
    """

    progress: Callable[[Progress], None] | None = None
    cancel: Callable[[], bool] | None = None
    on_file: Callable[[FileReport], None] | None = None

    def is_cancelled(self) -> bool:
        return self.cancel is not None and self.cancel()

    def report(self, progress: Progress) -> None:
        if self.progress is not None:
            self.progress(progress)

    def file_done(self, report: FileReport) -> FileReport:
        if self.on_file is not None:
            self.on_file(report)
        return report
