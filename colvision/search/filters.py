"""Which pages may be found: conditions on documents, pages and metadata, joined by AND and OR.

`Filter.of({"machine": "pump", "year": {">=": 2010}})`, or a text: see `parse_filter`. Filters cut pages before they are
scored and never change a page's score.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colvision.core.metadata import DOCUMENT, FIELDS, FOLDER, PAGE, SIGNS, Scalar, holds, number_of
from colvision.core.names import normal_name, path_parts
from colvision.errors import DocumentNotFound
from colvision.store.identity import has_copy_named, is_called, lies_in
from colvision.store.records import DocumentRow

Mask = NDArray[np.bool_]
Condition = Scalar | Sequence[Scalar] | Mapping[str, Scalar | Sequence[Scalar]]

# What is meant by a text, of the fields that every document has.
_MEANT: Mapping[str, Callable[[DocumentRow, str], bool]] = {DOCUMENT: is_called, FOLDER: lies_in}


class Finding(NamedTuple):
    """That documents have what a filter names: the `value` of `document` or `folder`, or any fact called `field`."""

    field: str
    value: str = ""
    is_copy: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What filters look at: the documents, and for each page (pages,) its document's place there and its number.

    `findings` are those of the collection that this one is a part of.
    """

    documents: Sequence[DocumentRow]
    document: NDArray[np.int64]
    page: NDArray[np.int32]
    findings: frozenset[Finding] = frozenset()


class Filter(ABC):
    """A condition on pages. `&` joins two that must both hold, `|` two of which one is enough."""

    __slots__ = ()

    @staticmethod
    def of(conditions: Mapping[str, Condition]) -> "Filter":
        """All of the conditions: a value, a list of values of which one is enough, or operators with values.

        `{"machine": ["pump", "fan"], "year": {">=": 2010, "<": 2020}, "page": 3}`. Raises `ValueError` for none at all,
        for an operator that there is not and for an empty list.
        """
        if not conditions:
            raise ValueError("a filter needs at least one condition, for example {'machine': 'pump'}")
        parts: list[Filter] = []
        for field, condition in conditions.items():
            tests = condition if isinstance(condition, Mapping) else {"=": condition}
            parts += [Compare(field, sign, _values(value)) for sign, value in tests.items()]
        return AllOf(tuple(parts))

    @abstractmethod
    def mask(self, columns: Columns) -> Mask:
        """(pages,) True where the condition holds.

        Raises `ValueError` for a field that no document has and for a folder that none came from, `DocumentNotFound`.
        """

    def findings(self, documents: Sequence[DocumentRow]) -> frozenset[Finding]:
        """What of all that the filter names these documents have."""
        return frozenset()

    def __and__(self, other: "Filter") -> "Filter":
        return AllOf((self, other))

    def __or__(self, other: "Filter") -> "Filter":
        return AnyOf((self, other))


@dataclass(frozen=True, slots=True)
class Compare(Filter):
    """A field against values, of which one is enough (all must differ for `!=`).

    `document` is a name, an id or the end of the path that a document came from, `folder` one that it came from or that
    is above that, `page` a number from 1, any other field a fact, compared by `holds`. A document without the fact
    matches no condition on it.
    """

    field: str
    sign: str
    values: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "field", normal_name(self.field))
        allowed = SIGNS[:2] if self.field in _MEANT else SIGNS
        if self.sign not in allowed:
            raise ValueError(f"filter on {self.field!r}: no operator {self.sign!r}; use one of {' '.join(allowed)}")
        if not self.values:
            raise ValueError(f"filter on {self.field!r}: give at least one value")
        if self.field == PAGE and None in map(number_of, self.values):
            raise ValueError(f"filter on 'page': {self.values[0]!r} is no number of a page")

    def mask(self, columns: Columns) -> Mask:
        if self.field == PAGE:
            numbers = np.unique(columns.page)
            kept = numbers[[self._holds(number) for number in numbers.tolist()]] if len(numbers) else numbers
            return np.isin(columns.page, kept)
        wanted = self._meant(columns) if self.field in _MEANT else self._noted(columns)
        return np.fromiter(wanted, np.bool_, len(columns.documents))[columns.document]

    def findings(self, documents: Sequence[DocumentRow]) -> frozenset[Finding]:
        if self.field == PAGE:
            return frozenset()
        if self.field not in _MEANT:
            return frozenset([Finding(self.field)] if any(self.field in row.metadata for row in documents) else [])
        found = [Finding(self.field, value) for value in map(str, self.values) if self._named(documents, value)]
        if self.field == DOCUMENT:
            found += [
                Finding(self.field, value, is_copy=True)
                for value in map(str, self.values)
                if any(has_copy_named(row, value) for row in documents)
            ]
        return frozenset(found)

    def _named(self, documents: Sequence[DocumentRow], value: str) -> set[int]:
        is_meant = _MEANT[self.field]
        return {row.key for row in documents if is_meant(row, value)}

    def _meant(self, columns: Columns) -> Iterator[bool]:
        """By `document` or `folder`, which must be there."""
        documents = columns.documents
        meant: set[int] = set()
        for value in map(str, self.values):
            found = self._named(documents, value)
            is_known = Finding(self.field, value) in columns.findings
            if self.field == DOCUMENT and not found and not is_known:
                found = {row.key for row in documents if has_copy_named(row, value)}
                is_known = Finding(self.field, value, is_copy=True) in columns.findings
            if not found and not is_known:
                raise self._unknown(value, documents)
            meant |= found
        return ((row.key in meant) == (self.sign == "=") for row in documents)

    def _noted(self, columns: Columns) -> Iterator[bool]:
        documents = columns.documents
        is_known = Finding(self.field) in columns.findings
        if documents and not is_known and not any(self.field in row.metadata for row in documents):
            known = sorted({name for row in documents for name in row.metadata})
            raise ValueError(
                f"no document has metadata {self.field!r}; filters here know {', '.join([*FIELDS, *known])}"
            )
        return (self.field in row.metadata and self._holds(row.metadata[self.field]) for row in documents)

    def _holds(self, value: Scalar) -> bool:
        each = (holds(value, self.sign, other) for other in self.values)
        return all(each) if self.sign == "!=" else any(each)

    def _unknown(self, value: str, documents: Sequence[DocumentRow]) -> ValueError | DocumentNotFound:
        if self.field == DOCUMENT:
            return DocumentNotFound(
                f"the filter names document {value!r}, which is not in this collection; the list of documents shows all"
            )
        known = sorted({parts[-2] for row in documents for parts in map(path_parts, row.paths) if len(parts) > 1})
        return ValueError(f"no document came from a folder {value!r}; they came from {', '.join(known) or 'uploads'}")


@dataclass(frozen=True, slots=True)
class PageRange(Filter):
    """Pages from `first` to `last`, both included."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last:
            raise ValueError(f"pages {self.first}-{self.last}: expected a range from 1 on, the smaller number first")

    def mask(self, columns: Columns) -> Mask:
        return (columns.page >= self.first) & (columns.page <= self.last)


@dataclass(frozen=True, slots=True)
class AllOf(Filter):
    """Every part must hold."""

    parts: tuple[Filter, ...]

    def mask(self, columns: Columns) -> Mask:
        holds: Mask = np.logical_and.reduce([part.mask(columns) for part in self.parts])
        return holds

    def findings(self, documents: Sequence[DocumentRow]) -> frozenset[Finding]:
        return frozenset[Finding]().union(*(part.findings(documents) for part in self.parts))


@dataclass(frozen=True, slots=True)
class AnyOf(Filter):
    """One part is enough."""

    parts: tuple[Filter, ...]

    def mask(self, columns: Columns) -> Mask:
        holds: Mask = np.logical_or.reduce([part.mask(columns) for part in self.parts])
        return holds

    def findings(self, documents: Sequence[DocumentRow]) -> frozenset[Finding]:
        return frozenset[Finding]().union(*(part.findings(documents) for part in self.parts))


def _values(value: Scalar | Sequence[Scalar]) -> tuple[Scalar, ...]:
    return (value,) if isinstance(value, Scalar) else tuple(value)
