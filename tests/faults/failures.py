"""Lets each file operation of a piece of work fail once, or the disk be full from there on, and goes on in the process.

`python -m tests.faults.failures FOLDER EVERY`, with the shim loaded (see `run`), prints a line of counts and every
fault. A step that meets an error must raise one of ours or do its work all the same; what it says it has done must
survive a power cut, and tried again it must succeed and leave nothing behind.
"""

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from colvision.errors import ColvisionError
from tests.faults.disk import Disk, lay_out
from tests.faults.power_cuts import check
from tests.faults.shim import Kind, Shim, read_log
from tests.faults.state import State, held, litter
from tests.faults.work import Open, Step, Work, everything, filled


@dataclass(frozen=True, slots=True)
class Failure:
    """What fails: a number of an operation of a step; those that read are counted apart."""

    error: int
    sticky: bool = False
    reads: bool = False

    def __str__(self) -> str:
        when = "from here on" if self.sticky else "once"
        return f"{errno.errorcode[self.error]} {when}{' while reading' if self.reads else ''}"


FAILURES = (
    Failure(errno.EIO),
    Failure(errno.ENOSPC),
    Failure(errno.ENOSPC, sticky=True),
    Failure(errno.EIO, reads=True),
)


class Trial:
    """Does one step with one operation failing, in a child that starts from a copy of the library before it."""

    def __init__(self, folder: Path, before: Work, step: Step) -> None:
        self._folder, self._before, self._step = folder, before, step
        self._library = folder / "library"
        self._failed_while_opening = False

    def run(self, failure: Failure, at: int) -> str | None:
        """The fault that it brings to light, "" for none; None when the step has fewer operations."""
        shutil.rmtree(self._library, ignore_errors=True)
        shutil.copytree(self._before.path, self._library)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            self._in_child(failure, at, writer)
        os.close(writer)
        with os.fdopen(reader) as said:
            answer = said.read()
        os.waitpid(child, 0)
        is_reached, fault = answer[:1], answer[1:]
        if is_reached == "n" and not fault:
            return None
        where = f"{self._step} at operation {at}, {failure}: "
        return where + fault if fault else self._after_a_cut(where, failure)

    def _in_child(self, failure: Failure, at: int, answer: int) -> None:
        fault, is_reached = "the child died", True
        try:
            work = copy(self._before)
            work.path = self._library
            shim = Shim()
            log = os.open(self._folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            shim.arm(self._library, log=log, error=failure.error, sticky=failure.sticky, reads=failure.reads, at=at)
            fault = self._meet(work)
            is_reached = shim.calm() >= at
            shim.arm(self._folder / "elsewhere")
            fault = fault or self._go_on(work)
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is what this child is to tell)
            fault = f"{fault}: {error!r}"
        finally:
            os.write(answer, (("y" if is_reached else "n") + fault).encode())
            os._exit(0)

    def _meet(self, work: Work) -> str:
        shim = Shim()
        try:
            if not isinstance(self._step, Open):
                work.open()
            self._failed_while_opening = shim.is_past()
            shim.mark(work.state.to_json())
            work.do(self._step)
            shim.mark(work.state.to_json())
            work.close()
        except ColvisionError:
            work.is_again = True
        except Exception as error:  # noqa: BLE001 (which errors come through is what this asks)
            return f"raised {error!r}"
        return ""

    def _go_on(self, work: Work) -> str:
        if not work.is_again:
            work.open()
        else:
            # A catalogue that could not be opened for writing when the disk failed is open for reading.
            if not work.is_open or self._failed_while_opening:
                work.open()
            work.do(self._step)
        for step in filled("z", "z.1.0"):
            work.do(step)
        found = held(work.store)
        if not work.state.fits(found):
            return f"holds {found}, not {work.state}"
        return f"litter {litter(work.store)}" if litter(work.store) else ""

    def _after_a_cut(self, where: str, failure: Failure) -> str:
        """What was said to be done must be on the disk, whatever failed meanwhile."""
        if failure.reads:
            return ""
        disk, marks = Disk(), list[State]()
        disk.load(self._before.path)
        for operation in read_log(self._folder / "log"):
            disk.take(operation)
            if operation.kind is Kind.MARK:
                marks.append(State.from_json(operation.data))
        lay_out(disk.cut("dropped", "dropped", np.random.default_rng(0)), self._folder / "cut")
        allowed = marks[1:] or [self._before.state, self._step.after(self._before.state)]
        fault = check(self._folder / "cut", allowed)
        return f"{where}after a power cut: {fault}" if fault else ""


def trials(folder: Path, *, every: int) -> Iterator[str]:
    """A fault, or "" for none, for every so-manieth operation of each step of the work, each failing in each way."""
    (folder / "done").mkdir()
    work = Work(folder / "done", folder, State())
    count = 0
    for step in everything():
        trial = Trial(folder, work, step)
        for failure in FAILURES:
            first = 1 + count % every
            for at in range(first, sys.maxsize, every):
                found = trial.run(failure, at)
                if found is None:
                    break
                yield found
            count += 1
        work.open()
        work.do(step)
        work.close()


def main(folder: Path, every: int) -> None:
    found = list(trials(folder, every=every))
    sys.stdout.write(f"{len(found)} failures, {sum(map(bool, found))} faults\n")
    sys.stdout.writelines(f"{fault}\n" for fault in found if fault)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
