"""Searches and their answers: which pages match, and why a page does."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from colvision.core.page import parse_page
from colvision.errors import ColvisionError, DocumentNotFound, EncoderMismatch, LibraryDamaged, PageNotFound
from colvision.search import Answer, Hit, Mode
from colvision.search.rerank import RerankOptions
from colvision.store.judgements import Verdict

from ..explanation_view import view_answer, view_explanation, view_found
from ..opened import OpenLibrary
from ..settings import LimitReached
from ..views import AnswerView, ExplanationView, FoundView
from .images import QueryImages
from .judgements import JudgedPage, Judgements
from .listings import is_listing

_ANSWERS = 64  # newest answers kept, so that a click needs no second search
_LISTINGS = 10_000  # pages of which it is kept whether they are contents or index pages


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What is asked of a collection, or of one `document` of it (an id or a name), or of the pages `where` it holds.

    `where`, `mode`, `text_fusion`, `exact_words`, `encoders` and `first_stage` ("" for none) are those of
    `Library.search`; `rerank` has the server's reranker order the best pages. Instead of a text, `like` may name a
    page, as DOCUMENT:PAGE, or `image` a kept image by its token: which pages are like it?
    """

    text: str
    collection: str = "default"
    document: str | None = None
    where: str = ""
    mode: Mode = "auto"
    text_fusion: bool | None = None
    exact_words: bool = False
    like: str = ""
    image: str = ""
    rerank: bool = False
    encoders: frozenset[str] | None = None
    first_stage: str = ""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.text, self.like, self.image))) > 1:
            raise ValueError("a search is for words, or for pages like another one or like an image: ask with one")
        if self.rerank and (self.like or self.image):
            raise ValueError("a reranker reads words: leave out rerank, or ask with q")
        if (self.encoders is not None or self.first_stage) and (self.like or self.image):
            raise ValueError("further encoders are asked with words: leave out encoders and first_stage, or ask with q")

    def check(self) -> None:
        """Raises `LimitReached` where nothing is asked."""
        if not self.text and not self.example_name:
            raise LimitReached("type a few words to search for")

    @property
    def example_name(self) -> str:
        """What the example is called, "" where words are searched for."""
        return "that page" if self.like else "the image" if self.image else ""


class SearchService:
    """What a user asks of one library; safe to share between threads."""

    def __init__(
        self, library: OpenLibrary, judgements: Judgements, images: QueryImages, reranking: RerankOptions | None = None
    ) -> None:
        self._library = library
        self._reranking = reranking
        self._judgements = judgements
        self._images = images
        self._answers: OrderedDict[SearchRequest, Answer] = OrderedDict()
        self._listings: tuple[str, dict[tuple[str, int], bool]] = ("", {})  # those of one revision of the library
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Drops the kept answers: what was deleted must not be told of any more."""
        with self._lock:
            self._answers.clear()

    def search(self, request: SearchRequest, *, k: int = 10) -> AnswerView:
        """The pages that match best. Raises `LimitReached` for no text at all, `ValueError` for one without a word."""
        request.check()
        answer = self._answer(request, k)
        return view_answer(
            answer,
            self._pages({hit.document_id for hit in answer}),
            lambda hit: self._judgements.verdict(_judged_page(request, hit.document_id, hit.page)),
            is_listing=self._listing_test(),
            example_name=request.example_name,
        )

    def _listing_test(self) -> Callable[[Hit], bool]:
        """Whether a hit is a contents or index page: its text is read once, until anything changes in the library."""
        revision = self._library.revision
        if self._listings[0] != revision or len(self._listings[1]) > _LISTINGS:
            self._listings = (revision, {})
        known = self._listings[1]

        def is_known_listing(hit: Hit) -> bool:
            page = (hit.document_id, hit.page)
            with suppress(ColvisionError):  # deleted a moment ago, or out of reach for one
                if page not in known:
                    known[page] = is_listing(self._library.page_text(hit.document_id, hit.page))
            return known.get(page, False)

        return is_known_listing

    def _pages(self, documents: Iterable[str]) -> dict[str, int]:
        """How many pages each of them has. Of those that were found alone: a library may hold thousands."""
        pages = {}
        for each in documents:
            with suppress(DocumentNotFound):  # deleted a moment ago
                pages[each] = self._library.document(each).pages
        return pages

    def judge(self, request: SearchRequest, document: str, page: int, verdict: Verdict) -> None:
        """Keeps what a reader says of a page.

        Raises `LimitReached`, `CollectionNotFound`, `DocumentNotFound`, `PageNotFound`, `LibraryError`.
        """
        self._library.collection(request.collection).documents()
        found = self._library.document(document)
        if found.collection != request.collection:
            raise DocumentNotFound(f"{found.name!r} is not in the collection {request.collection!r}: name its own")
        self._library.page_image_path(found.id, page)
        self._judgements.set_verdict(_judged_page(request, found.id, page), verdict)

    def _answer(self, request: SearchRequest, k: int) -> Answer:
        answer = self._run(request, k)
        with self._lock:
            self._answers[request] = answer
            self._answers.move_to_end(request)
            while len(self._answers) > _ANSWERS:
                self._answers.popitem(last=False)
        return answer

    def _run(self, request: SearchRequest, k: int) -> Answer:
        where = request.where or None
        if request.like:
            return self._library.search_like(*parse_page(request.like), k=k, where=where)
        document, collection = request.document, self._library.collection(request.collection)
        if request.image:
            image = self._images.image(request.image)
            return collection.search_image(image, k=k, where=where, document=document)
        return collection.search(
            request.text,
            k=k,
            document=document,
            where=where,
            mode=request.mode,
            text_fusion=request.text_fusion,
            exact_words=request.exact_words,
            encoders=request.encoders,
            first_stage=request.first_stage or None,
            **self._reranker(request),
        )

    def _reranker(self, request: SearchRequest) -> dict[str, Any]:
        """What has a search reranked. Raises `ValueError` where the server has no reranker."""
        if not request.rerank:
            return {}
        if self._reranking is None:
            raise ValueError("this server has no reranker: leave out rerank, or start it with --rerank NAME")
        return {"rerank": self._reranking.reranker, "candidates": self._reranking.candidates}

    def explain(self, request: SearchRequest, document: str, page: int) -> ExplanationView:
        """Why this page matches, on the scale of the search's other results.

        Any page can be asked about, whether the search found it or not. Raises `DocumentNotFound`, `PageNotFound`.
        """
        request.check()
        try:
            return self._explain(request, document, page)
        except EncoderMismatch:  # the collection was encoded again since the kept answer
            self.forget()
            return self._explain(request, document, page)

    def find(self, document: str, text: str) -> FoundView:
        """The pages of a document that have these words: every page is compared, and its text layer asked.

        Raises `DocumentNotFound`, `EncoderMismatch`, `LimitReached` for no text at all, `ValueError` for one without a
        word.
        """
        SearchRequest(text).check()
        found = self._library.document(document)
        if not found.stored:
            return FoundView((), 0, is_sure=True)
        answer = self._library.collection(found.collection).search(
            text, k=found.stored, document=found.id, mode="exact", text_fusion=False, exact_words=True, encoders=()
        )
        return view_found(answer)

    def _explain(self, request: SearchRequest, document: str, page: int) -> ExplanationView:
        with self._lock:
            answer = self._answers.get(request)
        answer = answer or self._answer(replace(request, rerank=False), 10)  # for its scale: no order is shown
        if not answer:
            raise PageNotFound("there is no page to compare with: add a document first")
        found = self._library.document(document)
        try:
            why = self._library.explain(answer.query, found.id, page)
        except LibraryDamaged:  # its image is lost, the page's vectors are not
            why = self._library.explain(answer.query, found.id, page, image=False)
        return view_explanation(why, found, page, answer, example_name=request.example_name)


def _judged_page(request: SearchRequest, document: str, page: int) -> JudgedPage:
    return JudgedPage(request.text, document, page)
