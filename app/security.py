"""Who may talk to the application: in front of every route, our own and Gradio's.

A page of another site must not be able to reach a server on this machine: not by a name that resolves to it (the Host
check), nor by a form, a script or an image (the checks of Origin and Sec-Fetch-Site). With a token, nobody gets in
without it. What a proxy says of itself is not believed, unless it is one that the settings name.
"""

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response

from .settings import LOOPBACK, is_sub_path, networks

Scope = MutableMapping[str, Any]  # the three types of ASGI
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_GRADIO_PATH = "/gradio_api/"  # the page sends nothing there, so nobody does: Gradio would take uploads and queue calls
_LOOPBACK_HOSTS = tuple(f"[{name}]" if ":" in name else name for name in LOOPBACK)  # as a Host header has them
_PROXY_HEADERS = (b"forwarded", b"x-forwarded-", b"x-gradio-server")  # Gradio would put them into its page

_HOST = re.compile(r"([\w.-]+|\[[\da-f:]+\])(:\d{1,5})?", re.ASCII | re.IGNORECASE)

# Gradio's page needs inline scripts; nothing may come from, or go to, another machine.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'self'"
)


class _Address(NamedTuple):
    """Where a browser has opened the application: `path` is "" or a path without a slash at its end."""

    scheme: str
    host: str
    path: str


class Guard:
    """An ASGI application around another one; the rest are the `Settings` of these names.

    Where a proxy stands before it, that may pass its Host header on or not, and the path whole or without what it is
    served below.
    """

    def __init__(
        self, app: App, *, token: str = "", public_url: str = "", root_path: str = "", forwarded_allow_ips: str = ""
    ) -> None:
        public = urlsplit(public_url.rstrip("/"))
        self._app = app
        self._tokens = _as_bytes(token) if token else ()
        self._cookie_value = hashlib.sha256(f"colvision {token}".encode(errors="surrogateescape")).hexdigest()
        self._public = _Address(public.scheme, public.netloc, public.path) if public_url else None
        self._root_path = root_path.rstrip("/")
        self._proxies = networks(forwarded_allow_ips)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")
        address = self._public or self._address(scope, host)
        scope = _as_opened(scope, address)
        answer = self._refusal(scope, host, address.host)
        answer = answer or (self._check_token(scope) if self._tokens else None)
        await (answer or self._app)(scope, receive, _with_headers(send))

    def _address(self, scope: Scope, host: str) -> _Address:
        """As the request has it; where a proxy that is believed has sent it, as that says."""
        headers = Headers(scope=scope) if self._is_by_proxy(scope) else Headers()
        scheme, named, path = (_last(headers, f"x-forwarded-{name}") for name in ("proto", "host", "prefix"))
        return _Address(
            scheme if scheme in ("http", "https") else scope.get("scheme", "http"),
            named if _HOST.fullmatch(named) else host,
            path.rstrip("/") if is_sub_path(path) else self._root_path,
        )

    def _is_by_proxy(self, scope: Scope) -> bool:
        client = scope.get("client")
        try:
            return client is not None and any(ip_address(client[0]) in network for network in self._proxies)
        except ValueError:  # no address, as of a test's client
            return False

    def _refusal(self, scope: Scope, host: str, opened: str) -> Response | None:
        """`host` is the Host header as it came: a proxy may have put our own there; `opened` is what was opened."""
        names = [_name_of(self._public.host.lower())] if self._public else []
        if not self._tokens and _name_of(host) not in (*_LOOPBACK_HOSTS, *names):
            return _refusal_response(
                400,
                "this server answers to 127.0.0.1 and localhost only: open it under one of these names, or start it "
                "with --public-url and the address that browsers open",
            )
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if not _is_from_here(scope, [host, opened.lower()], is_page=path in ("", "/")):
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


def _as_opened(scope: Scope, address: _Address) -> Scope:
    """The request as its browser made it, of whatever proxy it came by."""
    dropped = (b"host", *_PROXY_HEADERS)
    headers = [(name, value) for name, value in scope["headers"] if not name.lower().startswith(dropped)]
    headers.append((b"host", address.host.encode("latin-1")))
    scope = {**scope, "headers": headers, "scheme": address.scheme, "root_path": address.path}
    if not f"{scope['path']}/".startswith(f"{address.path}/"):
        scope["path"] = address.path + scope["path"]
        scope["raw_path"] = address.path.encode() + scope.get("raw_path", b"")
    return scope


def _last(headers: Headers, name: str) -> str:
    """Of a list of proxies' words the one of the nearest."""
    return headers.get(name, "").rpartition(",")[2].strip()


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
