"""The process in which every file is opened: `python -m colvision.pdf.sandbox.worker PATH`, spoken to by `client`.

It draws one page after the other, under limits that it sets on itself before it opens the file; a bug in a renderer
costs this process and one page. It must start quickly: no numpy, no torch.
"""

import importlib
import math
import os
import sys
from types import TracebackType
from typing import IO, Protocol

from colvision.pdf.sandbox.protocol import PageImage, Request, Status, UnreadableFile, UnreadablePage, send


class Document(Protocol):
    """An open file. Raises `UnreadableFile` when it is made, `UnreadablePage` for a page."""

    pages: int

    def draw(self, number: int) -> PageImage:
        """Page `number`, from 1."""
        ...


def main() -> None:
    answers = _claim_stdout()
    request = Request.from_line(sys.stdin.buffer.readline())
    renderer = importlib.import_module(f"colvision.pdf.backends.{request.renderer}")
    _limit_memory(request.page_memory_bytes)
    send(answers, Status("ready"))
    _silence_stderr()
    _report_crash(answers, request)
    _limit_time(request.page_seconds)
    try:
        document: Document = renderer.open_document(request)
    except UnreadableFile as refused:
        send(answers, Status(refused.said, str(refused)))
        return
    send(answers, Status("opened", pages=document.pages))
    for line in sys.stdin.buffer:  # ends when the parent has gone
        _limit_time(request.page_seconds)
        send(answers, _draw(document, int(line)))


def _draw(document: Document, number: int) -> PageImage | Status:
    try:
        return document.draw(number)
    except UnreadablePage as reason:
        return Status("failed", str(reason))


def _claim_stdout() -> IO[bytes]:
    """The pipe to the parent, out of reach of a library that prints."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return answers


def _silence_stderr() -> None:
    """Renderers complain about nearly every PDF; failures of ours are told to the parent instead."""
    os.dup2(1, 2)


def _report_crash(answers: IO[bytes], request: Request) -> None:
    """An exception that nothing here foresees ends this process, but says why first."""

    def say(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
        reason = f"cannot be read ({kind.__name__}: {error})"
        if issubclass(kind, MemoryError):
            reason = request.heavy
        elif issubclass(kind, TimeoutError):
            reason = str(error)
        if not issubclass(kind, BrokenPipeError | KeyboardInterrupt):
            send(answers, Status("died", reason))

    sys.excepthook = say


def _limit_memory(most_bytes: int) -> None:
    """Limit the address space of this process and of those it starts. macOS accepts the limit and ignores it."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = most_bytes if hard == resource.RLIM_INFINITY else min(most_bytes, hard)
        if sys.platform != "darwin":
            resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _limit_time(seconds: float) -> None:
    """Limit the processor time from here on: it holds when the parent, which keeps the clock, has gone."""
    if sys.platform != "win32":
        import resource

        usage = resource.getrusage(resource.RUSAGE_SELF)
        most = math.ceil(usage.ru_utime + usage.ru_stime + seconds) + 1  # the clock, which says why, goes first
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    main()
