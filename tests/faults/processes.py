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
            said = "died"
            try:
                said = function()
            except BaseException:  # noqa: BLE001 (whatever it was, it is told to who waits)
                said = traceback.format_exc()
            finally:
                os.write(writer, said.encode()[-60_000:])
                os._exit(0)
        os.close(writer)
        self._said = reader

    def kill(self, *, after: float) -> bool:
        """kill -9 after so many seconds; whether it was still at work."""
        time.sleep(after)
        os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self._said)
        return os.WIFSIGNALED(status)

    def result(self) -> str:
        with os.fdopen(self._said) as said:
            text = said.read()
        os.waitpid(self.pid, 0)
        return text


class Bell:
    """Tells the processes that were forked after it was made to come to an end."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    def ring(self) -> None:
        self._shared[0] = 1

    @property
    def has_rung(self) -> bool:
        return self._shared[0] == 1
