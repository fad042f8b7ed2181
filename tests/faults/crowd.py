"""Readers beside a writer that changes everything: `python -m tests.faults.crowd FOLDER SECONDS READERS`.

Prints a line of counts and every fault that a reader found.
"""

import sys
import time
from pathlib import Path

import numpy as np

from tests.faults.history import History
from tests.faults.processes import Forked, StopFlag
from tests.faults.reader import Reader, warm_up
from tests.faults.state import State
from tests.faults.work import Open, Step, Work, random_steps

_LEAST_CHANGES = 12  # of a machine that makes fewer in the time it was given


class Crowd:
    """A new library, to be changed by `work` as `history` says, and readers who search it until `stop_readers`."""

    def __init__(self, folder: Path, *, readers: int, seed: int) -> None:
        self.work = Work(folder / "library", folder, State())
        self.work.do(Open())
        self.work.close()
        self.history, self._stop_flag = History(folder / "history", self.work.state), StopFlag()
        Forked(warm_up).result()
        self._readers = [Forked(lambda i=i: self._reader(seed + i)) for i in range(readers)]

    def _reader(self, seed: int) -> str:
        return Reader(self.work.path, self.history, seed).until(self._stop_flag)

    def change(self, step: Step) -> None:
        self.history.announce(step.after(self.work.state))
        self.work.do(step)
        self.history.acknowledge(self.work.state)

    def stop_readers(self) -> list[str]:
        """What each reader says: how many answers it has checked, how many by inverted lists; or its fault."""
        self._stop_flag.set()
        return [each.result() for each in self._readers]


def print_counts(counts: str, outputs: list[str]) -> None:
    found = [each.split() for each in outputs if each.replace(" ", "").isdigit()]
    answers, by_lists = (sum(int(each[i]) for each in found) for i in (0, 1))
    faults = [each for each in outputs if not each.replace(" ", "").isdigit()]
    sys.stdout.write(f"{counts}, {answers} answers, {by_lists} by inverted lists, {len(faults)} faults\n")
    sys.stdout.writelines(f"{fault}\n" for fault in faults)


def main(folder: Path, seconds: float, readers: int) -> None:
    crowd = Crowd(folder, readers=readers, seed=1)
    crowd.work.open()
    changes, end = 0, time.monotonic() + seconds
    for step in random_steps(np.random.default_rng(1), crowd.work.state, 0):
        crowd.change(step)
        changes += 1
        if changes >= _LEAST_CHANGES and time.monotonic() > end:
            break
    crowd.work.close()
    print_counts(f"{changes} changes, {readers} readers", crowd.stop_readers())


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
