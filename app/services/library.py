"""The use cases of the application: what a library holds, what comes in, what is asked. No web framework in here."""

import hashlib
import io
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import colvision
from colvision.core.reranker import Reranker
from colvision.errors import ColvisionError, LibraryDamaged, PageNotFound
from colvision.library import CollectionStatus, Document, Library
from colvision.maxsim import token_maxima
from colvision.search.rerank import RerankOptions

from ..budgets import Budgets, disk_trouble
from ..settings import Settings, sample_files
from ..views import AnswersView, CollectionView, DocumentView, HealthView, LibraryView, PageWordsView, PrintedWordView
from .answers import AnswerService
from .chat import ChatEndpoint
from .images import QueryImages
from .judgements import Judgements
from .search import SearchService
from .uploads import Uploads


@dataclass(frozen=True, slots=True)
class Original:
    """The file that a document was made from, and the name to show for it."""

    path: Path
    name: str


class LibraryService:
    """One library, as the application uses it; safe to share between threads.

    The library is given open, with whatever encoder it has: the tests give it one that needs no weights.
    """

    def __init__(self, library: Library, settings: Settings, reranker: Reranker | None = None) -> None:
        self._start = secrets.token_hex(8)
        self.worker_trouble = ""  # why no document is read at present, as the supervisor of the worker knows it
        self.library = library
        self.settings = settings
        budgets = Budgets(library, settings.quota)
        self.uploads = Uploads(library, settings.quota, budgets)
        self.judgements = Judgements(library, settings.quota)
        self.images = QueryImages(library.path, settings.quota, budgets, self.uploads.spool)
        self.reranker = reranker
        reranking = None if reranker is None else RerankOptions(reranker, settings.quota.candidates)
        self.search = SearchService(library, self.judgements, self.images, reranking)
        self.answers = _answers(library, settings)

    def warm(self) -> None:
        warm_up(self.library)

    def revision(self) -> str:
        """An entity tag of the overview: another one when that may have changed, here or in another process."""
        state = (self._start, self.library.revision, self._trouble())
        return f'"{hashlib.sha256(repr(state).encode()).hexdigest()[:32]}"'

    def overview(self) -> LibraryView:
        """Documents, jobs and sizes, in one answer."""
        status, trouble = self.library.status(), self._trouble()
        return LibraryView(
            collections=tuple(map(_collection, status.collections)),
            documents=tuple(map(_document, self._documents())),
            jobs=tuple(self.uploads.jobs(trouble)),
            judgements=len(self.judgements),
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

    def page_image(self, document: str, page: int, width: int | None = None) -> bytes:
        """A page's image as JPEG, at most `width` pixels wide. Raises `DocumentNotFound`, `PageNotFound`,
        `LibraryDamaged`.
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
        return data if width is None else _scaled(data, width)

    def export_judgements(self) -> str:
        """Questions with the pages that answer them, a JSON object a line."""
        return self.judgements.export(self._documents())

    def _documents(self) -> list[Document]:
        names = self.library.collections()
        return [each for name in names for each in self.library.collection(name).documents()]


def _answers(library: Library, settings: Settings) -> AnswerService | None:
    if not settings.answers:
        return None
    endpoint = ChatEndpoint(settings.answers, settings.answers_model, settings.answers_key)
    return AnswerService(library, endpoint, settings.quota)


def warm_up(library: Library) -> None:
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
    )


def _scaled(data: bytes, width: int) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        if image.width <= width:
            return data
        height = max(1, round(image.height * width / image.width))
        image.draft(None, (width, height))  # the JPEG decoder itself halves: ten times quicker for a thumbnail
        small = image.resize((width, height), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=82)
    return out.getvalue()
