"""Keeps one worker process running, and gives up on a file that kills it."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import IO

from colvision.library import Job, JobQueue

from .settings import NOT_THE_FILE

_POLL_SECONDS = 0.5
_REST_SECONDS = 2.0  # before the next start; twice as long each time, as a worker that cannot start keeps a core busy
_MAX_REST_SECONDS = 60.0
_LONG_SECONDS = 60.0  # a worker that has run for so long had started well
_DEATHS = 3  # on the same file, before it is called failed
_PATIENCE_SECONDS = 10.0  # for the worker to store what it has read, and to end by itself


class Supervisor:
    """Starts the worker and starts it again; use it as a context manager.

    `on_trouble` hears why nothing is read at present, and "" when a worker runs again.
    """

    def __init__(
        self, jobs: JobQueue, command: Sequence[str], *, on_trouble: Callable[[str], None] = lambda _: None
    ) -> None:
        self._jobs = jobs
        self._command = list(command)
        self._on_trouble = on_trouble
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="colvision-supervisor", daemon=True)
        self._deaths: Counter[int] = Counter()

    def __enter__(self) -> "Supervisor":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self._thread.join(_PATIENCE_SECONDS + 1)

    def _watch(self) -> None:
        rest = _REST_SECONDS
        while not self._stopping.is_set():
            started = time.monotonic()
            worker = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
            )
            assert worker.stderr is not None
            last_words = _LastWords(worker.stderr)
            while worker.poll() is None and not self._stopping.wait(_POLL_SECONDS):
                if time.monotonic() - started > _REST_SECONDS:
                    self._on_trouble("")
            if worker.poll() is None:
                _end(worker)
                return
            if time.monotonic() - started > _LONG_SECONDS:
                rest = _REST_SECONDS
            reason = f"the worker ended with code {worker.returncode}; it is started again in {rest:g} s"
            sys.stderr.write(f"colvision: {reason}\n")
            self._on_trouble(f"no document is being read: {reason} ({last_words.text() or 'it gave no reason'})")
            if worker.returncode != NOT_THE_FILE:
                self._count_death(worker.pid)
            self._stopping.wait(rest)
            rest = min(2 * rest, _MAX_REST_SECONDS)

    def _count_death(self, pid: int) -> None:
        """After the third death on one file the file is failed: the rest of the queue goes on."""
        for job in self._jobs.active():
            if job.pid == pid and not self._jobs.is_worked_on(job):  # another container may count the same
                self._deaths[job.key] += 1
                if self._deaths[job.key] >= _DEATHS:
                    self._fail(job)

    def _fail(self, job: Job) -> None:
        """In the name of the dead worker: if another one has taken the job meanwhile, nothing is done."""
        reason = f"reading it ended the reading process {_DEATHS} times: the file may be damaged, save it anew"
        self._jobs.finish(job, "failed", reason=reason)


class _LastWords:
    """Passes on what a worker says, and remembers its last line."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._line = ""
        self._thread = threading.Thread(target=self._listen, name="colvision-last-words", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with self._stream:
            for line in self._stream:
                sys.stderr.write(line)
                self._line = line.strip() or self._line

    def text(self) -> str:
        """Once the worker has ended. A process that it has left may hold the stream open."""
        self._thread.join(1.0)
        return self._line.removeprefix("colvision: ")


def _end(worker: subprocess.Popen[str]) -> None:
    """What is stored stays; the job goes on with the next start."""
    worker.terminate()
    try:
        worker.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
