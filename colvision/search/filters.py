"""Which pages may be found: conditions on documents, pages and metadata, joined by AND and OR.

`Filter.of({"machine": "pump", "year": {">=": 2010}})`, or a text: see `parse_filter`. Filters cut pages before they are
scored and never change a page's score.
"""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from colvision.core.metadata import Scalar
from colvision.store.records import DocumentRow

Mask = NDArray[np.bool_]
Condition = Scalar | Sequence[Scalar] | Mapping[str, Scalar | Sequence[Scalar]]

DOCUMENT, PAGE = "document", "page"  # fields that every page has: its document's name or id, and its number from 1
_OPERATORS: Mapping[str, Callable[[Scalar, Scalar], bool]] = MappingProxyType(
    {
        "=": operator.eq,
        "!=": operator.ne,
        ">=": operator.ge,
        "<=": operator.le,
        ">": operator.gt,
        "<": operator.lt,
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What filters look at: the documents, and for each page (pages,) its document's place there and its number."""

    documents: Sequence[DocumentRow]
    document: NDArray[np.int64]
    page: NDArray[np.int32]


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
        """(pages,) True where the condition holds. Raises `ValueError` for a field that no document has."""

    def __and__(self, other: "Filter") -> "Filter":
        return AllOf((self, other))

    def __or__(self, other: "Filter") -> "Filter":
        return AnyOf((self, other))


@dataclass(frozen=True, slots=True)
class Compare(Filter):
    """A field against values, of which one is enough (all must differ for `!=`).

    Texts are equal whatever their case; a text and a number are never equal and have no order. A document without the
    field matches no condition on it.
    """

    field: str
    sign: str
    values: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        if self.sign not in _OPERATORS:
            raise ValueError(f"filter on {self.field!r}: no operator {self.sign!r}; use one of {' '.join(_OPERATORS)}")
        if not self.values:
            raise ValueError(f"filter on {self.field!r}: give at least one value")

    def mask(self, columns: Columns) -> Mask:
        if self.field == PAGE:
            numbers = np.unique(columns.page)
            kept = numbers[[self._holds(number) for number in numbers.tolist()]] if len(numbers) else numbers
            return np.isin(columns.page, kept)
        wanted = np.array([self._wants(row) for row in columns.documents], dtype=np.bool_)  # (documents,)
        self._check_field(columns.documents)
        return wanted[columns.document]

    def _wants(self, row: DocumentRow) -> bool:
        if self.field == DOCUMENT:
            holds = self._holds(row.name), self._holds(row.id)
            return all(holds) if self.sign == "!=" else any(holds)
        return self.field in row.metadata and self._holds(row.metadata[self.field])

    def _holds(self, value: Scalar) -> bool:
        if self.sign == "!=":
            return all(_compares(value, "!=", other) for other in self.values)
        return any(_compares(value, self.sign, other) for other in self.values)

    def _check_field(self, documents: Sequence[DocumentRow]) -> None:
        if self.field == DOCUMENT or not documents or any(self.field in row.metadata for row in documents):
            return
        known = sorted({name for row in documents for name in row.metadata})
        raise ValueError(
            f"no document has metadata {self.field!r}; filters here know {', '.join([DOCUMENT, PAGE, *known])}"
        )


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


@dataclass(frozen=True, slots=True)
class AnyOf(Filter):
    """One part is enough."""

    parts: tuple[Filter, ...]

    def mask(self, columns: Columns) -> Mask:
        holds: Mask = np.logical_or.reduce([part.mask(columns) for part in self.parts])
        return holds


def _values(value: Scalar | Sequence[Scalar]) -> tuple[Scalar, ...]:
    return (value,) if isinstance(value, Scalar) else tuple(value)


def _compares(value: Scalar, sign: str, other: Scalar) -> bool:
    """Truth values are a kind of their own here: in Python `True == 1`."""
    if _kind(value) is not _kind(other):
        return sign == "!="
    if isinstance(value, str) and isinstance(other, str):
        value, other = value.casefold(), other.casefold()
    return bool(_OPERATORS[sign](value, other))


def _kind(value: Scalar) -> type:
    if isinstance(value, bool):
        return bool
    return str if isinstance(value, str) else float
