"""What a library was to hold at every moment, written by those who change it and read by those who look on.

The record lies in a file, how far it goes in shared memory: both outlive the death of who writes them. A change is
announced with the state it leads to before it is begun, and acknowledged when it is done; who looks at the library in
between may find either state.
"""

import mmap
import os
import time
from pathlib import Path

from tests.faults.state import State

_ACKNOWLEDGED, _BEGUN = 0, 1
_PATIENCE_SECONDS = 120.0


class History:
    """Made before the processes that share it are forked; one process writes at a time."""

    def __init__(self, path: Path, state: State) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT)
        # Whole numbers that are set at once: `struct` would write a zero first, which others could see.
        self._places = memoryview(mmap.mmap(-1, 16)).cast("q")
        self.acknowledge(state)

    @property
    def acknowledged(self) -> int:
        """The place of the newest state that is known to hold."""
        return self._places[_ACKNOWLEDGED]

    @property
    def begun(self) -> int:
        """The end of the record. A half line beyond it, of one who died while writing, is written over."""
        return self._places[_BEGUN]

    def wait_for_more(self) -> None:
        """Until another process has announced a change. Raises `TimeoutError`."""
        begun, end = self.begun, time.monotonic() + _PATIENCE_SECONDS
        while self.begun == begun:
            if time.monotonic() > end:
                raise TimeoutError("nothing was announced")
            time.sleep(0.001)

    def announce(self, state: State) -> None:
        """Before a change: what it leads to."""
        line = state.to_json() + b"\n"
        os.pwrite(self._file, line, self.begun)
        self._places[_BEGUN] += len(line)

    def acknowledge(self, state: State) -> None:
        """After a change, or after a kill: what holds now, the ids known."""
        place = self.begun
        self.announce(state)
        self._places[_ACKNOWLEDGED] = place

    def since(self, place: int) -> list[State]:
        """The states that were to be found at some time since the one at `place` was acknowledged."""
        return [State.from_json(line) for line in os.pread(self._file, self.begun - place, place).splitlines()]
