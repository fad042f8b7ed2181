"""The REST API under /api/v1: all that the page does, it does by these routes."""

from os import PathLike, stat_result
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

import colvision
from colvision.core.metadata import parse_metadata
from colvision.errors import (
    CollectionNotFound,
    ColvisionError,
    DocumentAmbiguous,
    DocumentNotFound,
    EncoderError,
    InputError,
    LimitExceeded,
    PageNotFound,
    UnsupportedFile,
)
from colvision.pdf import MEDIA_TYPES
from colvision.search import Mode
from colvision.store.judgements import Verdict

from .request_body import save_request_body
from .services.images import QueryImageExpired
from .services.library import LibraryService
from .services.search import SearchRequest
from .services.uploads import JobNotFound
from .settings import LimitReached
from .views import AnswerView, DocumentView, ExplanationView, JobView, LibraryView, QueryImageView

_ROOT = "/api/v1"
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
_MOST = 2**31 - 1  # far beyond any page or job, and well within what the catalogue can hold
STATIC = Path(__file__).resolve().parent / "static"  # what runs in the browser
STATIC_URL = "/app/static"  # at /static Gradio serves files that its page loads
_KEPT_BY_NOBODY = {"Cache-Control": "private, no-store"}  # what was deleted must not come back from a cache
_STATUS: tuple[tuple[type[Exception], int], ...] = (  # the first that fits
    (CollectionNotFound, 404),
    (DocumentNotFound, 404),
    (PageNotFound, 404),
    (JobNotFound, 404),
    (QueryImageExpired, 410),
    (DocumentAmbiguous, 409),
    (LimitExceeded, 413),
    (LimitReached, 422),
    (UnsupportedFile, 415),
    (InputError, 422),
    (EncoderError, 503),
    (ColvisionError, 503),
    (ValueError, 422),
)


def create_api(service: LibraryService) -> FastAPI:
    """The application without its page: routes, what runs in the browser, errors as sentences."""
    app = FastAPI(
        title="colvision",
        version=colvision.__version__,
        openapi_url=f"{_ROOT}/openapi.json",
        docs_url=None,  # FastAPI's pages load their scripts from another machine
        redoc_url=None,
    )
    for kind in (ColvisionError, ValueError):
        app.add_exception_handler(kind, _explain_error)
    app.add_exception_handler(RequestValidationError, _explain_request)
    app.add_exception_handler(HTTPException, _explain_refusal)
    for routes in (_library_routes, _job_routes, _search_routes, _image_routes, _file_routes):
        app.include_router(routes(service), prefix=_ROOT)
    app.router.routes.append(Route(f"{_ROOT}/{{rest:path}}", _Nowhere(tuple(app.routes)), include_in_schema=False))
    app.mount(STATIC_URL, _StaticFiles(directory=STATIC), name="static")
    return app


class _StaticFiles(StaticFiles):
    """The browser asks whether a file has changed: after an update no old script meets a new page."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "no-cache"
        return response


class _Nowhere:
    """What no route takes, by any method: else it would go on to Gradio, which has errors of another form."""

    def __init__(self, routes: tuple[BaseRoute, ...]) -> None:
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        methods = ", ".join(name for name in _METHODS if self._is_taken({**scope, "method": name}))
        if methods:
            error = {"error": f"{method} is not for {path}: use {methods}"}
            response = JSONResponse(error, 405, {"Allow": methods})
        else:
            response = JSONResponse({"error": f"there is nothing at {path}: {_ROOT}/openapi.json lists what is"}, 404)
        await response(scope, receive, send)

    def _is_taken(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is Match.FULL for route in self._routes)


async def _explain_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = f"there is nothing at {request.url.path}" if error.status_code == 404 else error.detail
    return JSONResponse({"error": sentence}, error.status_code, error.headers)


async def _explain_error(_: Request, error: Exception) -> Response:
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    return JSONResponse({"error": str(error)}, status)


async def _explain_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:])
    return JSONResponse({"error": f"{name}: {first['msg']}"}, 422)


def _library_routes(service: LibraryService) -> APIRouter:
    router = APIRouter()

    @router.get("/library", response_model=LibraryView)
    def read_library(request: Request, response: Response) -> Response | LibraryView:
        """Documents, jobs and sizes; 304 for the ETag of an answer when nothing has changed since."""
        tag = service.revision()  # before the answer is made: it is never newer than that
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        response.headers["ETag"] = tag
        return service.overview()

    @router.post("/documents", status_code=202)
    async def add_document(
        request: Request,
        name: Annotated[str, Query(min_length=1, max_length=300)],
        collection: str = "default",
        meta: Annotated[tuple[str, ...], Query(description="NAME=VALUE, noted with the document")] = (),
    ) -> JobView:
        """The body is the file itself; `name` is what its document will be called. A new collection is made."""
        path = service.uploads.spool.new(name)
        async with save_request_body(request, path, name, limit=service.settings.quota.file_bytes):
            metadata = parse_metadata(meta) or None
            return await run_in_threadpool(service.uploads.upload, path, name, collection=collection, metadata=metadata)

    @router.post("/sample", status_code=202)
    def add_sample() -> list[JobView]:
        """Queues the sample manual."""
        return service.uploads.load_sample()

    @router.post("/reencode", status_code=202)
    def reencode(collection: str = "default") -> JobView:
        """Queues the encoding again of a collection by the encoder in use; until it is done the old codes stay."""
        return service.uploads.reencode(collection)

    @router.get("/documents/{document}")
    def read_document(document: str) -> DocumentView:
        """One document, by name or id."""
        return service.document(document)

    @router.delete("/documents/{document}")
    def delete_document(document: str) -> DocumentView:
        """Removes a document, its file, page images and vectors."""
        return service.delete(document)

    @router.post("/documents/{document}/resume", status_code=202)
    def resume_document(document: str) -> JobView:
        """Queues the pages of a document that are missing or failed."""
        return service.uploads.resume(document)

    return router


def _job_routes(service: LibraryService) -> APIRouter:
    router = APIRouter()

    @router.post("/jobs/{key}/cancel")
    def cancel_job(key: Annotated[int, InPath(ge=1, le=_MOST)]) -> JobView:
        """Stops a job; pages that are stored already stay."""
        return service.uploads.cancel(key)

    @router.post("/jobs/{key}/retry", status_code=202)
    def retry_job(key: Annotated[int, InPath(ge=1, le=_MOST)]) -> JobView:
        """Has a job wait again that failed for a reason beside its file, such as a full disk: see `can_retry`."""
        return service.uploads.retry(key)

    @router.delete("/jobs/{key}", status_code=204)
    def dismiss_job(key: Annotated[int, InPath(ge=1, le=_MOST)]) -> None:
        """Takes an ended job off the list."""
        service.uploads.dismiss(key)

    return router


class _SearchParameters(BaseModel):
    """What is searched for, as the address of a request has it: also the names in the page's own address."""

    q: str = Field("", description="the words to look for")
    like: str = Field("", description="instead of words: pages like this one, DOCUMENT:PAGE")
    image: str = Field("", description="instead of words: pages like an image, by the token of POST /images")
    collection: str = "default"
    document: str = Field("", description="search this document only, by name or id")
    where: str = Field("", description="search only pages that this holds for: page in 3-9 and machine=pump")
    mode: Mode = Field("auto", description="exact compares every page's codes")
    text_fusion: bool | None = Field(None, description="ask the text layers, too; left out: where that was measured")

    def request(self) -> SearchRequest:
        values = self.model_dump()
        return SearchRequest(text=values.pop("q"), document=values.pop("document") or None, **values)


def _search_routes(service: LibraryService) -> APIRouter:
    router = APIRouter()

    @router.get("/search")
    def search(parameters: Annotated[_SearchParameters, Depends()], k: int = 10) -> AnswerView:
        """The pages that match best."""
        return service.search.search(parameters.request(), k=k)

    @router.get("/explain")
    def explain(
        parameters: Annotated[_SearchParameters, Depends()], page_of: str, page: Annotated[int, Query(ge=1, le=_MOST)]
    ) -> ExplanationView:
        """Why a page of the document `page_of` matches; the parameters are those of the search."""
        return service.search.explain(parameters.request(), page_of, page)

    @router.post("/judgements", status_code=204)
    def judge(
        q: str,
        document: str,
        page: Annotated[int, Query(ge=1, le=_MOST)],
        collection: str = "default",
        verdict: Verdict = "",
    ) -> None:
        """Whether a page answers a question, in the words of its reader; "" takes that back."""
        service.search.judge(SearchRequest(q, collection), document, page, verdict)

    @router.get("/judgements", response_class=Response)
    def read_judgements() -> Response:
        """Questions with the pages that answer them: JSON lines for `colvision evaluate`."""
        headers = {**_KEPT_BY_NOBODY, "Content-Disposition": 'attachment; filename="judgements.jsonl"'}
        return Response(service.export_judgements(), media_type="application/jsonl", headers=headers)

    return router


def _image_routes(service: LibraryService) -> APIRouter:
    router = APIRouter()

    @router.post("/images", status_code=201)
    async def add_image(
        request: Request, name: Annotated[str, Query(min_length=1, max_length=300)] = "the image"
    ) -> QueryImageView:
        """The body is an image, or a PDF whose first page is meant; what a search may ask with, by its `token`."""
        path = service.uploads.spool.new(name)
        async with save_request_body(request, path, name, limit=service.settings.quota.query_image_bytes):
            view = await run_in_threadpool(service.images.add, path, name)
        path.unlink()
        return view

    @router.get("/images/{token}", response_class=Response)
    def read_image(token: str) -> Response:
        """An image that is a query, as it was understood: a JPEG."""
        return Response(service.images.data(token), media_type="image/jpeg", headers=_KEPT_BY_NOBODY)

    return router


def _file_routes(service: LibraryService) -> APIRouter:
    router = APIRouter()

    @router.get("/documents/{document}/pages/{page}/image", response_class=Response)
    def page_image(document: str, page: Annotated[int, InPath(ge=1, le=_MOST)], width: int | None = None) -> Response:
        """The page's image, a JPEG."""
        return Response(service.page_image(document, page, width), media_type="image/jpeg", headers=_KEPT_BY_NOBODY)

    @router.get("/documents/{document}/file", response_class=FileResponse)
    def original_file(document: str) -> Response:
        """The kept file; `#page=12` opens a PDF at that page."""
        original = service.original(document)
        kind = MEDIA_TYPES.get(original.path.suffix)  # by the ending that the library itself gave the file
        return FileResponse(
            original.path,
            media_type=kind or "application/octet-stream",
            filename=original.name,
            content_disposition_type="inline" if kind else "attachment",
            headers=_KEPT_BY_NOBODY,
        )

    return router
