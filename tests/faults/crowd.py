"""Readers beside a writer that changes everything: `python -m tests.faults.crowd FOLDER SECONDS READERS`.

Prints a line of counts and every fault that a reader found.
"""

import sys
import time
from pathlib import Path

import numpy as np

from tests.faults.history import History
from tests.faults.processes import Bell, Forked
from tests.faults.reader import Reader, warm_up
from tests.faults.state import State
from tests.faults.work import Open, Step, Work, anything


class Crowd:
    """A new library, to be changed by `work` as `history` says, and readers who look at it until `dismissed`."""

    def __init__(self, folder: Path, *, readers: int, seed: int) -> None:
        self.work = Work(folder / "library", folder, State())
        self.work.do(Open())
        self.work.close()
        self.history, self._bell = History(folder / "history", self.work.state), Bell()
        Forked(warm_up).result()
        self._readers = [Forked(lambda i=i: self._reader(seed + i)) for i in range(readers)]

    def _reader(self, seed: int) -> str:
        return Reader(self.work.path, self.history, seed).until(self._bell)

    def change(self, step: Step) -> None:
        self.history.announce(step.after(self.work.state))
        self.work.do(step)
        self.history.acknowledge(self.work.state)

    def dismissed(self) -> list[str]:
        """What each reader says: how many answers it has checked, or its fault."""
        self._bell.ring()
        return [each.result() for each in self._readers]


def tell(counts: str, said: list[str]) -> None:
    answers = sum(int(each) for each in said if each.isdigit())
    faults = [each for each in said if not each.isdigit()]
    sys.stdout.write(f"{counts}, {answers} answers, {len(faults)} faults\n")
    sys.stdout.writelines(f"{fault}\n" for fault in faults)


def main(folder: Path, seconds: float, readers: int) -> None:
    crowd = Crowd(folder, readers=readers, seed=1)
    crowd.work.open()
    changes, end = 0, time.monotonic() + seconds
    for step in anything(np.random.default_rng(1), crowd.work.state, 0):
        crowd.change(step)
        changes += 1
        if time.monotonic() > end:
            break
    crowd.work.close()
    tell(f"{changes} changes, {readers} readers", crowd.dismissed())


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
