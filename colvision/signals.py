"""SIGTERM, as service managers and containers end a process, means what Ctrl+C does: what is open is closed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TERMINATED = 128 + signal.SIGTERM  # exit code, as shells count


class Terminated(KeyboardInterrupt):
    """Raised where a SIGTERM has come."""


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """A SIGTERM within the block raises `Terminated`; another one, while that is obeyed, is ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """The same, and the process ends with the exit code of a SIGTERM after the block."""
    try:
        with sigterm_raises():
            yield
    except Terminated as stop:
        raise SystemExit(TERMINATED) from stop


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated
