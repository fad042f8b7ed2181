"""What goes wrong, as an answer: a status and one sentence, whatever was raised and wherever."""

import logging
import sqlite3
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from colvision.errors import (
    CollectionNotFound,
    ColvisionError,
    DiskFull,
    DocumentAmbiguous,
    DocumentNotFound,
    EncoderError,
    FurtherEncoderNotFound,
    InputError,
    LibraryError,
    LibraryLocked,
    LibraryReadOnly,
    LimitExceeded,
    NotInCluster,
    PageNotFound,
    UnsupportedFile,
)
from colvision.store.disk import meaning_of

from .services.chat import ChatFailed
from .services.images import QueryImageExpired
from .services.uploads import AlreadyHere, JobNotFound
from .settings import Busy, LimitReached, TooSlow
from .views import ErrorView

_log = logging.getLogger("colvision.app")
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
_STATUS: tuple[tuple[type[Exception], int], ...] = (  # the first that fits
    (CollectionNotFound, 404),
    (FurtherEncoderNotFound, 404),
    (DocumentNotFound, 404),
    (PageNotFound, 404),
    (JobNotFound, 404),
    (ChatFailed, 502),
    (QueryImageExpired, 410),
    (DocumentAmbiguous, 409),
    (AlreadyHere, 409),
    (LimitExceeded, 413),
    (TooSlow, 408),
    (NotInCluster, 422),
    (Busy, 429),
    (DiskFull, 507),
    (LimitReached, 422),
    (UnsupportedFile, 415),
    (InputError, 422),
    (EncoderError, 503),
    (ColvisionError, 503),
    (ValueError, 422),
)
_MEANINGS = {  # of the statuses, in the schema
    400: "asked under a name that is not the server's",
    401: "the token is missing",
    403: "asked by a page of another site",
    404: "there is no such thing",
    408: "the body came too slowly",
    409: "a name that fits more than one document: give its id; or a file that is here already",
    410: "the image is not kept any more",
    413: "the file is larger than the limit",
    415: "not a file of a kind that is read",
    422: "a parameter or a file is not as it has to be",
    429: "too much is asked at once: ask again after Retry-After seconds",
    500: "a fault of the server",
    502: "the endpoint that writes answers gave none",
    503: "the library cannot do that now",
    507: "the disk is full",
}
_EVERYWHERE = (400, 401, 403, 422, 429, 500, 503)
_SENTENCES: dict[type[LibraryError], str] = {
    DiskFull: "the disk is full: make room on it, then try again",
    LibraryReadOnly: "the library cannot be written here: make its folder writable for the server, then try again",
    LibraryLocked: "another process is writing to the library: try again in a moment",
}
_ROOM_SECONDS = 60  # until somebody may have made room


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the schema says of these errors, and of those that any route can answer with."""
    return {status: {"model": ErrorView, "description": _MEANINGS[status]} for status in {*statuses, *_EVERYWHERE}}


def explain_failures(app: FastAPI) -> None:
    """Lets the application answer every exception with a sentence."""
    app.add_exception_handler(ColvisionError, _explain_error)
    app.add_exception_handler(ValueError, _explain_error)
    app.add_exception_handler(OSError, _explain_disk)
    app.add_exception_handler(sqlite3.Error, _explain_disk)
    app.add_exception_handler(RequestValidationError, _explain_request)
    app.add_exception_handler(HTTPException, _explain_refusal)
    app.add_exception_handler(Exception, _explain_fault)  # which is raised again, so that the server logs it


class Nowhere:
    """What none of `routes` takes, by any method: else it would go on to Gradio, which has errors of another form."""

    def __init__(self, routes: tuple[BaseRoute, ...], schema: str) -> None:
        self._routes = routes
        self._schema = schema

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        methods = ", ".join(name for name in _METHODS if self._is_taken({**scope, "method": name}))
        if methods:
            response = _answer(405, f"{method} is not for {path}: use {methods}", {"Allow": methods})
        else:
            response = _answer(404, f"there is nothing at {path}: {self._schema} lists what is")
        await response(scope, receive, send)

    def _is_taken(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is Match.FULL for route in self._routes)


def _answer(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status, headers)


async def _explain_error(_: Request, error: Exception) -> Response:
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    seconds = getattr(error, "retry_seconds", _ROOM_SECONDS if status == 507 else None)
    return _answer(status, str(error), {"Retry-After": str(seconds)} if seconds else None)


async def _explain_disk(request: Request, error: Exception) -> Response:
    """A disk that is full, read-only or broken, as the system or SQLite tells it."""
    assert isinstance(error, OSError | sqlite3.Error)
    meaning = meaning_of(error)
    said = (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
    broken = f"a file of the library could not be read or written ({said}): see whether its disk is there and whole"
    is_known = meaning in _SENTENCES
    _log.error("%s %s: %r", request.method, request.url.path, error, exc_info=None if is_known else error)
    return await _explain_error(request, meaning(_SENTENCES.get(meaning, broken)))


async def _explain_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:])
    given, context = first.get("input"), first.get("ctx", {})
    if isinstance(given, str) and "max_length" in context:
        return _answer(422, f"{name} has {len(given):,} characters, the limit is {context['max_length']:,}")
    return _answer(422, f"{name}: {context.get('error', first['msg'])}")


async def _explain_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = f"there is nothing at {request.url.path}" if error.status_code == 404 else error.detail
    return _answer(error.status_code, sentence, dict(error.headers or {}))


async def _explain_fault(_: Request, error: Exception) -> Response:
    sentence = f"a fault of the server ({type(error).__name__}): its log tells more; reload the page and try again"
    return _answer(500, sentence)
