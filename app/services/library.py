"""The use cases of the application: what a library holds, what comes in, what is asked. No web framework in here."""

import hashlib
import io
import re
import secrets
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

import colvision
from colvision.core.metadata import Metadata
from colvision.core.reranker import Reranker
from colvision.errors import ColvisionError, LibraryDamaged, PageNotFound
from colvision.library import CollectionStatus, Document
from colvision.maxsim import token_maxima
from colvision.search.rerank import RerankOptions

from ..budgets import Budgets, disk_trouble
from ..opened import OpenLibrary
from ..settings import LimitReached, Settings, sample_files
from ..views import AnswersView, CollectionView, DocumentView, HealthView, LibraryView, PageWordsView, PrintedWordView
from .answers import AnswerService
from .chat import ChatEndpoint
from .images import QueryImages
from .judgements import Judgements
from .search import SearchService
from .uploads import Uploads
from .watched import WatchedFolders

ExportKind = Literal["pdf", "png"]
_UNFIT = re.compile(r"[^\w .()-]")  # in the name of a file, on any system
Box = tuple[float, float, float, float]  # left, top, right, bottom in fractions of a page image


@dataclass(frozen=True, slots=True)
class Original:
    """The file that a document was made from, and the name to show for it."""

    path: Path
    name: str


class LibraryService:
    """One library, as the application uses it; safe to share between threads.

    The library is given open, with whatever encoder it has: the tests give it one that needs no weights.
    """

    def __init__(self, library: OpenLibrary, settings: Settings, reranker: Reranker | None = None) -> None:
        self._start = secrets.token_hex(8)
        self.worker_trouble = ""  # why no document is read at present, as the supervisor of the worker knows it
        self.library = library
        self.settings = settings
        budgets = Budgets(library, settings.quota)
        self.uploads = Uploads(library, settings.quota, budgets)
        self.judgements = Judgements(library, settings.quota)
        self.watched = WatchedFolders(library.path, may_change=settings.may_watch)
        self.images = QueryImages(library.path, settings.quota, budgets, self.uploads.spool)
        self.reranker = reranker
        reranking = None if reranker is None else RerankOptions(reranker, settings.quota.candidates)
        self.search = SearchService(library, self.judgements, self.images, reranking)
        self.answers = _answers(library, settings)

    def warm(self) -> None:
        warm_up(self.library)

    def revision(self) -> str:
        """An entity tag of the overview: another one when that may have changed, here or in another process."""
        state = (self._start, self.library.revision, self._trouble(), self.watched.revision())
        return f'"{hashlib.sha256(repr(state).encode()).hexdigest()[:32]}"'

    def overview(self) -> LibraryView:
        """Documents, jobs and sizes, in one answer."""
        status, trouble = self.library.status(), self._trouble()
        return LibraryView(
            collections=tuple(map(_collection, status.collections)),
            documents=tuple(map(_document, self._documents())),
            jobs=tuple(self.uploads.jobs(trouble)),
            judgements=len(self.judgements),
            watched=self.watched.views(),
            may_watch=self.watched.may_change and not self.library.read_only,
            encoder=status.encoder,
            reranker="" if self.reranker is None else self.reranker.name,
            answers=self._answers_view(),
            version=colvision.__version__,
            has_sample=bool(sample_files()),
            warnings=tuple(filter(None, (self._read_only(), trouble, *status.warnings, self.judgements.warning))),
        )

    def _answers_view(self) -> AnswersView | None:
        if self.answers is None:
            return None
        endpoint = self.answers.endpoint
        return AnswersView(endpoint.model, endpoint.host, self.settings.quota.answer_pages)

    def _read_only(self) -> str:
        said = "The library cannot be written: it can be searched, nothing can be added or deleted"
        return said if self.library.read_only else ""

    def _trouble(self) -> str:
        """Why documents wait, "" while none does or one is read."""
        if not self.library.jobs.active():
            return ""
        return disk_trouble(self.library.path) or self.worker_trouble

    def document(self, document: str) -> DocumentView:
        """Raises `DocumentNotFound`."""
        return _document(self.library.document(document))

    def delete(self, document: str) -> DocumentView:
        """Removes a document and stops the job that reads it. Raises `DocumentNotFound`.

        On a full disk nothing can be written before the document is gone, so what only tells of it goes last.
        """
        found = self.library.document(document)
        self.uploads.stop_job_of(found.id)
        self.search.forget()
        removed = self.library.delete(found.id)
        self.uploads.forget_jobs_of(found.id)
        return _document(removed)

    def rename(self, document: str, name: str) -> DocumentView:
        """Raises `DocumentNotFound`, and `ValueError` for a name that is taken or cannot be shown."""
        renamed = self.library.rename(self.library.document(document).id, name)
        self.search.forget()
        return _document(renamed)

    def set_metadata(self, document: str, metadata: Metadata) -> DocumentView:
        """Notes this and nothing else with a document. Raises `DocumentNotFound`, `LimitReached`."""
        self.uploads.check_metadata(metadata)
        changed = self.library.set_metadata(self.library.document(document).id, metadata)
        self.search.forget()
        return _document(changed)

    def rename_collection(self, name: str, new: str) -> CollectionView:
        """Raises `CollectionNotFound`, and `ValueError` for a name that is taken or cannot be shown."""
        renamed = self.library.rename_collection(name, new)
        self.watched.move(name, renamed.name)
        self.search.forget()
        return _collection(renamed.status())

    def delete_collection(self, name: str) -> CollectionView:
        """Removes a collection with its documents and its jobs; its folders are watched no more.

        Returns what was removed. Raises `CollectionNotFound`.
        """
        self.watched.move(name, "")
        self.search.forget()
        removed = _collection(self.library.delete_collection(name))
        self.uploads.forget_jobs_for(name)
        return removed

    def original(self, document: str) -> Original:
        """Raises `DocumentNotFound`, `LibraryDamaged`."""
        found = self.library.document(document)
        path = self.library.original_path(found.id)
        if not path.exists():
            self.library.document(found.id)  # deleted since: that is what is wrong
            raise LibraryDamaged(f"the file of {found.name} is missing in the library: ingest it again", path=path)
        return Original(path, found.name)

    def page_words(self, document: str, page: int) -> PageWordsView:
        """The words of a page. Raises `DocumentNotFound`, `PageNotFound`, `LibraryDamaged`."""
        words = self.library.page_words(document, page)
        views = tuple(PrintedWordView(word.text, word.box, word.confidence) for word in words)
        return PageWordsView(self.library.text_reader(document, page), views)

    def page_image(self, document: str, page: int, width: int | None = None, box: Box | None = None) -> bytes:
        """A page's image as JPEG, or the part of it in a `box`, at most `width` pixels wide.

        Raises `DocumentNotFound`, `PageNotFound`, `LibraryDamaged`.
        """
        path = self.library.page_image_path(document, page)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            if self.library.page_image_path(document, page) == path:  # else deleted or replaced since
                missing = (
                    f"the image of page {page} is missing in the library: colvision verify --repair makes it again"
                )
                raise LibraryDamaged(missing, path=path) from error
            raise PageNotFound(f"page {page} was replaced a moment ago: reload the list of documents") from error
        return data if width is None and box is None else _scaled(data, width, box)

    def export_pages(self, pages: Sequence[tuple[str, int]], path: Path, kind: ExportKind) -> None:
        """Writes pages, (document, page) each, to a file: one PDF that can be searched, or PNG images in a ZIP file.

        Raises `LimitReached`, `DocumentNotFound`, `PageNotFound`, `LibraryDamaged`.
        """
        most = self.settings.quota.exported_pages
        if len(pages) > most:
            raise LimitReached(f"{len(pages):,} pages are chosen, the limit is {most}: export them in parts")
        if kind == "pdf":
            self.library.export_pages(pages, path)
            return
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # PNGs are compressed
            for number, (name, page) in enumerate(pages, 1):
                document = self.library.document(name)
                data = io.BytesIO()
                self.library.page_image(document.id, page).save(data, "PNG")
                stem = _UNFIT.sub("_", Path(document.name).stem)
                archive.writestr(f"{number:03} {stem} page {page}.png", data.getvalue())

    def export_judgements(self) -> str:
        """Questions with the pages that answer them, a JSON object a line."""
        return self.judgements.export(self._documents())

    def _documents(self) -> list[Document]:
        names = self.library.collections()
        return [each for name in names for each in self.library.collection(name).documents()]


def _answers(library: OpenLibrary, settings: Settings) -> AnswerService | None:
    if not settings.answers:
        return None
    endpoint = ChatEndpoint(settings.answers, settings.answers_model, settings.answers_key)
    return AnswerService(library, endpoint, settings.quota)


def warm_up(library: OpenLibrary) -> None:
    """Loads the encoder and makes a search ahead of the first: loops are compiled, shards opened.

    In an empty library nothing is compared, so one vector is. A failure is left to the user's own query, which can show
    it.
    """
    vector = np.ones((1, 128))
    token_maxima(vector.astype(np.float32), vector.astype(np.int8), np.array([0, 1]), 1.0)
    with suppress(ColvisionError):
        library.search("page", k=1)


def _collection(status: CollectionStatus) -> CollectionView:
    return CollectionView(
        name=status.name,
        documents=status.documents,
        pages=status.pages,
        vectors=status.vectors,
        bytes=status.bytes,
        encoder=status.encoder.name if status.encoder else "",
        needs_reencoding=status.needs_reencoding,
    )


def _document(document: Document) -> DocumentView:
    health = document.health
    return DocumentView(
        id=document.id,
        name=document.name,
        folder=document.folder,
        collection=document.collection,
        kind=document.kind,
        state=document.state,
        reason=document.reason,
        pages=document.pages,
        stored=document.stored,
        failed=document.failed,
        bytes=document.bytes,
        added=document.added.isoformat(),
        metadata=document.metadata,
        health=HealthView(health.is_whole, health.summary, health.failed, health.notes),
        sha256=document.sha256,
    )


def _scaled(data: bytes, width: int | None, box: Box | None) -> bytes:
    """At most `width` pixels wide, all of it or what is in a `box`."""
    with Image.open(io.BytesIO(data)) as image:
        part = _pixels(box, image.size)
        whole = part[2] - part[0], part[3] - part[1]
        share = min(1.0, (width or whole[0]) / whole[0])
        if box is None and share == 1:
            return data
        size = max(1, round(whole[0] * share)), max(1, round(whole[1] * share))
        if box is None:  # the JPEG decoder itself halves: ten times quicker for a thumbnail
            image.draft(None, size)
            part = (0, 0, *image.size)
        small = image.resize(size, Image.Resampling.LANCZOS, box=part)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=82)
    return out.getvalue()


def _pixels(box: Box | None, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Of an image of (width, height): at least one pixel of it."""
    left, top, right, bottom = box or (0.0, 0.0, 1.0, 1.0)
    x, y = min(int(left * size[0]), size[0] - 1), min(int(top * size[1]), size[1] - 1)
    return x, y, max(x + 1, round(right * size[0])), max(y + 1, round(bottom * size[1]))
