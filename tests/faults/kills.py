"""A writer that is killed at random moments, beside readers: `python -m faults.kills FOLDER KILLS READERS`.

Prints a line of counts and every fault that a reader found; raises when a kill has cost what was acknowledged.
"""

import sys
from pathlib import Path

import numpy as np

from colvision.store import Store
from colvision.store.turn import Turn
from faults.crowd import change
from faults.history import History
from faults.processes import Bell, Forked
from faults.reader import Reader, warm_up
from faults.state import State, held, litter
from faults.work import Open, Work, anything

_SECONDS = 0.4  # a writer lives no longer: it makes five to ten changes meanwhile


def _write(work: Work, history: History, seed: int, cycle: int) -> str:
    """Changes a library until it is killed."""
    work.open()
    for step in anything(np.random.default_rng([seed, cycle]), work.state, cycle):
        change(work, step, history)
    return "unreachable"


def check(path: Path, history: History) -> State:
    """What a killed writer has left: a state it had acknowledged or announced, and no file that is not named."""
    states = history.since(history.acknowledged)
    with Store(path) as store:
        found = held(store)
        assert any(state.fits(found) for state in states), f"{found} is none of {states}"
        with Turn(path, store._db, store.files).taken():
            pass  # as the next writer does before anything else: it sweeps
        assert not litter(store), litter(store)
    return found


def killed(folder: Path, *, kills: int, readers: int, seed: int) -> tuple[int, list[str]]:
    """(kills that came in the middle of a change, what each reader says)."""
    work = Work(folder / "library", folder, State())
    work.do(Open())
    work.close()
    history, bell = History(folder / "history", work.state), Bell()
    Forked(warm_up).result()
    looking = [Forked(lambda i=i: Reader(work.path, history, seed + i).until(bell)) for i in range(readers)]
    rng, amid = np.random.default_rng(seed), 0
    for cycle in range(kills):
        writer = Forked(lambda cycle=cycle: _write(work, history, seed, cycle))
        if not writer.kill(after=rng.uniform(0.0, _SECONDS)):
            raise AssertionError("the writer ended by itself")
        amid += len(history.since(history.acknowledged)) > 1
        work.state = check(work.path, history)
        history.acknowledge(work.state)
    bell.ring()
    return amid, [each.result() for each in looking]


def main(folder: Path, kills: int, readers: int) -> None:
    amid, said = killed(folder, kills=kills, readers=readers, seed=1)
    answers = sum(int(each) for each in said if each.isdigit())
    faults = [each for each in said if not each.isdigit()]
    sys.stdout.write(f"{kills} kills, {amid} amid a change, {answers} answers, {len(faults)} faults\n")
    sys.stdout.writelines(f"{fault}\n" for fault in faults)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
