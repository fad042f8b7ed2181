"""A writer that is killed at random moments, beside readers: `python -m tests.faults.kills FOLDER KILLS READERS`.

Prints a line of counts and every fault that a reader found; raises when a kill has cost what was acknowledged.
"""

import sys
from pathlib import Path

import numpy as np

from colvision.store import Store
from colvision.store.writer_lock import WriterLock
from tests.faults.crowd import Crowd, print_counts
from tests.faults.history import History
from tests.faults.processes import Forked
from tests.faults.state import State, leftovers, read_state
from tests.faults.work import filled, random_steps

_SECONDS = 0.4  # a writer lives no longer: it makes five to ten changes meanwhile


def _fill(crowd: Crowd) -> str:
    """With shards that have inverted lists: where the machine is slow no writer lives long enough to make some."""
    crowd.work.open()
    for step in (*filled("a", "a.3.0"), *filled("b", "b.2.0")):
        crowd.change(step)
    crowd.work.close()
    return ""


def _write(crowd: Crowd, seed: int, cycle: int) -> str:
    """Changes a library until it is killed."""
    crowd.work.open()
    for step in random_steps(np.random.default_rng([seed, cycle]), crowd.work.state, cycle):
        crowd.change(step)
    return "unreachable"


def check(path: Path, history: History) -> State:
    """What a killed writer has left: a state it had acknowledged or announced, and no file that is not named."""
    states = history.since(history.acknowledged)
    with Store(path) as store:
        found = read_state(store)
        assert any(state.fits(found) for state in states), f"{found} is none of {states}"
        with WriterLock(path, store._db, store.files).acquire():
            pass  # as the next writer does before anything else: it sweeps
        assert not leftovers(store), leftovers(store)
    return found


def main(folder: Path, kills: int, readers: int, seed: int = 1) -> None:
    crowd = Crowd(folder, readers=readers, seed=seed)
    work, history = crowd.work, crowd.history
    Forked(lambda: _fill(crowd)).result()
    work.state = check(work.path, history)
    rng, amid = np.random.default_rng(seed), 0
    for cycle in range(kills):
        writer = Forked(lambda cycle=cycle: _write(crowd, seed, cycle))
        if cycle % 2:  # the others may die while they open the library: all of them, where the machine is slow
            history.wait_for_more()
        if not writer.kill(after=rng.uniform(0.0, _SECONDS)):
            raise AssertionError("the writer ended by itself")
        amid += len(history.since(history.acknowledged)) > 1
        work.state = check(work.path, history)
        history.acknowledge(work.state)
    print_counts(f"{kills} kills, {amid} amid a change", crowd.stop_readers())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
