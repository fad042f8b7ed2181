"""Reads queued files, one at a time, in a process of its own: `python -m colvision.app.worker LIBRARY PID`.

It runs at low priority, so that the page stays quick, and ends at once, in the middle of a file too, when the process
that started it (its number is the second argument: it may have gone before this one knows its parent) has gone.
"""

import os
import sqlite3
import sys
import threading
import time

from colvision.errors import ColvisionError
from colvision.library import Library, open_library

from .budgets import disk_trouble
from .settings import NOT_THE_FILE, encoder_from_environment

_POLL_SECONDS = 0.25
_NICENESS = 10


def work(library: Library, *, parent: int) -> None:
    """Takes one job after the other for as long as the process `parent` lives."""
    while os.getppid() == parent:
        can_read = library.jobs.active() and not disk_trouble(library.path)
        job = library.jobs.claim() if can_read else None  # to claim is to write
        if job is None:
            time.sleep(_POLL_SECONDS)
            continue
        try:
            library.run_job(job)
        except ColvisionError as error:
            sys.stderr.write(f"colvision: {job.name}: {error}\n")  # the job says so as well


def exit_with_parent(parent: int) -> None:
    """Ends this process as soon as the process `parent` has gone: a job that is cut short goes on at the next start."""
    threading.Thread(target=_watch_parent, args=[parent], name="colvision-parent", daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(0)


def lower_priority() -> None:
    """Steps back behind whatever the user is doing."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) // 2)))


def main() -> None:
    """The process that `colvision.app.supervisor` starts."""
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m colvision.app.worker LIBRARY PID")
    parent = int(sys.argv[2])
    exit_with_parent(parent)
    lower_priority()
    try:
        with open_library(sys.argv[1], encoder=encoder_from_environment()) as library:
            work(library, parent=parent)
    except (ColvisionError, OSError, sqlite3.OperationalError) as error:
        sys.stderr.write(f"colvision: {error}\n")
        raise SystemExit(NOT_THE_FILE) from error


if __name__ == "__main__":
    main()
