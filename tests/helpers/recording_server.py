"""A server on the loopback that keeps what a client sends and answers as told, for engines that cannot run here."""

import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Route(NamedTuple):
    """`answer` is sent as JSON to what is asked with this method at a path that the pattern fits."""

    method: str
    path: str
    answer: Any


class RecordedRequest(NamedTuple):
    method: str
    path: str
    body: Any

    def to_dict(self) -> dict:
        return {"method": self.method, "path": self.path} | ({} if self.body is None else {"body": self.body})


class Recording(NamedTuple):
    port: int
    requests: list[RecordedRequest]


@contextmanager
def recording_server(routes: Sequence[Route]) -> Iterator[Recording]:
    """What no route fits is answered with 404."""
    requests: list[RecordedRequest] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length", 0)))
            requests.append(RecordedRequest(self.command, self.path, json.loads(sent) if sent else None))
            fits = (each for each in routes if each.method == self.command and re.fullmatch(each.path, self.path))
            found = next(fits, None)
            body = json.dumps({"status": "unknown"} if found is None else found.answer).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Recording(server.server_address[1], requests)
        finally:
            server.shutdown()
            thread.join()
