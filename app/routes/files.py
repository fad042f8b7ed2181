"""Files: images to search by, pages as pictures and as words, and what a document was made from."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import contextmanager_in_threadpool
from fastapi.responses import FileResponse, Response

from colvision.pdf import media_type

from ..failures import answers
from ..parameters import DocumentInPath, FileName, Fractions, NumberInPath, Token, parse_fractions
from ..request_body import FILE_BODY, declared_size, save_request_body
from ..services.library import LibraryService
from ..threads import Threads
from ..views import PageWordsView, QueryImageView
from .responses import KEPT_BY_NOBODY, content

# A browser shows an address that a page has shown before without asking for it again.
_VERSION = "any text: another one makes another address of a document that was replaced"


def image_routes(service: LibraryService, reading: Threads) -> APIRouter:
    router = APIRouter()
    most = service.settings.quota.query_image_bytes

    @router.post("/images", status_code=201, responses=answers(408, 413, 415, 507), openapi_extra=FILE_BODY)
    async def add_image(request: Request, name: FileName = "the image") -> QueryImageView:
        """The body is an image, or a PDF whose first page is meant, or a form with it; what a search may ask with, by
        its `token`.
        """
        admitted = service.images.admit(name, declared_size(request, most))
        async with contextmanager_in_threadpool(admitted) as arrival:
            await save_request_body(request, arrival.path, name, count=arrival.count)
            return await reading.run(service.images.add, arrival.path, name)

    @router.get("/images/{token}", response_class=Response, responses=content("image/jpeg", 410))
    def read_image(token: Token) -> Response:
        """An image that is a query, as it was understood: a JPEG."""
        return Response(service.images.data(token), media_type="image/jpeg", headers=KEPT_BY_NOBODY)

    return router


def file_routes(service: LibraryService, drawing: Threads) -> APIRouter:
    router = APIRouter()

    @router.get(
        "/documents/{document}/pages/{page}/image",
        response_class=Response,
        responses=content("image/jpeg", 404, 409),
    )
    @drawing
    def page_image(
        document: DocumentInPath,
        page: NumberInPath,
        width: Annotated[int | None, Query(ge=64, le=2000)] = None,
        box: Fractions | None = None,
        version: Annotated[str | None, Query(max_length=64, description=_VERSION)] = None,
    ) -> Response:
        """The page's image, or the part of it in a `box`, a JPEG, at most `width` pixels wide."""
        data = service.page_image(document, page, width, parse_fractions(box))
        return Response(data, media_type="image/jpeg", headers=KEPT_BY_NOBODY)

    @router.get("/documents/{document}/pages/{page}/words", responses=answers(404, 409))
    def page_words(document: DocumentInPath, page: NumberInPath) -> PageWordsView:
        """The words of the page's text, and where they stand: to mark and to copy them."""
        return service.page_words(document, page)

    @router.get("/documents/{document}/file", response_class=FileResponse, responses=content("*/*", 404, 409))
    def original_file(document: DocumentInPath) -> Response:
        """The kept file; `#page=12` opens a PDF at that page."""
        original = service.original(document)
        kind = media_type(original.path)
        return FileResponse(
            original.path,
            media_type=kind or "application/octet-stream",
            filename=original.name,
            content_disposition_type="inline" if kind else "attachment",
            headers=KEPT_BY_NOBODY,
        )

    return router
