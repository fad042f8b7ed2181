"""Keeps one worker process running, and gives up on a file that kills it."""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence

from colvision.library import Job, JobQueue

_POLL_SECONDS = 0.5
_REST_SECONDS = 2.0  # between two starts: a worker that cannot start must not keep a core busy
_DEATHS = 3  # on the same file, before it is called failed
_PATIENCE_SECONDS = 10.0  # for the worker to store what it has read, and to end by itself


class Supervisor:
    """Starts the worker and starts it again; use it as a context manager."""

    def __init__(self, jobs: JobQueue, command: Sequence[str]) -> None:
        self._jobs = jobs
        self._command = list(command)
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
        while not self._stopping.is_set():
            worker = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
            while worker.poll() is None and not self._stopping.wait(_POLL_SECONDS):
                pass
            if worker.poll() is None:
                _end(worker)
                return
            sys.stderr.write(f"colvision: the worker ended with code {worker.returncode}; it is started again\n")
            self._count_death(worker.pid)
            self._stopping.wait(_REST_SECONDS)

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


def _end(worker: subprocess.Popen[bytes]) -> None:
    """What is stored stays; the job goes on with the next start."""
    worker.terminate()
    try:
        worker.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
