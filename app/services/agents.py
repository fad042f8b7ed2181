"""What an agent asks of a library: short answers, crops before whole pages. No protocol in here."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from colvision.errors import InputError, LibraryDamaged
from colvision.explain import Explanation
from colvision.library import Document, Job
from colvision.search import Hit

from ..agent_views import (
    DocumentList,
    FoundPage,
    FoundPages,
    ListedDocument,
    ListedJob,
    Match,
    PagePicture,
    PageText,
    WordMatch,
)
from ..explanation_view import view_matches
from ..opened import OpenLibrary
from ..settings import LimitReached, Quota
from ..views import JobView, MatchView
from .library import LibraryService
from .pictures import Picture, best_places, cut, page_picture, parse_box

TEXT_CHARACTERS = 20_000  # of a page's text in one answer
CROPS = 3  # places that a match is shown by
LISTED = 200  # documents in one answer
SEEN = 0.5  # from this strength on a word was seen


class AgentService:
    """One open library as agents use it; safe to share between threads. It writes nothing.

    Documents are named by name, id, or the end of their path; all that takes one raises `DocumentNotFound` and
    `DocumentAmbiguous`, and what takes a page `PageNotFound`.
    """

    def __init__(self, library: OpenLibrary, quota: Quota) -> None:
        self._library = library
        self._quota = quota

    def search_pages(self, query: str, *, collection: str, document: str, where: str, k: int) -> FoundPages:
        """Raises `LimitReached` for an empty query, `ValueError` for one without a word and for a wrong filter,
        `CollectionNotFound`.
        """
        words = " ".join(query.split())
        if not words:
            raise LimitReached("the query is empty: give a few words that stand on the page")
        searched = self._library.collection(collection)
        answer = searched.search(words, k=k, document=document or None, where=where or None)
        return FoundPages(
            query=words,
            found=[self._found(hit) for hit in answer],
            searched=answer.pages,
            milliseconds=round(answer.timing_ms["total"], 1),
            notice=answer.notice,
        )

    def _found(self, hit: Hit) -> FoundPage:
        why = self._explain(hit)
        words = view_matches(why)
        places = best_places(why, _shown(words), 1)
        return FoundPage(
            rank=hit.rank,
            document=hit.document,
            document_id=hit.document_id,
            page=hit.page,
            pages=self._library.document(hit.document_id).pages,
            score=round(hit.score, 4),
            words_seen=[each.word for each in words if _is_found(each)],
            words_missing=[each.word for each in words if not _is_found(each)],
            region=[*places[0]] if places else None,
            uri=page_uri(hit.document_id, hit.page),
        )

    def _explain(self, hit: Hit) -> Explanation:
        try:
            return self._library.explain(hit)
        except LibraryDamaged:  # its image is lost, the page's vectors are not
            return self._library.explain(hit, image=False)

    def page_picture(self, document: str, page: int, region: Sequence[float] | None) -> tuple[PagePicture, Picture]:
        """Raises `ValueError` for a region that is none, `LibraryDamaged`."""
        found = self._library.document(document)
        picture = page_picture(self._library, found.id, page, None if region is None else parse_box(region))
        width, height = picture.size
        uri = page_uri(found.id, page)
        view = PagePicture(found.name, found.id, page, found.pages, [*picture.box], width, height, uri)
        return view, picture

    def page_text(self, document: str, page: int) -> PageText:
        found = self._library.document(document)
        text = self._library.page_text(found.id, page)
        source = self._library.text_reader(found.id, page) or ("pdf" if text else "none")
        shown = text[:TEXT_CHARACTERS]
        return PageText(found.name, found.id, page, found.pages, shown, source, len(text), len(text) > len(shown))

    def explain_match(self, query: str, document: str, page: int) -> tuple[Match, list[Picture]]:
        """Raises `LimitReached` for an empty query, `ValueError` for one without a word, `LibraryDamaged`."""
        words = " ".join(query.split())
        if not words:
            raise LimitReached("the query is empty: give the words that were searched for")
        found = self._library.document(document)
        why = self._library.explain(words, found.id, page)
        assert why.image is not None
        matches = view_matches(why)
        places = best_places(why, _shown(matches), CROPS)
        match = Match(
            query=words,
            document=found.name,
            document_id=found.id,
            page=page,
            pages=found.pages,
            score=round(why.score, 4),
            words=[_word(each) for each in matches],
            regions=[[*place] for place in places],
            uri=page_uri(found.id, page),
        )
        return match, [cut(why.image, place) for place in places]

    def list_documents(self, *, collection: str, name: str, offset: int, limit: int) -> DocumentList:
        """Those of one collection ("" for all) whose name holds `name`. Raises `CollectionNotFound`."""
        collections = self._library.collections()
        asked = [collection] if collection else collections
        all_of_them = [each for each_of in asked for each in self._library.collection(each_of).documents()]
        fitting = [each for each in all_of_them if name.casefold() in each.name.casefold()]
        jobs = [job for job in self._library.jobs.all() if job.state in ("queued", "running", "failed")]
        return DocumentList(
            documents=[_listed(each) for each in fitting[offset : offset + limit]],
            total=len(fitting),
            offset=offset,
            collections=collections,
            jobs=[_job(job) for job in jobs],
        )


class WritingAgentService:
    """What an agent may change, where it may change anything. `files` is the folder that it may take files from, None
    for any of this machine.
    """

    def __init__(self, service: LibraryService, files: Path | None) -> None:
        self._service = service
        self._files = files

    def ingest(self, path: str, *, collection: str, replace: bool) -> ListedJob:
        """Queues a copy of a file. Raises `InputError` for a path that cannot be taken, and what uploads raise."""
        file = (self._files or Path.cwd()).joinpath(Path(path).expanduser()).resolve()
        if self._files is not None and not file.is_relative_to(self._files.resolve()):
            raise InputError(f"{path} is not in the folder that files may be taken from ({self._files}): put it there")
        if not file.is_file():
            raise InputError(f"{path} is no file: give the path of a PDF or an image, one at a time")
        return _job(self._service.uploads.add_file(file, collection=collection, replace=replace))

    def delete(self, document: str) -> ListedDocument:
        """Raises `DocumentNotFound`, `DocumentAmbiguous`."""
        found = self._service.library.document(document)
        self._service.delete(found.id)
        return _listed(found)


def page_uri(document: str, page: int) -> str:
    """The address of a page's picture among an MCP server's resources."""
    return f"colvision://documents/{quote(document, safe='')}/pages/{page}"


def _listed(document: Document) -> ListedDocument:
    return ListedDocument(
        name=document.name,
        id=document.id,
        collection=document.collection,
        state=document.state,
        pages=document.pages,
        stored=document.stored,
        metadata=document.metadata,
    )


def _job(job: Job | JobView) -> ListedJob:
    return ListedJob(job.name, job.collection, job.state, job.page, job.pages, job.reason)


def _is_found(match: MatchView) -> bool:
    return match.in_text or match.strength >= SEEN


def _shown(matches: Sequence[MatchView]) -> Sequence[MatchView]:
    return [match for match in matches if _is_found(match)] or matches


def _word(match: MatchView) -> WordMatch:
    return WordMatch(
        word=match.word,
        strength=round(match.strength, 3),
        contribution=round(match.contribution, 4),
        in_text=match.in_text,
        box=None if match.box is None else [round(value, 4) for value in match.box],
    )
