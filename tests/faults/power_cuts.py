"""Records the file operations of a piece of work, and cuts the power after each of them.

`python -m tests.faults.power_cuts FOLDER EVERY`, with the shim loaded (see `run`), prints a line of counts and every
fault: a folder that does not open, or holds anything but the state before or after the step that was cut. With one
argument more it forgets every fsync: the faults that it must then find show that it can tell.
"""

import os
import sqlite3
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from colvision.errors import ColvisionError
from tests.faults.disk import Data, Disk, Names, lay_out
from tests.faults.shim import Kind, Operation, Shim, read_log
from tests.faults.state import State, held, litter
from tests.faults.work import Step, Work, everything, filled

# What a cut may do to names and to bytes. ("kept", "kept") is what a kill leaves: the system goes on.
_FATES: tuple[tuple[Names, Data], ...] = (
    ("kept", "kept"),
    ("dropped", "dropped"),
    ("kept", "dropped"),
    ("dropped", "kept"),
    ("kept", "torn"),
    ("kept", "zeros"),
    ("some", "some"),
    ("some", "some"),
)


def record(folder: Path, steps: Iterator[Step], *, checkpoint: int) -> Path:
    """Does the work in a child and returns the log of it; each mark is the state before a step and that after it."""
    log = folder / "log"
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _work(folder, steps, log, checkpoint)
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0, "the work failed"
    return log


def _work(folder: Path, steps: Iterator[Step], log: Path, checkpoint: int) -> None:
    shim = Shim()
    (folder / "library").mkdir()
    work = Work(folder / "library", folder, State(), checkpoint=checkpoint)
    shim.arm(work.path, log=os.open(log, os.O_WRONLY | os.O_CREAT))
    for step in steps:
        shim.mark(work.state.to_json())
        shim.mark(step.after(work.state).to_json())
        work.do(step)
    shim.mark(work.state.to_json())
    work.close()


class Replay:
    """Cuts the power in all the ways of `_FATES` after every so-manieth operation; counts, and keeps the faults."""

    def __init__(self, folder: Path, *, every: int, seed: int) -> None:
        self._folder, self._every, self._rng = folder, every, np.random.default_rng(seed)
        self._seen: set[int] = set()
        self.operations = self.cuts = 0
        self.faults: list[str] = []

    @property
    def folders(self) -> int:
        """How many cuts left a folder that no other had left."""
        return len(self._seen)

    def run(self, log: Iterable[Operation]) -> None:
        disk, allowed = Disk(), list[State]()
        for operation in log:
            if operation.kind is Kind.MARK:
                allowed = [*allowed[-1:], State.from_json(operation.data)]
                continue
            disk.take(operation)
            self.operations += 1
            if self.operations % self._every == 0:
                self._cut(disk, allowed)

    def _cut(self, disk: Disk, allowed: list[State]) -> None:
        for names, data in _FATES:
            left = disk.cut(names, data, self._rng)
            self.cuts += 1
            key = hash((tuple(sorted(left.items())), tuple(allowed)))
            if key in self._seen:
                continue
            self._seen.add(key)
            lay_out(left, self._folder / "cut")
            fault = check(self._folder / "cut", allowed)
            if fault:
                self.faults.append(f"after operation {self.operations}, names {names}, data {data}: {fault}")


def check(library: Path, allowed: list[State]) -> str:
    """Opens what was left: it is in an allowed state, can be worked with, and keeps no file that nothing names.

    Returns what is wrong, "" for nothing.
    """
    work = Work(library, library.parent, State())
    try:
        work.open()
        work.state = held(work.store)
        if not any(state.fits(work.state) for state in allowed):
            return f"{work.state} is none of {allowed}"
        for step in filled("z", "z.1.0"):
            work.do(step)
        if not work.state.fits(held(work.store)):
            return f"{held(work.store)} after another document"
        return f"litter {litter(work.store)}" if litter(work.store) else ""
    except (ColvisionError, AssertionError, OSError, sqlite3.Error) as error:
        return repr(error)
    finally:
        work.close()


def main(folder: Path, every: int, forgets: bool) -> None:
    replay = Replay(folder, every=every, seed=every)
    for checkpoint in (1000, 8):
        place = folder / f"checkpoint-{checkpoint}"
        place.mkdir()
        log = list(read_log(record(place, everything(), checkpoint=checkpoint)))
        kinds = {operation.kind for operation in log}
        if not {Kind.WRITE, Kind.SYNC, Kind.RENAME, Kind.UNLINK, Kind.TRUNCATE} <= kinds:
            raise RuntimeError(f"the shim saw no more than {kinds}")
        replay.run(operation for operation in log if not (forgets and operation.kind is Kind.SYNC))
    counts = f"{replay.operations} operations, {replay.cuts} cuts, {replay.folders} different folders"
    sys.stdout.write(f"{counts}, {len(replay.faults)} faults\n")
    sys.stdout.writelines(f"{fault}\n" for fault in replay.faults)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), forgets=len(sys.argv) > 3)
