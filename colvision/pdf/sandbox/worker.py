"""The process in which every file is opened: `python -m colvision.pdf.sandbox.worker PATH`, started by `client`.

It draws one page after the other, under limits that it sets on itself before it opens the file; a bug in a renderer
costs this process and one page. It must start quickly: no numpy.
"""

import ctypes
import importlib
import math
import os
import sys
from contextlib import suppress
from types import TracebackType
from typing import IO, Protocol

from colvision.core.health import Note
from colvision.pdf.sandbox.protocol import PageImage, Request, Status, UnreadableFile, UnreadablePage, send

_NICENESS = 10  # who waits for an answer, as of a search, comes first
_FILE_BYTES = 2**26  # fontconfig keeps a cache; nothing else is written
_OPEN_FILES = 64
_PR_SET_NO_NEW_PRIVS = 38  # <linux/prctl.h>
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000  # <linux/sched.h>


class OpenDocument(Protocol):
    """An open file. Raises `UnreadableFile` when it is made, `UnreadablePage` for a page."""

    pages: int

    notes: tuple[Note, ...]

    def draw(self, number: int) -> PageImage:
        """Page `number`, from 1."""
        ...


def main() -> None:
    answers = _claim_stdout()
    request = Request.from_line(sys.stdin.buffer.readline())
    renderer = importlib.import_module(f"colvision.pdf.backends.{request.renderer}")
    _limit_memory(request.page_memory_bytes)
    _limit_rights(may_start_others=request.renderer == "poppler")
    send(answers, Status("ready"))
    _silence_stderr()
    _report_crash(answers, request)
    _limit_time(request.page_seconds)
    try:
        document: OpenDocument = renderer.open_document(request)
    except UnreadableFile as error:
        send(answers, Status(error.code, str(error)))
        return
    send(answers, Status("opened", pages=document.pages, notes=document.notes))
    for line in sys.stdin.buffer:  # ends with the parent
        _limit_time(request.page_seconds)
        send(answers, _draw(document, int(line)))


def _draw(document: OpenDocument, number: int) -> PageImage | Status:
    try:
        return document.draw(number)
    except UnreadablePage as error:
        return Status("failed", str(error))


def _claim_stdout() -> IO[bytes]:
    """The pipe to the parent, out of reach of a library that prints."""
    answers = os.fdopen(os.dup(1), "wb")
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.close(devnull)
    return answers


def _silence_stderr() -> None:
    """Renderers complain about nearly every PDF; our own failures are sent to the parent."""
    os.dup2(1, 2)


def _report_crash(answers: IO[bytes], request: Request) -> None:
    """An unexpected exception ends this process, but its reason is sent first."""

    def report(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
        reason = f"cannot be read ({': '.join(filter(None, [kind.__name__, str(error)]))})"
        if issubclass(kind, MemoryError):
            reason = request.memory_reason
        elif issubclass(kind, TimeoutError):
            reason = str(error)
        if not issubclass(kind, BrokenPipeError | KeyboardInterrupt):
            send(answers, Status("died", reason))

    sys.excepthook = report


def _limit_memory(max_bytes: int) -> None:
    """Limit the address space of this process and of those it starts. macOS accepts the limit and ignores it."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = max_bytes if hard == resource.RLIM_INFINITY else min(max_bytes, hard)
        if sys.platform != "darwin":
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _limit_rights(*, may_start_others: bool) -> None:
    """What code that came in with a file may do: no network, no large files, no more rights, no programs unless drawing
    takes one. What a system does not know, or does not let us do, is left out.
    """
    if sys.platform == "win32":
        return
    import resource

    os.nice(_NICENESS)
    for kind, most in (
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        *(() if may_start_others else ((resource.RLIMIT_NPROC, 0),)),
    ):
        _, hard = resource.getrlimit(kind)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, limit))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # A network of its own, without a way out. Whom the system does not let do so may do it as a user of its own;
        # root as such would lose the right to read files of others.
        libc.unshare(_CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWUSER | _CLONE_NEWNET)


def _limit_time(seconds: float) -> None:
    """Limit the processor time from here on: it holds when the parent, which measures wall time, has ended."""
    if sys.platform != "win32":
        import resource

        usage = resource.getrusage(resource.RUSAGE_SELF)
        limit = math.ceil(usage.ru_utime + usage.ru_stime + seconds) + 1  # after the parent's, which knows the reason
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


if __name__ == "__main__":
    main()
