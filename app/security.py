"""Who may talk to the application: in front of every route, our own and Gradio's.

A page of another site must not be able to reach a server on this machine: not by a name that resolves to it (the Host
check), nor by a form, a script or an image (the checks of Origin and Sec-Fetch-Site). With a token, nobody gets in
without it. What a proxy says of itself is not believed: its address is a setting.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response

from .settings import LOOPBACK

Scope = MutableMapping[str, Any]  # the three types of ASGI
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_GRADIO_PATH = "/gradio_api/"  # the page sends nothing there, so nobody does: Gradio would take uploads and queue calls
_LOOPBACK_HOSTS = tuple(f"[{name}]" if ":" in name else name for name in LOOPBACK)  # as a Host header has them
_PROXY_HEADERS = (b"forwarded", b"x-forwarded-", b"x-gradio-server")  # Gradio would put them into its page

# Gradio's page needs inline scripts; nothing may come from, or go to, another machine.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'self'"
)


class Guard:
    """An ASGI application around another one.

    `public_url` is the address that browsers open where a proxy stands before the application: the proxy may pass its
    Host header on or not, and the path whole or without what `public_url` begins with.
    """

    def __init__(self, app: App, *, token: str = "", public_url: str = "") -> None:
        self._app = app
        self._tokens = _as_bytes(token) if token else ()
        self._cookie_value = hashlib.sha256(f"colvision {token}".encode(errors="surrogateescape")).hexdigest()
        self._public = urlsplit(public_url.rstrip("/")) if public_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")
        scope = _as_opened(scope, self._public)
        answer = self._refusal(scope, host) or (self._check_token(scope) if self._tokens else None) or self._app
        await answer(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, host: str) -> Response | None:
        """`host` is the Host header as it came: a proxy may have put our own address there."""
        public = [self._public.netloc.lower()] if self._public else []
        if not self._tokens and _name_of(host) not in (*_LOOPBACK_HOSTS, *map(_name_of, public)):
            return _refusal_response(
                400,
                "this server answers to 127.0.0.1 and localhost only: open it under one of these names, or start it "
                "with --public-url and the address that browsers open",
            )
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if not _is_from_here(scope, [host, *public], is_page=path in ("", "/")):
            return _refusal_response(403, "a page of another site asked for this: open the application itself")
        if scope.get("method") not in _SAFE_METHODS and path.startswith(_GRADIO_PATH):
            return _refusal_response(404, "nothing is taken here: send documents to /api/v1/documents")
        return None

    def _check_token(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        query = parse_qsl(scope.get("query_string", b"").decode(errors="replace"), keep_blank_values=True)
        offered = next((value for name, value in query if name == "token"), None)
        if offered is not None and self._is_token(offered.encode()) and scope.get("method") == "GET":
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            return self._let_in(scope, "/" + scope["path"].lstrip("/") + (f"?{rest}" if rest else ""))
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(bearer.encode("latin-1")):
            return None
        cookies = _cookies(headers, _cookie_name(scope))
        if any(hmac.compare_digest(value, self._cookie_value.encode()) for value in cookies):
            return None
        return _refusal_response(
            401, "this server wants its token: open /?token=..., or send it as Authorization: Bearer ..."
        )

    def _let_in(self, scope: Scope, address: str) -> Response:
        response = RedirectResponse(address, 303)
        response.set_cookie(
            _cookie_name(scope),
            self._cookie_value,
            path=scope.get("root_path") or "/",
            secure=scope.get("scheme") == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    def _is_token(self, offered: bytes) -> bool:
        return any([hmac.compare_digest(offered, token) for token in self._tokens])


def _as_opened(scope: Scope, public: SplitResult | None) -> Scope:
    """The request as its browser made it, of whatever proxy it came by."""
    headers = [pair for pair in scope["headers"] if not pair[0].lower().startswith(_PROXY_HEADERS)]
    scope = {**scope, "headers": headers}
    if public is None:
        return scope
    scope["headers"] = [pair for pair in headers if pair[0].lower() != b"host"] + [(b"host", public.netloc.encode())]
    scope["scheme"], scope["root_path"] = public.scheme, public.path
    if not f"{scope['path']}/".startswith(f"{public.path}/"):
        scope["path"] = public.path + scope["path"]
        scope["raw_path"] = public.path.encode() + scope.get("raw_path", b"")
    return scope


def _as_bytes(token: str) -> tuple[bytes, ...]:
    """The token in UTF-8, and in Latin-1 where that has its letters: clients send either."""
    forms = [token.encode(errors="surrogateescape")]
    with suppress(UnicodeEncodeError):
        forms.append(token.encode("latin-1"))
    return tuple(forms)


def _name_of(host: str) -> str:
    """The name in a Host header, without the port."""
    return host[: host.rfind("]") + 1] if host.startswith("[") else host.partition(":")[0].lower()


def _is_from_here(scope: Scope, hosts: list[str], *, is_page: bool) -> bool:
    """Whether our own page asks, or somebody who opens it, or a program that is no browser."""
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is not None:
        return _origin_host(origin) in hosts
    if headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
        return True
    is_opened = scope.get("method") == "GET" and headers.get("sec-fetch-dest") == "document"
    return is_page and is_opened  # by a link on another site


def _origin_host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # such as http://[
        return ""


def _cookie_name(scope: Scope) -> str:
    """One for each port: to a cookie they are all the same host."""
    host = Headers(scope=scope).get("host", "")
    port = host.removeprefix(_name_of(host)).removeprefix(":")
    return f"colvision_token_{port or scope.get('scheme', 'http')}"


def _cookies(headers: Headers, name: str) -> list[bytes]:
    """The values of the cookies of this name. Others may be of any form: browsers send all that any server of this
    machine has set.
    """
    pairs = (pair.partition("=") for line in headers.getlist("cookie") for pair in line.split(";"))
    return [value.strip().encode("latin-1") for key, _, value in pairs if key.strip() == name]


def _refusal_response(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)


def _with_headers(send: Send) -> Send:
    """What every answer says: nothing of it is for another site, or kept where it is not asked for again."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
            headers.setdefault("Cache-Control", "no-cache" if "etag" in headers else "private, no-store")
            if headers.get("content-type", "").startswith("text/html"):
                headers["Content-Security-Policy"] = _POLICY
        await send(message)

    return sending
