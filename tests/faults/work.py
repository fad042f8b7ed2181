"""Work on a library in steps: each is one acknowledged change, which says beforehand what it will lead to."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from colvision.errors import DocumentNotFound
from colvision.maxsim import inverted_lists
from colvision.store import Store
from colvision.store.documents import PendingDocument
from colvision.store.identity import SourceFile
from colvision.store.records import INGESTING, READY
from tests.faults.state import ENCODERS, State, StoredDocument, encoded

_REASON = "it could not be read"
_NAMES = ("a", "b", "c", "d", "e", "f", "g", "h")
OTHER = (1, 0)  # by encoder: who encodes again


class Work:
    """The library at `path`, and what it is to hold by what was acknowledged; `sources` is where files come from.

    After `checkpoint` pages of SQLite's log it copies them into the catalogue: its own default, 1,000, is more than a
    short piece of work writes.
    """

    def __init__(self, path: Path, sources: Path, state: State, *, checkpoint: int = 1000) -> None:
        self.path, self.sources, self.state = path, sources, state
        self._checkpoint = checkpoint
        self._store: Store | None = None
        self.pending: dict[str, PendingDocument] = {}
        self.is_again = False  # the step was tried before and failed: what it was to remove may be gone

    @property
    def is_open(self) -> bool:
        return self._store is not None

    @property
    def store(self) -> Store:
        assert self._store is not None
        return self._store

    def open(self) -> None:
        self.close()
        self._store = Store(self.path)
        # A setting of SQLite's connection, which a library has no word for.
        self._store._db.execute(f"PRAGMA wal_autocheckpoint = {self._checkpoint}")

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def do(self, step: "Step") -> None:
        """Does a step, and takes it as acknowledged; raises what the library raises."""
        after = step.after(self.state)
        step.do(self)
        for name, pending in self.pending.items():
            document = after.get(name)
            if document is not None and not document.id:
                after = after.put(replace(document, id=pending.document_id))
        self.state = after
        self.is_again = False


class Step(Protocol):
    def after(self, state: State) -> State:
        """The state that it leads to, with the id "" for a document that gets a new one."""

    def do(self, work: Work) -> None: ...


@dataclass(frozen=True, slots=True)
class Open:
    """Opens the library, or closes and opens it again."""

    def after(self, state: State) -> State:
        return state

    def do(self, work: Work) -> None:
        work.open()


@dataclass(frozen=True, slots=True)
class Begin:
    name: str
    version: str

    def after(self, state: State) -> State:
        return state if state.get(self.name) else state.put(StoredDocument(self.name, self.version, "", INGESTING))

    def do(self, work: Work) -> None:
        file = work.sources / self.name
        file.write_text(self.version)
        source_file = SourceFile("default", self.name, f"/manuals/{self.name}", upload=False, replace=False)
        info = ENCODERS[work.state.encoder].info
        work.pending[self.name] = work.store.pending.begin(
            file, source_file, info, pages=pages_of(self.version), renderer="toy"
        )


@dataclass(frozen=True, slots=True)
class Commit:
    """Stores pages of a document, or of its replacement, which shows nothing of them yet; `failed` are unreadable."""

    name: str
    version: str
    pages: tuple[int, ...]
    failed: tuple[int, ...] = ()

    def after(self, state: State) -> State:
        document = state.get(self.name)
        assert document is not None
        if document.version != self.version:
            return state
        pages, failed = sorted({*document.pages, *self.pages}), sorted({*document.failed, *self.failed})
        return state.put(replace(document, pages=tuple(pages), failed=tuple(failed)))

    def do(self, work: Work) -> None:
        encoder = work.state.encoder
        pages = [encoded(self.version, number, encoder) for number in self.pages]
        failed = [(number, _REASON) for number in self.failed]
        work.store.writer.commit(work.pending[self.name], pages, ENCODERS[encoder].info, failed=failed)


@dataclass(frozen=True, slots=True)
class Finish:
    """Completes a document, all pages of which are stored or failed; a replacement takes its place."""

    name: str
    version: str
    failed: tuple[int, ...] = ()

    def after(self, state: State) -> State:
        document = state.get(self.name)
        assert document is not None
        identity = document.id if document.version == self.version else ""
        return state.put(complete(StoredDocument(self.name, self.version, identity, READY, failed=self.failed)))

    def do(self, work: Work) -> None:
        assert work.store.writer.finish(work.pending[self.name]) == ""


@dataclass(frozen=True, slots=True)
class Delete:
    name: str

    def after(self, state: State) -> State:
        return state.drop(self.name)

    def do(self, work: Work) -> None:
        work.pending.pop(self.name, None)
        try:
            work.store.writer.delete(work.store.find(self.name))
        except DocumentNotFound:
            assert work.is_again, "deleted before it was asked for"


@dataclass(frozen=True, slots=True)
class Compact:
    """Merges shards and drops what is dead: nothing that is stored changes."""

    def after(self, state: State) -> State:
        return state

    def do(self, work: Work) -> None:
        work.store.compact()
        snapshot = work.store.snapshot("default")
        if inverted_lists.has_lists(ENCODERS[work.state.encoder].info, snapshot.pages):
            assert all(part.centroids is not None for part in snapshot.shards), "a shard without inverted lists"


@dataclass(frozen=True, slots=True)
class Reencoding:
    """Encodes every document again, one commit each, beside the old codes; nothing shows before `Swap`."""

    def after(self, state: State) -> State:
        return state

    def do(self, work: Work) -> None:
        encoder = OTHER[work.state.encoder]
        info, store = ENCODERS[encoder].info, work.store
        key = store.reencoding.begin("default", info)
        while pending := store.reencoding.open_next(key):
            document = work.state.get(pending.row.name)
            assert document is not None
            fresh = [encoded(document.version, n, encoder) for n in complete(document).pages if n in pending.missing]
            failed = [(number, _REASON) for number in document.failed if number in pending.missing]
            store.writer.commit(pending, fresh, info, failed=failed)
            store.writer.finish(pending)


@dataclass(frozen=True, slots=True)
class Swap:
    """Puts the new codes in the place of the old, and completes what was not."""

    def after(self, state: State) -> State:
        return State(tuple(complete(document) for document in state.documents), OTHER[state.encoder])

    def do(self, work: Work) -> None:
        is_swapped = work.store.reencoding.swap(work.store.collection("default").key)
        assert is_swapped or work.is_again


def pages_of(version: str) -> int:
    """How many pages a version of a document has: its second part says so."""
    return int(version.split(".")[1])


def complete(document: StoredDocument) -> StoredDocument:
    pages = tuple(number for number in range(1, pages_of(document.version) + 1) if number not in document.failed)
    return replace(document, state=READY, pages=pages)


def filled(name: str, version: str, *, failed: tuple[int, ...] = ()) -> Iterator[Step]:
    """A document, or its replacement, with a commit a page."""
    good = [number for number in range(1, pages_of(version) + 1) if number not in failed]
    yield Begin(name, version)
    for number in good[:-1]:
        yield Commit(name, version, (number,))
    yield Commit(name, version, (good[-1],), failed)
    yield Finish(name, version, failed)


def everything() -> Iterator[Step]:
    """Every kind of change once, in an order in which each finds what it needs."""
    yield Open()
    yield from filled("a", "a.3.0")
    yield from filled("b", "b.2.0", failed=(2,))
    yield from filled("a", "a.2.1")
    yield Open()
    yield Delete("b")
    yield from filled("c", "c.1.0")
    yield Compact()
    yield Reencoding()
    yield Swap()
    yield from filled("b", "b.1.1")
    yield Open()
    yield Delete("a")
    yield Compact()


def random_steps(rng: np.random.Generator, state: State, marker: int) -> Iterator[Step]:
    """Random changes without end, from a given state on; `marker` makes the versions' names new."""
    for count in itertools.count():
        for step in _choice(rng, state, f"{marker}.{count}"):
            state = step.after(state)
            yield step


def _choice(rng: np.random.Generator, state: State, marker: str) -> Iterable[Step]:
    name = str(rng.choice(_NAMES))
    document = state.get(name)
    draw = rng.random()
    if draw < 0.05:
        return [Reencoding(), Swap()]
    if draw < 0.1:
        return [Compact()]
    if draw < 0.15:
        return [Open()]
    if document is not None and draw < 0.35:
        return [Delete(name)]
    if document is not None and document.state != READY and draw < 0.7:  # a kill has left it incomplete
        return filled(name, document.version)
    return filled(name, f"{name}.{rng.integers(1, 5)}.{marker}")
