"""Who may talk to the application: in front of every route, our own and Gradio's.

A page of another site must not be able to reach a server on this machine: not by a name that resolves to it (the Host
check), nor by a form or a script (the Origin check). With a token, nobody gets in without it.
"""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response

from .settings import LOOPBACK

Scope = MutableMapping[str, Any]  # the three types of ASGI
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "colvision_token"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_GRADIO_PATH = "/gradio_api/"  # the page sends nothing there, so nobody does: Gradio would take uploads and queue calls
_LOOPBACK_HOSTS = tuple(f"[{name}]" if ":" in name else name for name in LOOPBACK)  # as a Host header has them

# Gradio's page needs inline scripts; nothing may come from, or go to, another machine.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'self'"
)


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: App, *, token: str = "") -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._token and _name_of(host) not in _LOOPBACK_HOSTS:
            return _refusal_response(
                400, "this server answers to 127.0.0.1 and localhost only: open it under one of these names"
            )
        method = str(scope.get("method", "GET"))
        if not _is_from_here(headers, host, method):
            return _refusal_response(403, "a page of another site asked for this: open the application itself")
        if method not in _SAFE_METHODS and str(scope["path"]).startswith(_GRADIO_PATH):
            return _refusal_response(404, "nothing is taken here: send documents to /api/v1/documents")
        return self._check_token(scope, headers) if self._token else None

    def _check_token(self, scope: Scope, headers: Headers) -> Response | None:
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        offered = next((value for name, value in query if name == "token"), None)
        if offered is not None and self._is_token(offered) and scope.get("method") == "GET":
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            response = RedirectResponse("/" + scope["path"].lstrip("/") + (f"?{rest}" if rest else ""), 303)
            response.set_cookie(COOKIE, offered, httponly=True, samesite="strict")
            return response
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if (scheme.lower() == "bearer" and self._is_token(bearer)) or self._is_token(_cookie(headers)):
            return None
        return _refusal_response(
            401, "this server wants its token: open /?token=..., or send it as Authorization: Bearer ..."
        )

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())


def _name_of(host: str) -> str:
    """The name in a Host header, without the port."""
    return host[: host.rfind("]") + 1] if host.startswith("[") else host.partition(":")[0].lower()


def _is_from_here(headers: Headers, host: str, method: str) -> bool:
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc == host
    return method in _SAFE_METHODS or headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


def _cookie(headers: Headers) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""


def _refusal_response(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
            if headers.get("content-type", "").startswith("text/html"):
                headers["Content-Security-Policy"] = _POLICY
        await send(message)

    return sending
