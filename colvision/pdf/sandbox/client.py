"""The process that opens files, from our side: it is started, sent requests, waited for, and ended with its children.

Nothing is forked: the process is a fresh Python, so a parent with threads, torch or CUDA may start it. Linux and
macOS; on Windows it runs without limits on memory and processor time, and poppler's processes may outlive it.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from colvision.pdf.sandbox.protocol import PATIENCE, PageImage, Request, Status, receive

_ROOT = str(Path(__file__).resolve().parents[3])  # what this very package is imported from
_TICKS = os.sysconf("SC_CLK_TCK") if sys.platform == "linux" else 0  # a second, in /proc
_START_SECONDS = 60.0  # a cold disk, a busy machine; 0.2 s otherwise


# What a Python, its libraries and fontconfig need to find their files: nothing of it is a secret, as others may be.
_VARIABLES = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE"),
    *("FONTCONFIG_FILE", "FONTCONFIG_PATH", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_DATA_DIRS"),
)


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _VARIABLES if name in os.environ}


class WorkerLost(Exception):
    """The process has ended, by itself or by us; the text is the reason, in plain words."""


class WorkerTimeout(WorkerLost):
    """It did not answer in time."""


class Worker:
    """One process with one file open."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._lock = threading.Lock()
        self._is_waiting = self._is_late = False
        self._process = subprocess.Popen(
            # -P: the working folder is not a place to import from. The path is there for whoever lists processes.
            [sys.executable, "-P", "-m", "colvision.pdf.sandbox.worker", request.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment() | {"PYTHONPATH": os.pathsep.join([_ROOT, *filter(None, sys.path)])},
            process_group=0 if os.name == "posix" else None,  # poppler's processes die with it
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def open(self) -> Status | PageImage:
        """Let it open the file: its answer. Raises `WorkerLost`; `RuntimeError` if it cannot even start."""
        self._send(self._request.line())
        try:
            self.receive(_START_SECONDS)
        except WorkerLost as lost:
            raise RuntimeError("the process that reads files could not be started; see its message above") from lost
        return self.receive(self._request.page_seconds)

    def request_page(self, number: int) -> None:
        """Let it draw a page; `receive` returns the answer."""
        self._send(b"%d\n" % number)

    def receive(self, seconds: float) -> Status | PageImage:
        """The next answer. Raises `WorkerLost` if there is none within `seconds`; the process has ended then.

        They are seconds of processor time, and `PATIENCE` times as many by the clock; by the clock alone where the
        system does not tell the time of another process.
        """
        deadline = _Deadline(self._process.pid, seconds)
        self._is_waiting = True
        self._wait(deadline, seconds)
        try:
            answer = receive(self._stdout, 2 * self._request.pixels)
        finally:
            with self._lock:
                self._is_waiting = False
                self._timer.cancel()
        if answer is None or self._is_late:
            raise self._lost_error()
        if isinstance(answer, Status) and answer.code == "died":
            self.end()
            raise WorkerLost(answer.text)
        return answer

    def end(self) -> int:
        """End the process and all that it started, and leave no zombie. Its exit status, negative for a signal."""
        if self._process.returncode is not None:
            return self._process.returncode
        self._kill()
        with suppress(OSError):  # it did not read all that was sent
            self._stdin.close()
        self._stdout.close()
        status = self._process.wait()
        if os.name == "posix":
            # Where we are the first process of a container, its orphans are our children.
            with suppress(ChildProcessError):
                while os.waitpid(-self._process.pid, 0):
                    pass
        return status

    def _send(self, line: bytes) -> None:
        with suppress(BrokenPipeError):  # it has died: the next `receive` finds the reason
            self._stdin.write(line)
            self._stdin.flush()

    def _wait(self, deadline: "_Deadline", seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._expire, [deadline])
        self._timer.daemon = True
        self._timer.start()

    def _expire(self, deadline: "_Deadline") -> None:
        with self._lock:
            if not self._is_waiting:
                return
            if left := deadline.seconds_left():
                self._wait(deadline, left)
            else:
                self._is_late = True
                self._kill()

    def _kill(self) -> None:
        if os.name == "posix":
            with suppress(ProcessLookupError, PermissionError):  # macOS: not permitted on a zombie
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()

    def _lost_error(self) -> WorkerLost:
        status = self.end()
        if self._is_late or (os.name == "posix" and status == -signal.SIGXCPU):
            return WorkerTimeout(self._request.timeout_reason)
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return WorkerLost(f"ended the renderer ({how}): it is damaged, or {self._request.memory_reason}")


class _Deadline:
    """When a process, which is the first of its group, and those that it starts have had their processor time."""

    def __init__(self, pid: int, seconds: float) -> None:
        self._pid = pid
        self._seconds = seconds
        self._end = time.monotonic() + PATIENCE * seconds
        self._before = _processor_seconds([Path(f"/proc/{pid}/stat")], pid) if _TICKS else 0.0

    def seconds_left(self) -> float:
        """Until it is worth to look again: 0 when the time is over."""
        if not _TICKS:
            return 0.0
        used = _processor_seconds(Path("/proc").glob("[0-9]*/stat"), self._pid) - self._before
        by_clock = self._end - time.monotonic()
        return min(max(self._seconds - used, 0.1), by_clock) if used < self._seconds and by_clock > 0 else 0.0


def _processor_seconds(stats: Iterable[Path], group: int) -> float:
    """Of the processes of a group, and of those that they have waited for."""
    ticks = 0
    for path in stats:
        with suppress(OSError):  # it has ended
            fields = path.read_text(errors="replace").rpartition(")")[2].split()  # from field 3 of proc(5) on
            if int(fields[2]) == group:
                ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS
