"""How long a client may take, and how many there may be: nobody holds a connection, or a place in the queue, for ever.

uvicorn has a limit for silence between two requests only.
"""

import asyncio
import json
from collections.abc import Callable

import h11
from starlette.responses import JSONResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

from .security import App, Message, Receive, Scope, Send
from .settings import TooSlow

HEAD_SECONDS = 10.0  # for a request's head
REST_SECONDS = 30.0  # for the rest of a body whose request has been answered: nobody wants it
ANSWER_SECONDS = 60.0  # for a client that has stopped to read on
BODY_SECONDS = 30.0  # of waiting for _BODY_BYTES of a body
_BODY_BYTES = 256 * 2**10  # 8.5 KB a second


def connection_class(most: int) -> type[H11Protocol]:
    """The protocol for uvicorn's `http`, with at most so many connections at once."""
    return type("Connection", (_Connection,), {"most": most})


class _Connection(H11Protocol):
    most: int

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head = _Deadline(HEAD_SECONDS, transport.close)
        self._rest = _Deadline(REST_SECONDS, transport.close)
        self._reading = _Deadline(ANSWER_SECONDS, transport.abort)
        if len(self.connections) > self.most:
            transport.write(_REFUSAL)
            transport.close()
        self._watch()

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)
            self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for each in (self._head, self._rest, self._reading):
            each.stop()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reading.start()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reading.stop()

    def _watch(self) -> None:
        is_answered = self.cycle is not None and self.cycle.response_complete
        self._head.run(self.conn.their_state is h11.IDLE)
        self._rest.run(is_answered and self.conn.their_state is h11.SEND_BODY)


class _Deadline:
    """Calls `end` when it has run for so long; to start it again does not set it back."""

    def __init__(self, seconds: float, end: Callable[[], None]) -> None:
        self._seconds = seconds
        self._end = end
        self._timer: asyncio.TimerHandle | None = None

    def run(self, is_running: bool) -> None:
        self.start() if is_running else self.stop()

    def start(self) -> None:
        self._timer = self._timer or asyncio.get_running_loop().call_later(self._seconds, self._end)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_STOPPING = "the server is being stopped: ask again when it has started"
_RESTART_SECONDS = 10
_SENTENCE = json.dumps({"error": "too many connections are open: try again in a moment"}).encode()
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 10\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_SENTENCE), _SENTENCE)
)


class ImpatientApp:
    """An ASGI application around another one, for which no body comes too slowly: `receive` raises `TooSlow`.

    What is not answered when the server stops is told so.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_begun = False

        async def sending(message: Message) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        try:
            await self._app(scope, _Body(receive).receive, sending)
        except asyncio.CancelledError:  # by uvicorn alone, which would say "Internal Server Error"
            if not is_begun:
                headers = {"Retry-After": str(_RESTART_SECONDS), "Connection": "close"}
                await JSONResponse({"error": _STOPPING}, 503, headers)(scope, receive, send)


class _Body:
    """A body as it is received; only the time counts that its reader waits."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._seconds, self._bytes = BODY_SECONDS, 0  # left to wait, and what has come meanwhile
        self._is_complete = False

    async def receive(self) -> Message:
        if self._is_complete:  # what follows is that the client hangs up, some day
            return await self._receive()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(self._seconds):
                message = await self._receive()
        except TimeoutError as error:
            raise TooSlow(
                f"fewer than {_BODY_BYTES >> 10} KB arrived in {BODY_SECONDS:.0f} s: send it again"
            ) from error
        self._seconds -= loop.time() - begun
        self._bytes += len(message.get("body", b""))
        if self._bytes >= _BODY_BYTES:
            self._seconds, self._bytes = BODY_SECONDS, 0
        self._is_complete = not message.get("more_body", False)
        return message
