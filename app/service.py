"""The use cases of the application: upload, list, ask, explain, look at a page, delete. No web framework in here."""

import io
import shutil
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

import colvision
from app.settings import Settings, sample_files
from app.spool import Spool
from app.views import AnswerView, DocumentView, ExplanationView, JobView, LibraryView
from app.why import view_answer, view_explanation
from colvision.errors import ColvisionError, PageNotFound
from colvision.library import Document, Library
from colvision.pdf import inspect_file
from colvision.search import Answer
from colvision.store.identity import document_name
from colvision.store.jobs import Job, State

_ACTIVE: tuple[State, ...] = ("queued", "running")
_ANSWERS = 64  # newest answers kept, so that a click needs no second search
_IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
_SAMPLE_MARK = ".sample"  # in the library: the sample manual was once loaded, and may have been deleted on purpose
_WIDTHS = range(64, 2001)  # pixels of a page picture that a client may ask for


class Refused(ColvisionError):
    """What the user asked for is beyond a limit of the application; the message says which."""


@dataclass(frozen=True, slots=True)
class Original:
    """The file that a document was made from, and the name to show for it."""

    path: Path
    name: str


class Service:
    """One library, as the application uses it; safe to share between threads.

    The library is given open, with whatever encoder it has: the tests give it one that needs no weights.
    """

    def __init__(self, library: Library, settings: Settings) -> None:
        self.library = library
        self.settings = settings
        self._spool = Spool(library.path)
        self._answers: OrderedDict[tuple[str, int, str], Answer] = OrderedDict()
        self._dismissed: set[int] = set()  # jobs of deleted documents: taken off the list when they have stopped
        self._turn = threading.Lock()
        self._spool.sweep(job.path for job in library.jobs.all(states=_ACTIVE))

    def warm(self) -> None:
        """Loads the encoder ahead of the first query. A failure is left to that query, which can show it."""
        try:
            self.library.encoder.encode_queries(["page"])
        except ColvisionError:
            return

    # What the library holds

    def overview(self) -> LibraryView:
        """Documents, jobs and sizes, in one answer."""
        status = self.library.status()
        documents = self._all_documents()
        collections = status.collections
        return LibraryView(
            documents=tuple(map(_document, documents)),
            jobs=tuple(self._jobs(documents)),
            pages=sum(each.pages for each in collections),
            vectors=sum(each.vectors for each in collections),
            bytes=sum(each.bytes for each in collections),
            encoder=status.encoder,
            version=colvision.__version__,
            has_sample=bool(sample_files()),
            warnings=status.warnings,
        )

    def document(self, document: str) -> DocumentView:
        """Raises `DocumentNotFound`."""
        return _document(self.library.document(document))

    def delete(self, document: str) -> DocumentView:
        """Removes a document and stops the job that is filling it. Raises `DocumentNotFound`."""
        found = self.library.document(document)
        for job in self._jobs(self._all_documents()):
            if job.document == found.id:
                self._dismissed.add(job.key)
                self.library.jobs.cancel(job.key)
        with self._turn:
            self._answers.clear()
        return _document(self.library.delete(found.id))

    def original(self, document: str) -> Original:
        """Raises `DocumentNotFound`."""
        found = self.library.document(document)
        return Original(self.library.original_path(found.id), found.name)

    def picture(self, document: str, page: int, width: int | None = None) -> bytes:
        """A page's picture as JPEG, at most `width` pixels wide. Raises `DocumentNotFound`, `PageNotFound`."""
        path = self.library.page_path(document, page)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise PageNotFound(f"page {page} was deleted a moment ago: reload the list of documents") from error
        if width is None:
            return data
        if width not in _WIDTHS:
            raise ValueError(f"width is {width}; expected {_WIDTHS.start} to {_WIDTHS.stop - 1} pixels")
        return _scaled(data, width)

    # What waits to be read

    def upload(self, path: Path, name: str) -> JobView:
        """Takes a file over (it is moved) and queues it. Raises `Refused` and the errors of `inspect_file`."""
        shown = document_name(name)
        self._check_room(path.stat().st_size, shown)
        inspect_file(path, limits=self.settings.quota.limits())
        kept = self._spool.keep(path, shown)
        return _job(self.library.jobs.queue(str(kept), shown))

    def _check_room(self, size: int, name: str) -> None:
        quota = self.settings.quota
        if size > quota.file_bytes:
            raise Refused(
                f"{name} has {size >> 20:,} MB, the limit is {quota.file_bytes >> 20:,} MB: split it into parts"
            )
        waiting = len(self.library.jobs.all(states=_ACTIVE))
        if waiting >= quota.queue:
            raise Refused(f"{waiting} files are waiting, the limit is {quota.queue}: add {name} when some are done")
        free = shutil.disk_usage(self.library.path).free
        if free - 2 * size < quota.free_bytes:
            raise Refused(f"the disk has {free >> 20:,} MB left, too little to take {name} in: make room first")

    def load_sample(self) -> list[JobView]:
        """Queues the sample manual. Raises `Refused` where it is not installed."""
        files = sample_files()
        if not files:
            raise Refused("the sample manual is not installed here: drop a PDF of your own instead")
        (self.library.path / _SAMPLE_MARK).touch()
        return [_job(self.library.jobs.queue(str(path), path.name)) for path in files]

    def load_sample_once(self) -> list[JobView]:
        """The same on the first start only: a sample manual that was deleted stays deleted."""
        if (self.library.path / _SAMPLE_MARK).exists() or not sample_files():
            return []
        return self.load_sample()

    def go_on(self, document: str) -> JobView:
        """Queues the missing pages of a document that was cancelled or failed. Raises `DocumentNotFound`."""
        found = self.library.document(document)
        path = self.library.original_path(found.id)
        return _job(self.library.jobs.queue(str(path), found.name, collection=found.collection))

    def cancel(self, key: int) -> JobView:
        """Raises `ValueError` for a job that there is not."""
        self.library.jobs.cancel(key)
        job = self.library.jobs.get(key)
        if job.state == "cancelled":
            self._spool.drop(Path(job.path))
        return _job(job)

    def forget(self, key: int) -> None:
        """Takes an ended job off the list."""
        self.library.jobs.forget(key)

    def _jobs(self, documents: list[Document]) -> list[JobView]:
        """Jobs with something to tell, each with the document that it fills or became."""
        views = []
        for job in self.library.jobs.all():
            view = _job(job)
            if job.key in self._dismissed:
                self.library.jobs.forget(job.key)
                continue
            if job.state == "running":
                view = replace(view, document=_filled_by(job, documents))
            if job.state != "ready" or job.reason:
                views.append(view)
        return views

    # Questions

    def ask(self, text: str, *, k: int = 10, document: str | None = None) -> AnswerView:
        """The pages that match best. Raises `Refused` beyond a limit, `ValueError` for a text without a word."""
        query = " ".join(text.split())
        quota = self.settings.quota
        if not query:
            raise Refused("type a few words to search for")
        if len(query) > quota.query_letters:
            raise Refused(f"the query has {len(query):,} letters, the limit is {quota.query_letters}: use fewer words")
        if not 1 <= k <= quota.hits:
            raise Refused(f"{k} results were asked for; expected 1 to {quota.hits}")
        answer = self._answer(query, k, document)
        return view_answer(answer, {each.id: each.pages for each in self._documents("default")})

    def _answer(self, query: str, k: int, document: str | None) -> Answer:
        answer = self.library.search(query, k=k, document=document)
        with self._turn:
            key = (query, k, document or "")
            self._answers[key] = answer
            self._answers.move_to_end(key)
            while len(self._answers) > _ANSWERS:
                self._answers.popitem(last=False)
        return answer

    def explain(self, text: str, document: str, page: int, *, within: str | None = None) -> ExplanationView:
        """Why this page matches; `within` is the document that the search was limited to, whose scale it shares.

        Any page can be asked about, whether the search found it or not. Raises `DocumentNotFound`, `PageNotFound`.
        """
        query = " ".join(text.split())
        answer = self._known(query, within)
        if answer is None:
            self.ask(query, document=within)
            answer = self._known(query, within)
        if not answer:
            raise PageNotFound("there is no page to compare with: add a document first")
        found = self.library.document(document)
        hit = replace(answer[0], document=found.name, document_id=found.id, page=page)
        top = max(float(each.similarity.max()) for each in answer)
        return view_explanation(self.library.explain(hit, picture=False), hit, found.pages, top)

    def _known(self, query: str, within: str | None) -> Answer | None:
        with self._turn:
            kept = [key for key in self._answers if key[0] == query and key[2] == (within or "")]
            return self._answers[kept[-1]] if kept else None

    def _all_documents(self) -> list[Document]:
        return [each for name in self.library.collections() for each in self._documents(name)]

    def _documents(self, collection: str) -> list[Document]:
        return self.library.documents(collection=collection)


def _filled_by(job: Job, documents: list[Document]) -> str:
    """The id of the document that a running job fills, "" while it has none.

    A name alone does not tell: another document of that name may have been left half read.
    """
    try:
        size = Path(job.path).stat().st_size
    except OSError:
        return ""
    wanted = ("ingesting", job.collection, size)
    for each in documents:
        if (each.state, each.collection, each.bytes) == wanted and job.name in (each.name, each.source):
            return each.id
    return ""


def _document(document: Document) -> DocumentView:
    return DocumentView(
        id=document.id,
        name=document.name,
        kind="image" if Path(document.name).suffix.lower() in _IMAGE_ENDINGS else "pdf",
        state=document.state,
        reason=document.reason,
        pages=document.pages,
        stored=document.stored,
        failed=document.failed,
        bytes=document.bytes,
        added=document.added.isoformat(),
    )


def _job(job: Job) -> JobView:
    return JobView(
        key=job.key,
        name=job.name,
        state=job.state,
        reason=job.reason,
        document=job.document,
        page=job.page,
        pages=job.pages,
        failed_pages=job.failed_pages,
        pages_per_second=round(job.pages_per_second, 2),
        seconds_left=job.seconds_left,
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
