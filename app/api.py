"""The REST API under /api/v1: all that the page does, it does by these routes."""

import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import asdict
from functools import partial
from os import PathLike, stat_result
from pathlib import Path
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.concurrency import contextmanager_in_threadpool
from fastapi.responses import FileResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import Field, TypeAdapter
from starlette.background import BackgroundTask
from starlette.routing import Route
from starlette.types import Scope

import colvision
from colvision.core.metadata import parse_metadata
from colvision.core.page import parse_page
from colvision.pdf import media_type
from colvision.store.judgements import Verdict

from .changes import Changes
from .failures import Nowhere, answers, explain_failures
from .parameters import (
    FOLDER_CHARACTERS,
    NAME_CHARACTERS,
    Collection,
    DocumentInPath,
    DocumentName,
    FileName,
    Fractions,
    Line,
    NumberInPath,
    PageNumber,
    PageReference,
    Token,
    Words,
    check_address,
    parse_fractions,
    search_request,
)
from .request_body import declared_size, save_request_body
from .services.answers import WrittenAnswer
from .services.library import ExportKind, LibraryService
from .services.search import SearchRequest
from .threads import Threads
from .views import (
    AnswerEventView,
    AnswerView,
    CollectionView,
    DocumentView,
    ExplanationView,
    FoundView,
    JobView,
    LibraryView,
    PageWordsView,
    QueryImageView,
    WatchedFolderView,
)

_ROOT = "/api/v1"
STATIC = Path(__file__).resolve().parent / "static"  # what runs in the browser
STATIC_URL = "/app/static"  # at /static Gradio serves files that its page loads
_KEPT_BY_NOBODY = {"Cache-Control": "private, no-store"}  # what was deleted must not come back from a cache
_LINES = "application/x-ndjson"
_LONGEST_WAIT = 60  # seconds, as a proxy waits
_EXPORTS = {"pdf": ("pdf", "application/pdf"), "png": ("zip", "application/zip")}  # endings, types
_FACTS = 100  # that are noted with one file
_BINARY = {"type": "string", "format": "binary"}
_BYTES = {"schema": _BINARY}
_FILE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": _BYTES,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": _BINARY},
                    "required": ["file"],
                }
            },
        },
    }
}


def create_api(service: LibraryService) -> FastAPI:
    """The application without its page: routes, what runs in the browser, errors as sentences."""
    schema = f"{_ROOT}/openapi.json"
    app = FastAPI(
        title="colvision",
        version=colvision.__version__,
        openapi_url=schema,
        docs_url=None,  # FastAPI's pages load their scripts from another machine
        redoc_url=None,
    )
    explain_failures(app)
    overview = TypeAdapter(LibraryView)
    app.state.changes = changes = Changes(service.revision, lambda: overview.dump_json(service.overview()))
    reading = Threads(service.settings.quota.readers)
    for routes in (
        _library_routes(service, changes),
        _document_routes(service),
        _collection_routes(service),
        _upload_routes(service, reading),
        _job_routes(service),
        _search_routes(service),
        _answer_routes(service),
        _image_routes(service, reading),
        _file_routes(service),
    ):
        app.include_router(routes, prefix=_ROOT, dependencies=[Depends(check_address)])
    nowhere = Nowhere(tuple(app.routes), schema)
    app.router.routes.append(Route(f"{_ROOT}/{{rest:path}}", nowhere, include_in_schema=False))
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


def _library_routes(service: LibraryService, changes: Changes) -> APIRouter:
    router = APIRouter()

    @router.get("/library", response_model=LibraryView, responses=answers() | {304: {"description": "as before"}})
    async def read_library(
        request: Request,
        wait: Annotated[
            int, Query(ge=0, le=_LONGEST_WAIT, description="seconds to wait for a change of what If-None-Match names")
        ] = 0,
    ) -> Response:
        """Documents, jobs and sizes; 304 for the ETag of an answer when nothing has changed since."""
        known = request.headers.get("if-none-match", "")
        tag = await changes.changed(known, wait) if known and wait else await changes.tag()
        headers = {"ETag": tag, "Vary": "Accept-Encoding", **_KEPT_BY_NOBODY}
        if tag == known:
            return Response(status_code=304, headers=headers)
        plain, compressed = await changes.overview(tag)
        if compressed is None or "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(plain, media_type="application/json", headers=headers)
        return Response(compressed, media_type="application/json", headers=headers | {"Content-Encoding": "gzip"})

    return router


def _document_routes(service: LibraryService) -> APIRouter:
    router = APIRouter()
    quota = service.settings.quota

    @router.get("/documents/{document}", responses=answers(404, 409))
    def read_document(document: DocumentInPath) -> DocumentView:
        """One document, by name or id."""
        return service.document(document)

    @router.delete("/documents/{document}", responses=answers(404, 409, 507))
    def delete_document(document: DocumentInPath) -> DocumentView:
        """Removes a document, its file, page images and vectors."""
        return service.delete(document)

    @router.patch("/documents/{document}", responses=answers(404, 409, 507))
    def rename_document(document: DocumentInPath, name: FileName) -> DocumentView:
        """Calls a document otherwise; its id, its file and where it came from stay."""
        return service.rename(document, name)

    @router.put("/documents/{document}/metadata", responses=answers(404, 409, 507))
    def set_metadata(
        document: DocumentInPath,
        meta: Annotated[
            tuple[Annotated[Line, Field(max_length=quota.metadata_characters)], ...],
            Query(max_length=_FACTS, description="NAME=VALUE, noted with the document"),
        ] = (),
    ) -> DocumentView:
        """Notes with a document this and nothing else; nothing is read again."""
        return service.set_metadata(document, parse_metadata(meta))

    @router.post("/documents/{document}/resume", status_code=202, responses=answers(404, 409, 507))
    def resume_document(document: DocumentInPath) -> JobView:
        """Queues the pages of a document that are missing or failed."""
        return service.uploads.resume(document)

    return router


def _collection_routes(service: LibraryService) -> APIRouter:
    router = APIRouter()
    most = service.settings.quota.name_characters

    @router.post("/reencode", status_code=202, responses=answers(404, 507))
    def reencode(collection: Annotated[Collection, Query(max_length=most)] = "default") -> JobView:
        """Queues the encoding again of a collection by the encoder in use; until it is done the old codes stay."""
        return service.uploads.reencode(collection)

    @router.patch("/collections", responses=answers(404, 507))
    def rename_collection(
        collection: Annotated[Collection, Query(max_length=most)], name: Annotated[Collection, Query(max_length=most)]
    ) -> CollectionView:
        """Calls a collection otherwise; `default` leaves an empty one behind."""
        return service.rename_collection(collection, name)

    @router.delete("/collections", responses=answers(404, 507))
    def delete_collection(collection: Annotated[Collection, Query(max_length=most)]) -> CollectionView:
        """Removes a collection with all its documents; `default` stays, empty."""
        return service.delete_collection(collection)

    @router.post("/watched", responses=answers(507))
    def watch_folder(
        folder: Annotated[Line, Query(min_length=1, max_length=FOLDER_CHARACTERS)],
        collection: Annotated[Collection, Query(max_length=most)] = "default",
    ) -> WatchedFolderView:
        """Has the files of a folder of the server's machine read as they come; where its own user alone asks."""
        return service.watched.add(folder, collection)

    @router.delete("/watched", status_code=204, responses=answers(507))
    def unwatch_folder(folder: Annotated[Line, Query(min_length=1, max_length=FOLDER_CHARACTERS)]) -> None:
        """Watches a folder no more; the documents of its files stay."""
        service.watched.remove(folder)

    return router


def _upload_routes(service: LibraryService, reading: Threads) -> APIRouter:
    router = APIRouter()
    quota = service.settings.quota

    @router.post("/documents", status_code=202, responses=answers(408, 409, 413, 415, 507), openapi_extra=_FILE_BODY)
    async def add_document(
        request: Request,
        name: FileName,
        collection: Annotated[Collection, Query(max_length=quota.name_characters)] = "default",
        meta: Annotated[
            tuple[Annotated[Line, Field(max_length=quota.metadata_characters)], ...],
            Query(max_length=_FACTS, description="NAME=VALUE, noted with the document"),
        ] = (),
        replace: Annotated[bool, Query(description="take the place of the document of this name")] = False,
    ) -> JobView:
        """The body is the file itself, or a form with it; `name` is what its document will be called. A new collection
        is made.
        """
        uploads, metadata = service.uploads, parse_metadata(meta)
        uploads.check_metadata(metadata)
        admitted = uploads.admit(name, declared_size(request, quota.file_bytes))
        async with contextmanager_in_threadpool(admitted) as arrival:
            await save_request_body(request, arrival.path, name, count=arrival.count)
            upload = partial(uploads.upload, collection=collection, metadata=metadata, replace=replace)
            return await reading.run(upload, arrival)

    @router.post("/sample", status_code=202, responses=answers(507))
    def add_sample() -> list[JobView]:
        """Queues the sample manual."""
        return service.uploads.load_sample()

    return router


def _job_routes(service: LibraryService) -> APIRouter:
    router = APIRouter()

    @router.post("/jobs/{key}/cancel", responses=answers(404, 507))
    def cancel_job(key: NumberInPath) -> JobView:
        """Stops a job; pages that are stored already stay."""
        return service.uploads.cancel(key)

    @router.post("/jobs/{key}/retry", status_code=202, responses=answers(404, 507))
    def retry_job(key: NumberInPath) -> JobView:
        """Has a job wait again that failed for a reason beside its file, such as a full disk: see `can_retry`."""
        return service.uploads.retry(key)

    @router.delete("/jobs/{key}", status_code=204, responses=answers(404, 507))
    def dismiss_job(key: NumberInPath) -> None:
        """Takes an ended job off the list."""
        service.uploads.dismiss(key)

    return router


def _search_routes(service: LibraryService) -> APIRouter:
    router = APIRouter()
    quota = service.settings.quota
    asked = Depends(search_request(quota))
    searching = Threads(quota.searches)

    @router.get("/search", responses=answers(404, 409, 410))
    @searching
    def search(
        asked_for: Annotated[SearchRequest, asked], k: Annotated[int, Query(ge=1, le=quota.hits)] = 10
    ) -> AnswerView:
        """The pages that match best."""
        return service.search.search(asked_for, k=k)

    @router.get("/explain", responses=answers(404, 409, 410))
    @searching
    def explain(asked_for: Annotated[SearchRequest, asked], page_of: DocumentName, page: PageNumber) -> ExplanationView:
        """Why a page of the document `page_of` matches; the parameters are those of the search."""
        return service.search.explain(asked_for, page_of, page)

    @router.get("/documents/{document}/find", responses=answers(404, 409))
    @searching
    def find(
        document: DocumentInPath, q: Annotated[Words, Query(min_length=1, max_length=quota.query_characters)]
    ) -> FoundView:
        """The pages of a document that have all the words `q`, scans included: every page is compared."""
        return service.search.find(document, q)

    @router.post("/judgements", status_code=204, responses=answers(404, 409, 507))
    def judge(
        q: Annotated[Words, Query(min_length=1, max_length=quota.query_characters)],
        document: DocumentName,
        page: PageNumber,
        collection: Annotated[Collection, Query(max_length=quota.name_characters)] = "default",
        verdict: Verdict = "",
    ) -> None:
        """Whether a page answers a question, in the words of its reader; "" takes that back."""
        service.search.judge(SearchRequest(q, collection), document, page, verdict)

    @router.get("/judgements", response_class=Response, responses=_content("application/jsonl"))
    def read_judgements() -> Response:
        """Questions with the pages that answer them: JSON lines for `colvision evaluate`."""
        headers = {**_KEPT_BY_NOBODY, "Content-Disposition": 'attachment; filename="judgements.jsonl"'}
        return Response(service.export_judgements(), media_type="application/jsonl", headers=headers)

    return router


def _answer_routes(service: LibraryService) -> APIRouter:
    router = APIRouter()
    quota = service.settings.quota
    reading = Threads(quota.drawings)

    @router.post(
        "/answers",
        response_class=Response,
        responses={
            **answers(404, 409, 502),
            200: {"model": AnswerEventView, "description": "lines of JSON", "content": {_LINES: {}}},
        },
    )
    async def write_answer(
        q: Annotated[Words, Query(min_length=1, max_length=quota.query_characters, description="the question")],
        page: Annotated[
            tuple[Annotated[Line, Field(max_length=NAME_CHARACTERS)], ...],
            Query(min_length=1, max_length=quota.answer_pages, description="DOCUMENT:PAGE, whose picture is sent"),
        ],
    ) -> Response:
        """Sends the question and pictures of these pages to the endpoint that the server was started with, and gives
        its answer as it comes: lines of JSON.
        """
        if (writing := service.answers) is None:
            raise ValueError("this server writes no answers: start it with --answers URL --model NAME")
        written = await reading.run(lambda: writing.ask(writing.prompt(q, [parse_page(each) for each in page])))
        return StreamingResponse(_event_lines(written), media_type=_LINES, headers=_KEPT_BY_NOBODY)

    return router


async def _event_lines(written: WrittenAnswer) -> AsyncIterator[bytes]:
    """Where the client has gone the answer is closed at once: nobody waits for the thread that reads it."""
    events = written.events()
    try:
        while (event := await to_thread.run_sync(next, events, None, abandon_on_cancel=True)) is not None:
            yield json.dumps(asdict(event)).encode() + b"\n"
    finally:
        written.close()


def _image_routes(service: LibraryService, reading: Threads) -> APIRouter:
    router = APIRouter()
    most = service.settings.quota.query_image_bytes

    @router.post("/images", status_code=201, responses=answers(408, 413, 415, 507), openapi_extra=_FILE_BODY)
    async def add_image(request: Request, name: FileName = "the image") -> QueryImageView:
        """The body is an image, or a PDF whose first page is meant, or a form with it; what a search may ask with, by
        its `token`.
        """
        admitted = service.images.admit(name, declared_size(request, most))
        async with contextmanager_in_threadpool(admitted) as arrival:
            await save_request_body(request, arrival.path, name, count=arrival.count)
            return await reading.run(service.images.add, arrival.path, name)

    @router.get("/images/{token}", response_class=Response, responses=_content("image/jpeg", 410))
    def read_image(token: Token) -> Response:
        """An image that is a query, as it was understood: a JPEG."""
        return Response(service.images.data(token), media_type="image/jpeg", headers=_KEPT_BY_NOBODY)

    return router


def _file_routes(service: LibraryService) -> APIRouter:
    router = APIRouter()
    drawing = Threads(service.settings.quota.drawings)

    @router.get(
        "/documents/{document}/pages/{page}/image",
        response_class=Response,
        responses=_content("image/jpeg", 404, 409),
    )
    @drawing
    def page_image(
        document: DocumentInPath,
        page: NumberInPath,
        width: Annotated[int | None, Query(ge=64, le=2000)] = None,
        box: Fractions | None = None,
    ) -> Response:
        """The page's image, or the part of it in a `box`, a JPEG, at most `width` pixels wide."""
        data = service.page_image(document, page, width, parse_fractions(box))
        return Response(data, media_type="image/jpeg", headers=_KEPT_BY_NOBODY)

    @router.get("/export", response_class=FileResponse, responses=_content("*/*", 404, 409))
    @drawing
    def export_pages(
        page: Annotated[tuple[PageReference, ...], Query(min_length=1, description="DOCUMENT:PAGE, several times")],
        format: Annotated[ExportKind, Query(description="one PDF, or PNG images in a ZIP file")] = "pdf",
    ) -> Response:
        """Chosen pages as one file: a PDF of their images with the words beneath, or PNG images in a ZIP file."""
        ending, kind = _EXPORTS[format]
        path = Path(tempfile.mkdtemp(prefix="colvision-")) / f"pages.{ending}"
        remove = partial(shutil.rmtree, path.parent, ignore_errors=True)
        try:
            service.export_pages([parse_page(each) for each in page], path, format)
        except BaseException:
            remove()
            raise
        return FileResponse(
            path, media_type=kind, filename=path.name, headers=_KEPT_BY_NOBODY, background=BackgroundTask(remove)
        )

    @router.get("/documents/{document}/pages/{page}/words", responses=answers(404, 409))
    def page_words(document: DocumentInPath, page: NumberInPath) -> PageWordsView:
        """The words of the page's text, and where they stand: to mark and to copy them."""
        return service.page_words(document, page)

    @router.get("/documents/{document}/file", response_class=FileResponse, responses=_content("*/*", 404, 409))
    def original_file(document: DocumentInPath) -> Response:
        """The kept file; `#page=12` opens a PDF at that page."""
        original = service.original(document)
        kind = media_type(original.path)
        return FileResponse(
            original.path,
            media_type=kind or "application/octet-stream",
            filename=original.name,
            content_disposition_type="inline" if kind else "attachment",
            headers=_KEPT_BY_NOBODY,
        )

    return router


def _content(media_type: str, *errors: int) -> dict[int | str, dict[str, Any]]:
    """What the schema says of a route that answers with bytes."""
    return {**answers(*errors), 200: {"content": {media_type: _BYTES}}}
