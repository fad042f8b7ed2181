"""Readers beside a writer that changes everything: `python -m faults.crowd FOLDER SECONDS READERS`.

Prints a line of counts and every fault that a reader found.
"""

import sys
import time
from pathlib import Path

import numpy as np

from faults.history import History
from faults.processes import Bell, Forked
from faults.reader import Reader, warm_up
from faults.state import State
from faults.work import Open, Step, Work, anything


def change(work: Work, step: Step, history: History) -> None:
    history.announce(step.after(work.state))
    work.do(step)
    history.acknowledge(work.state)


def beside_a_writer(folder: Path, *, seconds: float, readers: int, seed: int) -> tuple[int, list[str]]:
    """(changes, what each reader says: how many answers it has checked, or its fault)."""
    work = Work(folder / "library", folder, State())
    work.do(Open())
    work.close()
    history, bell = History(folder / "history", work.state), Bell()
    Forked(warm_up).result()
    looking = [Forked(lambda i=i: Reader(work.path, history, seed + i).until(bell)) for i in range(readers)]
    work.open()
    changes, end = 0, time.monotonic() + seconds
    for step in anything(np.random.default_rng(seed), work.state, 0):
        change(work, step, history)
        changes += 1
        if time.monotonic() > end:
            break
    work.close()
    bell.ring()
    return changes, [each.result() for each in looking]


def main(folder: Path, seconds: float, readers: int) -> None:
    changes, said = beside_a_writer(folder, seconds=seconds, readers=readers, seed=1)
    answers = sum(int(each) for each in said if each.isdigit())
    faults = [each for each in said if not each.isdigit()]
    sys.stdout.write(f"{changes} changes, {readers} readers, {answers} answers, {len(faults)} faults\n")
    sys.stdout.writelines(f"{fault}\n" for fault in faults)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
