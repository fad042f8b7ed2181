"""What an engine is to the export and to a search, and the pages that it is given."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats, PatchGrid
from colvision.core.encoder import EncoderInfo
from colvision.core.first_stage import FirstStage, FoundPage
from colvision.errors import MissingExtra
from colvision.maxsim.quantisation import Codes
from colvision.store.records import DocumentRow

PATCHES, POOLED_ROWS = "patches", "pooled_rows"  # the names of vectors in every engine
FIELDS = ("document_id", "document", "folder", "page", "facts", "encoder")  # what stands beside them
_UNPLACED = 32  # vectors without a cell that are joined into one, in their order: as many as a row has or so


@dataclass(frozen=True, slots=True, eq=False)
class ExportedPage:
    """A page as it is exported. `codes` (n, dim) int8 are the library's own: MaxSim over them, as whole numbers, times
    quantisation_range / 127 is the library's score. `facts` are the document's metadata as `name=value`.
    """

    id: str
    document_id: str
    document: str
    folder: str
    page: int
    facts: tuple[str, ...]
    encoder: str
    codes: Codes
    grid: PatchGrid

    @property
    def fields(self) -> dict[str, str | int | list[str]]:
        """Its `FIELDS`, as JSON has them."""
        named = ((name, getattr(self, name)) for name in FIELDS)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in named}

    @property
    def pooled_rows(self) -> Floats:
        """(r, dim) the mean of the vectors of each row of the grid; those without a cell, 32 at a time."""
        row = self.grid.first_cells(len(self.codes))[:, 0]  # (n,)
        unplaced = np.flatnonzero(row < 0)
        row[unplaced] = self.grid.rows + np.arange(len(unplaced)) // _UNPLACED
        is_of = (row == np.unique(row)[:, None]).astype(np.float32)  # (r, n)
        means: Floats = is_of @ self.codes.astype(np.float32) / is_of.sum(axis=1, keepdims=True)
        return means

    @property
    def pooled(self) -> Floats:
        """(dim,) the mean of all its vectors, of unit length."""
        return unit_mean(self.codes.astype(np.float32))


class Engine(FirstStage, Protocol):
    """An engine that pages are written to, or that is asked, at one place of its own."""

    @property
    def most_numbers(self) -> int | None:
        """How many numbers the vectors of one page may hold together; None for any."""
        ...

    def prepare(self, info: EncoderInfo) -> None:
        """Makes the place unless it is there. Raises `LibraryError` for one that cannot hold such vectors."""
        ...

    def ids(self) -> Iterator[str]:
        """Of the pages that it holds."""
        ...

    def write(self, pages: Sequence[ExportedPage]) -> None:
        """Stores pages; one whose id it holds already is written over."""
        ...

    def remove(self, ids: Sequence[str]) -> None: ...

    def finish(self) -> None:
        """After the last change."""
        ...

    def close(self) -> None: ...


def page_id(row: DocumentRow, page: int, codes_sum: int, *, fingerprint: str, folder: str) -> str:
    """A UUID: the first half is the document's id, the second tells this page, as it is now, from all others.

    So a page that has changed in anything that is exported is another one, and the old one is removed.
    """
    known = [fingerprint, row.sha256, row.name, folder, page, codes_sum, *facts_of(row)]
    version = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]
    return str(UUID(hex=f"{row.id}{version}"))


def document_of_id(page: str) -> str:
    """The document's id that a page's id begins with."""
    return UUID(page).hex[:16]


def facts_of(row: DocumentRow) -> tuple[str, ...]:
    return tuple(f"{name}={value}" for name, value in sorted(row.metadata.items()))


def found_page(fields: Mapping[str, object], score: float) -> FoundPage:
    """Of the fields that an engine gives back; some have no whole numbers."""
    return FoundPage(str(fields["document_id"]), int(float(str(fields["page"]))), float(score), str(fields["encoder"]))


def unit_mean(vectors: Floats) -> Floats:
    """(n, dim) -> (dim,)"""
    mean = vectors.mean(axis=0)
    unit: NDArray[np.float32] = (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)
    return unit


def require(extra: str, package: str) -> None:
    """Raises `MissingExtra` where an engine's client library is not installed."""
    if find_spec(package) is None:
        raise MissingExtra(f"{extra} needs {package}, not installed here: pip install 'colvision[{extra}]'")
