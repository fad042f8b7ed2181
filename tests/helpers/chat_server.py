"""A small server that speaks OpenAI's chat completions over HTTP, and keeps what it was sent."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CITING = 'Open the valve [1: "bleed valve"] first [9]; <b>then</b> the filter [2: "no such words"].'


class ChatServer(ThreadingHTTPServer):
    """What it answers with is `pieces`; `status` and `body` are for one that refuses, `silence` in seconds."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pieces = [CITING[at : at + 7] for at in range(0, len(CITING), 7)]
        self.is_streaming = True
        self.status = 200
        self.body = b""
        self.headers: dict[str, str] = {}
        self.silence = 0.0
        self.asked: list[tuple[str, dict[str, str], dict]] = []
        self.closed = threading.Event()  # a client that went before the end

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, asked))
        time.sleep(self.server.silence)
        try:
            self._answer()
        except OSError:
            self.server.closed.set()

    def _answer(self) -> None:
        server = self.server
        kind = "text/event-stream" if server.is_streaming and server.status == 200 else "application/json"
        self.send_response(server.status)
        for name, value in {"Content-Type": kind, **server.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if server.body:
            self.wfile.write(server.body)
        elif server.is_streaming:
            for piece in server.pieces:
                self._send({"choices": [{"delta": {"content": piece}}]})
            self.wfile.write(b"data: [DONE]\n\n")
        else:
            self.wfile.write(json.dumps({"choices": [{"message": {"content": "".join(server.pieces)}}]}).encode())

    def _send(self, event: object) -> None:
        self.wfile.write(b": a comment\n" + f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    with ChatServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
