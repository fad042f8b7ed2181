"""Reads queued files, one at a time, in a process of its own: `python -m colvision.app.worker LIBRARY PID`.

It runs at low priority, so that the page stays quick, and ends at once, in the middle of a file too, when the process
that started it (its number is the second argument: it may have gone before this one knows its parent) has gone.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from colvision.errors import ColvisionError
from colvision.library import open_library
from colvision.parallel import usable_cores
from colvision.signals import exit_when_terminated

from .budgets import disk_trouble
from .opened import OpenLibrary
from .services.watched import FolderReader
from .settings import NOT_THE_FILE, encoder_from_environment, ocr_from_environment

_POLL_SECONDS = 0.25
_REST_SECONDS = 5.0  # after an error of the library, such as a full disk
_NICENESS = 10
_PR_SET_PDEATHSIG = 1  # prctl(2)


def work(library: OpenLibrary, *, parent: int | None = None, is_wanted: Callable[[], bool] = lambda: True) -> None:
    """Takes one job after the other, and files of watched folders between, while it is wanted and `parent` lives."""
    folders = FolderReader(library)
    while is_wanted() and parent in (None, os.getppid()):
        job = None
        try:
            can_read = library.jobs.active() and not disk_trouble(library.path)
            job = library.jobs.claim() if can_read else None  # to claim is to write
            if job is not None:
                library.run_job(job)
                continue
            if not disk_trouble(library.path) and folders.step():
                continue
        except ColvisionError as error:
            sys.stderr.write(f"colvision: {error}\n")  # the job says so as well, where that can be written
            if job is not None and library.jobs.refresh(job).state == "running":
                raise SystemExit(NOT_THE_FILE) from error  # nobody else takes it while this process lives
            time.sleep(_REST_SECONDS)
        time.sleep(_POLL_SECONDS)


class ReadingThread:
    """Works in this process, which waits for others that read: the replicas of a cluster. A context manager."""

    def __init__(self, library: OpenLibrary) -> None:
        self._library = library
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="colvision-reading", daemon=True)

    def __enter__(self) -> "ReadingThread":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join(_REST_SECONDS)

    def _work(self) -> None:
        while not self._stopping.is_set():
            with suppress(SystemExit):  # of a job that could not be ended: this library may claim it again
                work(self._library, is_wanted=lambda: not self._stopping.is_set())


def exit_with_parent(parent: int) -> None:
    """Ends this process as soon as the process `parent` has gone: a job that is cut short goes on at the next start.

    Linux does so itself, even where this process was stopped.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch_parent, args=[parent], name="colvision-parent", daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(0)


def lower_priority() -> None:
    """Steps back behind whatever the user is doing."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // 2)))


def main() -> None:
    """The process that `colvision.app.supervisor` starts."""
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m colvision.app.worker LIBRARY PID")
    parent = int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the application, which then ends this one
    exit_with_parent(parent)
    lower_priority()
    try:
        encoder, ocr = encoder_from_environment(), ocr_from_environment()
        with exit_when_terminated(), open_library(sys.argv[1], encoder=encoder, ocr=ocr) as library:
            work(library, parent=parent)
    except ColvisionError as error:
        sys.stderr.write(f"colvision: {error}\n")
        raise SystemExit(NOT_THE_FILE) from error


if __name__ == "__main__":
    main()
