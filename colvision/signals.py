"""What ends a process from outside means what Ctrl+C does: what was read is stored, and what is open is closed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Of service managers and containers; of a terminal that is closed, unless `nohup` says to ignore that.
_SIGNALS = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


class Terminated(KeyboardInterrupt):
    """Raised where a signal has come that ends the process."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number  # as shells count


@contextmanager
def termination_raises() -> Iterator[None]:
    """A signal within the block that would end this process raises `Terminated`; others, while that is obeyed, nothing.

    Only in the main thread, which alone may say what a signal does.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        if before[number] != signal.SIG_IGN:
            signal.signal(number, _terminate)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def exit_when_terminated() -> Iterator[None]:
    """The same, and this process ends with the exit code of that signal after the block."""
    try:
        with termination_raises():
            yield
    except Terminated as stop:
        raise SystemExit(stop.exit_code) from stop


def _terminate(number: int, frame: FrameType | None) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Terminated(number)
