"""Many clients at once against an application: some ask, some send files, one file is read.

What they were answered and how long they waited, and how much of the queue and of the disk was ever taken.
"""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlencode, urlsplit

MB = 2**20
_PATIENCE_SECONDS = 300.0


@dataclass
class Outcome:
    """`statuses` and `seconds` by the kind of request; `most_waiting` jobs and `most_bytes` on their way were seen."""

    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    most_waiting: int = 0
    most_bytes: int = 0
    most_readers: int = 0
    read: int = 0  # of the files that were sent, meanwhile
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, status: int, seconds: float) -> None:
        with self._lock:
            self.statuses.setdefault(kind, Counter())[status] += 1
            self.seconds.setdefault(kind, []).append(seconds)

    def lines(self) -> Iterator[str]:
        """A table, in milliseconds."""
        yield "| request | answers | median ms | 95 % within ms | longest ms |"
        yield "|---|---|---|---|---|"
        for kind, spent in sorted(self.seconds.items()):
            milliseconds = [1000 * each for each in spent]
            late = quantiles(milliseconds, n=20)[-1] if len(milliseconds) > 1 else milliseconds[0]
            answers = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses[kind].items()))
            yield f"| {kind} | {answers} | {median(milliseconds):.0f} | {late:.0f} | {max(milliseconds):.0f} |"
        yield ""
        yield (
            f"at most {self.most_waiting} files waited at once, {self.read} were read meanwhile; "
            f"at most {self.most_bytes / MB:.1f} MB were on their way"
        )


def ask_and_send(
    address: str, questions: Sequence[str], file: bytes, *, askers: int, files: int, seconds: float, pause: float
) -> Outcome:
    """`askers` clients ask for so many seconds, and until `files` files were sent, each by a client of its own.

    Each reads its answer for `pause` seconds before it asks again.
    """
    outcome = Outcome()
    before = _ready(address)
    with (
        _watching(lambda: _look_at_queue(outcome, address)),
        _asking(outcome, address, questions, askers, seconds, pause),
    ):
        _at_once(files, lambda number: _send(outcome, address, file + b"%d" % number))
        outcome.read = _ready(address) - before
    return outcome


def send_large(address: str, uploads: Path, *, files: int, size: int) -> Outcome:
    """So many bodies of `size` bytes at once, which are no documents; `uploads` is where they are kept meanwhile."""
    outcome = Outcome()
    with _watching(lambda: _look_at_disk(outcome, uploads)):
        _at_once(files, lambda _: _send(outcome, address, b"%PDF-" + bytes(size - 5)))
    return outcome


def send_images(address: str, uploads: Path, images: Sequence[bytes]) -> Outcome:
    """These images at once; `most_readers` processes were seen that opened files in the folder `uploads`."""
    outcome = Outcome()
    with _watching(lambda: _look_at_readers(outcome, uploads)):
        _at_once(
            len(images), lambda number: _request(outcome, address, "an image", "POST", "/images", {}, images[number])
        )
    return outcome


def begin_to_read(address: str, file: bytes, question: str) -> None:
    """Asks once, so that the encoder is loaded, sends a file, and returns when it is being read."""
    outcome = Outcome()
    _request(outcome, address, "a search", "GET", "/search", {"q": question})
    _send(outcome, address, file)
    assert outcome.statuses["a file"] == {202: 1}
    end = time.monotonic() + _PATIENCE_SECONDS
    while not any(job["state"] == "running" for job in _library(address)["jobs"]):
        assert time.monotonic() < end, "nothing is read"
        time.sleep(0.1)


def _ready(address: str) -> int:
    return sum(document["state"] == "ready" for document in _library(address)["documents"])


def _look_at_queue(outcome: Outcome, address: str) -> None:
    waiting = sum(job["state"] in ("queued", "running") for job in _library(address)["jobs"])
    outcome.most_waiting = max(outcome.most_waiting, waiting)


def _look_at_readers(outcome: Outcome, uploads: Path) -> None:
    readers = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            command = path.read_bytes()
            readers += b"colvision.pdf.sandbox.worker" in command and bytes(uploads) in command
    outcome.most_readers = max(outcome.most_readers, readers)


def _look_at_disk(outcome: Outcome, uploads: Path) -> None:
    size = 0
    for path in uploads.glob("*"):
        with suppress(FileNotFoundError):
            size += path.stat().st_size
    outcome.most_bytes = max(outcome.most_bytes, size)


def _at_once(count: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def _asking(
    outcome: Outcome, address: str, questions: Sequence[str], askers: int, seconds: float, pause: float
) -> Iterator[None]:
    end, is_sent = time.monotonic() + seconds, threading.Event()

    def ask(number: int) -> None:
        time.sleep(pause * number / askers)
        for question in islice(cycle(questions), number % len(questions), None):
            _request(outcome, address, "a search", "GET", "/search", {"q": question})
            if time.monotonic() > end and is_sent.is_set():
                return
            time.sleep(pause)

    crowd = threading.Thread(target=_at_once, args=[askers, ask])
    crowd.start()
    try:
        yield
    finally:
        is_sent.set()
        crowd.join()


@contextmanager
def _watching(look: Callable[[], None]) -> Iterator[None]:
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):  # what is watched must not be what takes the time
            look()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _send(outcome: Outcome, address: str, data: bytes) -> None:
    _request(outcome, address, "a file", "POST", "/documents", {"name": "file"}, data)


def _library(address: str) -> dict[str, list[dict[str, str]]]:
    return json.loads(_request(Outcome(), address, "the library", "GET", "/library", {}))


def _request(
    outcome: Outcome,
    address: str,
    kind: str,
    method: str,
    path: str,
    parameters: dict[str, str],
    body: bytes | None = None,
) -> bytes:
    begun = time.monotonic()
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=_PATIENCE_SECONDS)
    try:
        connection.request(method, f"/api/v1{path}?{urlencode(parameters)}", body)
        response = connection.getresponse()
        answer, status = response.read(), response.status
        if status in (429, 503):
            assert response.headers["Retry-After"], answer
    except OSError:  # the server has refused before the body was there, or has gone
        answer, status = b"", 0
    finally:
        connection.close()
    outcome.add(kind, status, time.monotonic() - begun)
    return answer
