"""Damages a library's files at random and looks at what it then says: `python -m tests.faults.damage FOLDER TRIALS`.

Prints, for every kind of file, how often nothing came of it, pages were missing and were named, the library was refused
in words, or a lost log took it back to an earlier state, which was named; and every fault: an answer that is wrong, a
loss that `verify` does not name, a file that the next writer removed for it, an exception that is not one of ours.
"""

import hashlib
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from colvision.errors import ColvisionError, LibraryDamaged, LibraryFormat
from colvision.library import Library
from colvision.store import Store
from tests.faults.reader import MODES, QUERIES, fits, found_in, is_within, similarities
from tests.faults.state import ENCODERS, State, encoded
from tests.faults.work import Compact, Open, Step, Work, filled

KINDS = {
    "catalogue": "catalog.sqlite",
    "log": "catalog.sqlite-wal",
    "mark": "catalog.reached",
    "shard": "shards/*",
    "original": "files/*",
    "page image": "pages/*/*.jpg",
}
_BLOCK = 512  # bytes: what a disk loses at once
_ALL = 1000


@dataclass(frozen=True, slots=True)
class Base:
    """A library that was left as it is: `states` are those it went through, the newest last."""

    path: Path
    states: tuple[State, ...]


def _steps() -> Iterator[Step]:
    yield Open()
    yield from filled("a", "a.3.0")
    yield from filled("b", "b.2.0")
    yield Compact()  # all shards have the newest lists: what comes after rewrites none of them
    yield Open()  # closing has copied the log into the catalogue: from here on it is new
    yield from filled("c", "c.1.0")
    yield from filled("d", "d.2.0")


def make(folder: Path) -> list[Base]:
    """One library whose newest changes are in SQLite's log, as a killed process leaves it, and one that was closed."""
    work, states = Work(folder / "library", folder, State()), [State()]
    for step in _steps():
        work.do(step)
        states.append(work.state)
    open_, closed = folder / "open", folder / "closed"
    shutil.copytree(work.path, open_, ignore=shutil.ignore_patterns("*-shm"))
    work.close()
    shutil.copytree(work.path, closed)
    return [Base(open_, tuple(states)), Base(closed, (work.state,))]


def harm(path: Path, rng: np.random.Generator) -> str:
    """Damages a file in one of the ways that disks and people do; says how."""
    data = bytearray(path.read_bytes())
    place = int(rng.integers(len(data)))
    way = str(rng.choice(["flip", "flip", "flip", "zeros", "cut", "empty", "remove"]))
    if way == "flip":
        data[place] ^= 1 << int(rng.integers(8))
    elif way == "zeros":
        begin = place - place % _BLOCK
        data[begin : begin + _BLOCK] = bytes(len(data[begin : begin + _BLOCK]))
    elif way in ("cut", "empty"):
        del data[place if way == "cut" else 0 :]
    path.write_bytes(data)
    if way == "remove":
        path.unlink()
    return f"{way} {path.parent.name}/{path.name} at {place}"


class Look:
    """Asks a damaged library for everything it should hold."""

    def __init__(self, path: Path, states: tuple[State, ...], *, harmed: Path) -> None:
        self._path, self._states, self._harmed = path, states, harmed
        self._missing = 0
        self.modes: set[str] = set()  # that answers were found in

    def outcome(self) -> str:
        """Raises `AssertionError` for a fault."""
        try:
            with Library(Store(self._path), ENCODERS[0]) as library:
                state = self._state(library)
                self._answers(library, state)
                self._pages(library, state)
                named = library.verify().found
                if self._missing:
                    self._check_named({damage.path for damage in named})
                    return "missing"
                if state != self._states[-1]:
                    assert any(damage.kind == "log" for damage in named), "an earlier state, and not a word"
                    return "earlier"
                return "named" if named else "nothing"
        except (LibraryDamaged, LibraryFormat) as error:
            assert "catalog.sqlite" in str(error), f"refused without naming the file: {error}"
            return "refused"

    def _check_named(self, paths: set[Path]) -> None:
        """A damaged file by its path; a damaged catalogue may show in whatever it names."""
        is_catalogue = self._harmed.parent == self._path
        assert paths if is_catalogue else self._harmed in paths, f"{self._missing} losses, named {paths}"

    def _state(self, library: Library) -> State:
        """The newest state that the list of documents fits; documents that are missing must be known to be."""
        listed = [(each.name, each.id, each.stored) for each in library.documents()]
        for state in reversed(self._states):
            if listed == [(document.name, document.id, len(document.pages)) for document in state.documents]:
                return state
        newest = self._states[-1]
        listed = [(each.name, each.id, each.stored) for each in library.documents() if each.state != "damaged"]
        known = {(document.name, document.id) for document in newest.documents}
        assert {(name, id_) for name, id_, _ in listed} <= known, f"documents {listed}"
        self._missing += len(newest.documents) - len(listed)
        return newest

    def _answers(self, library: Library, state: State) -> None:
        for text, mode in product(QUERIES, MODES):
            answer = library.search(text, k=_ALL, mode=mode)
            self.modes.add(answer.mode)
            if any(fits(answer, similarities(each, text)) for each in (state, *self._states)):
                continue
            found, whole = found_in(answer), similarities(state, text)
            assert found.keys() <= whole.keys(), f"{sorted(found)} of {sorted(whole)}"
            assert is_within(found, whole), f"wrong similarities for {text!r}: {found}"
            self._missing += 1

    def _pages(self, library: Library, state: State) -> None:
        for document in state.documents:
            for number in document.pages:
                page = encoded(document.version, number, 0)
                try:
                    text = library.page_text(document.id, number)
                    page_image = library.page_image_path(document.id, number).read_bytes()
                    original = library.original_path(document.id).read_text(errors="replace")
                except (ColvisionError, FileNotFoundError):
                    self._missing += 1
                    continue
                assert text == page.text.text, f"the text of page {number} of {document.name} is {text!r}"
                self._missing += (page_image != page.jpeg) + (original != document.version)


def contents(library: Path) -> Counter[str]:
    """The digests of all that lies beside the catalogue."""
    folders = (library / name for name in ("shards", "files", "pages", "lost"))
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)


def check_next_writer(library: Path) -> None:
    """Who adds a document to a library that was set back removes nothing. Raises `AssertionError`."""
    before = contents(library)
    work = Work(library, library.parent, State())
    for step in (Open(), *filled("z", "z.1.0")):
        work.do(step)
    work.close()
    assert not before - contents(library), "files were removed"


def trial(folder: Path, base: Base, kind: str, seed: int) -> tuple[str, str]:
    """(outcome, fault): damages one file of a copy of a library; ("", "") where it has no such file."""
    library, rng = folder / "damaged", np.random.default_rng(seed)
    shutil.rmtree(library, ignore_errors=True)
    shutil.copytree(base.path, library)
    files = sorted(library.glob(KINDS[kind]))
    if not files:
        return "", ""
    harmed = files[int(rng.integers(len(files)))]
    how = harm(harmed, rng)
    # Only a lost log may take a library back: SQLite says nothing of what it has lost.
    states = base.states if kind == "log" else base.states[-1:]
    try:
        outcome = Look(library, states, harmed=harmed).outcome()
        if kind == "log":
            check_next_writer(library)
        return outcome, ""
    except Exception as error:  # noqa: BLE001 (which errors come through is what this asks)
        return "fault", f"{how} (seed {seed}): {error!r}"


def main(folder: Path, trials: int) -> None:
    bases, counts, faults = make(folder), Counter[tuple[str, str]](), list[str]()
    for seed in range(trials):
        kind = list(KINDS)[seed % len(KINDS)]
        outcome, fault = trial(folder, bases[seed // len(KINDS) % len(bases)], kind, seed)
        if outcome:
            counts[kind, outcome] += 1
        faults += [fault] * bool(fault)
    for kind in KINDS:
        found = {outcome: n for (of, outcome), n in sorted(counts.items()) if of == kind}
        sys.stdout.write(f"{kind}: {', '.join(f'{n} {outcome}' for outcome, n in found.items())}\n")
    sys.stdout.write(f"{sum(counts.values())} damaged files, {len(faults)} faults\n")
    sys.stdout.writelines(f"{fault}\n" for fault in faults)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
