"""Files into the partitions that they belong to: several at once, each where its document lies."""

import hashlib
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from PIL import Image

from colvision.cluster.sent import FileToPlace, IngestWork
from colvision.cluster.session import ClusterSession
from colvision.core.metadata import Metadata, check_metadata
from colvision.errors import InputError
from colvision.ingest import Callbacks, FileReport, IngestReport, Progress, Source, Upload, find_files
from colvision.ingest.left_out import LeftOut
from colvision.ingest.paths import shown_path
from colvision.ingest.sources import Unreadable
from colvision.store.identity import clean_document_name

_AHEAD = 2  # files for each partition that are read and wait for it: their bytes are held


@dataclass(frozen=True, slots=True)
class ClusterIngest:
    """See `SearchableDocuments.ingest`."""

    session: ClusterSession
    collection: str
    replace: bool
    metadata: Metadata | None
    pool: int | None
    ocr: str | None

    def run(self, sources: Source | Iterable[Source], callbacks: Callbacks) -> IngestReport:
        is_one = isinstance(sources, str | Path | Upload | Image.Image | bytes | bytearray)
        files = find_files(cast(Iterable[Source], [sources] if is_one else sources))
        if self.metadata is not None:
            check_metadata(self.metadata)
        started = time.monotonic()
        reports: list[FileReport] = []
        left_out: list[LeftOut] = []
        running: deque[Future[FileReport]] = deque()
        most = _AHEAD * self.session.layout.partitions

        def done(report: FileReport) -> None:
            reports.append(callbacks.file_done(report))
            if report.pages:
                pages = report.pages + report.before
                failed = len(report.failed_pages)
                callbacks.report(Progress(report.name, pages, pages, failed, 0.0, None, report.document_id))

        with ThreadPoolExecutor(max_workers=most) as threads:
            for file in files:
                while running and (running[0].done() or len(running) >= most or self.replace):
                    done(running.popleft().result())
                if isinstance(file, LeftOut):
                    left_out.append(file)
                elif isinstance(file, Unreadable):
                    source = shown_path(file.path)
                    reason = f"the folder cannot be read: {file.reason}"
                    done(FileReport(source, source, "failed", reason=reason))
                elif callbacks.is_cancelled():
                    name = clean_document_name(file.name)
                    done(FileReport(name if isinstance(file, Upload) else shown_path(file), name, "cancelled"))
                else:
                    brought = frozenset(report.document_id for report in reports) if self.replace else frozenset()
                    running.append(threads.submit(self._ingest, file, brought))
            while running:
                done(running.popleft().result())
        return IngestReport(tuple(reports), time.monotonic() - started, tuple(left_out))

    def _ingest(self, file: Path | Upload, brought: frozenset[str]) -> FileReport:
        name = clean_document_name(file.name)
        path = file.path if isinstance(file, Upload) else shown_path(file)
        try:
            data = _bytes(file)
        except OSError as error:
            reason = f"{name} cannot be read ({error.strerror}): check the file and its permissions"
            return FileReport(path or name, name, "failed", reason=reason)
        wanted_id = file.document_id if isinstance(file, Upload) else ""
        sha256 = hashlib.sha256(data).hexdigest()
        to_place = FileToPlace(self.collection, name, path, sha256, self.replace, wanted_id, brought)
        try:
            placed = self.session.register("place", to_place)
            work = IngestWork(
                self.collection,
                placed.name,
                path,
                placed.document_id,
                self.replace,
                self.metadata,
                self.pool,
                self.ocr,
            )
            report: FileReport = self.session.router.write(placed.partition, "ingest", work, data)
        except InputError as error:
            return FileReport(path or name, name, "failed", reason=str(error))
        finally:
            self.session.register("stored", to_place)
        return report


def _bytes(file: Path | Upload) -> bytes:
    if isinstance(file, Path):
        return file.read_bytes()
    with file.open() as path:
        return path.read_bytes()
