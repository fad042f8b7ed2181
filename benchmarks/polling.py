"""What an open page costs the network while nothing happens, and while a document is read.

    python -m benchmarks.polling [DOCUMENTS]

Asks a server with so many documents (100) as a page does, for a minute each: by waiting for changes, and as pages did
before that, every 4 s, or every 0.7 s while something is read, without compression.
"""

import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from gzip import decompress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks.browser import serving
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document

_SECONDS = 60.0
_TOY = (sys.executable, "-m", "tests.helpers.toy_app")
_PAGE_SECONDS = "1"  # that the toy encoder takes for a page
_PAGES = 200  # of the document that is read: more than there are seconds in which it is


class Cost(NamedTuple):
    requests: int
    bytes: int


class _Tab:
    """Asks for the library as an open page does, and counts the bytes of the answers, heads included."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        self._tag = ""
        self.is_busy = False
        self.cost = Cost(0, 0)

    def ask(self, path: str, *, compressed: bool) -> None:
        headers = {"If-None-Match": self._tag} if self._tag else {}
        self._connection.request("GET", path, headers=headers | ({"Accept-Encoding": "gzip"} if compressed else {}))
        answer = self._connection.getresponse()
        body = answer.read()
        head = sum(len(name) + len(value) + 4 for name, value in answer.getheaders()) + len("HTTP/1.1 200 OK\r\n\r\n")
        self.cost = Cost(self.cost.requests + 1, self.cost.bytes + head + len(body))
        self._tag = answer.headers["ETag"]
        if answer.status == 200:
            jobs = json.loads(decompress(body) if answer.headers["Content-Encoding"] else body)["jobs"]
            self.is_busy = any(job["state"] in ("queued", "running") for job in jobs)


def waiting(tab: _Tab) -> float:
    tab.ask("/api/v1/library?wait=25", compressed=True)
    return 0.7


def asking(tab: _Tab) -> float:
    tab.ask("/api/v1/library", compressed=False)
    return 0.7 if tab.is_busy else 4.0


def minute(address: str, way: Callable[[_Tab], float]) -> Cost:
    """What a tab costs that has the library already. An answer that has not come at the end is not counted."""
    tab = _Tab(address)
    way(tab)
    tab.cost = Cost(0, 0)
    end = time.monotonic() + _SECONDS

    def run() -> None:
        while time.monotonic() < end:
            time.sleep(way(tab))

    threading.Thread(target=run, daemon=True).start()
    time.sleep(_SECONDS)
    return tab.cost


def measure(documents: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "files").mkdir()
        for number in range(documents):
            save_document(folder / "files" / f"manual {number}.tiff", [[f"word{number}"]])
        with open_library(folder / "library", encoder=ToyEncoder()) as library:
            library.ingest(folder / "files")
        long = save_document(folder / "long.tiff", [[f"page{number}"] for number in range(_PAGES)])
        environment = {"TOY_SECONDS": _PAGE_SECONDS}
        with serving(*_TOY, str(folder / "library"), "0", environment=environment) as address:
            for what in ("nothing happens", "a document is read"):
                if what != "nothing happens":
                    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
                    connection.request("POST", "/api/v1/documents?name=long.tiff", long.read_bytes())
                    assert connection.getresponse().status == 202
                    time.sleep(10)
                for way in (asking, waiting):
                    cost = minute(address, way)
                    print(f"{what}, {way.__name__}: {cost.requests} requests, {cost.bytes:,} bytes", flush=True)


if __name__ == "__main__":
    measure(int((sys.argv + ["100"])[1]))
