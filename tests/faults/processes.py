"""Processes that are copies of this one: a kill costs no import."""

import mmap
import os
import signal
import time
import traceback
from collections.abc import Callable


class Forked:
    """A process that runs a function; `result` waits for what it says. It must be made before any thread is."""

    def __init__(self, function: Callable[[], str]) -> None:
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reader)
            output = "died"
            try:
                output = function()
            except BaseException:  # noqa: BLE001 (whatever it was, it is told to who waits)
                output = traceback.format_exc()
            finally:
                os.write(writer, output.encode()[-60_000:])
                os._exit(0)
        os.close(writer)
        self._output = reader

    def kill(self, *, after: float) -> bool:
        """kill -9 after so many seconds; whether it was still at work."""
        time.sleep(after)
        os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self._output)
        return os.WIFSIGNALED(status)

    def result(self) -> str:
        with os.fdopen(self._output) as pipe:
            text = pipe.read()
        os.waitpid(self.pid, 0)
        return text


class StopFlag:
    """Tells the processes that were forked after it was made to come to an end."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    def set(self) -> None:
        self._shared[0] = 1

    @property
    def is_set(self) -> bool:
        return self._shared[0] == 1
