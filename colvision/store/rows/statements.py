"""Statements for any table: insert a row, update its columns, read it as a value."""

from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from colvision.store.catalogue import Catalogue, Record, Value
from colvision.store.table import Table

_Value = TypeVar("_Value")


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def insert(db: Catalogue, table: Table, **values: Value) -> int:
    """Inserts a row with its checksum; returns its key."""
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    key = db.insert(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", tuple(values.values()))
    if table.is_checked(table.columns):
        db.execute(f"{table.set_checksum_sql} WHERE key = ?", [key])
    return key


def update(db: Catalogue, table: Table, key: int, **values: Value) -> None:
    """Updates columns of the row `key`, if there is one. A damaged row stays damaged, whatever is written into it."""
    checksums = table.is_checked(values)
    is_intact = checksums and db.all(f"SELECT 1 FROM {table.name} WHERE key = ? AND {table.is_intact_sql}", [key])
    db.execute(
        f"UPDATE {table.name} SET {', '.join(f'{name} = ?' for name in values)} WHERE key = ?", [*values.values(), key]
    )
    if is_intact:
        db.execute(f"{table.set_checksum_sql} WHERE key = ?", [key])


def value_of(kind: type[_Value], record: Record, **parsed: Any) -> _Value:  # noqa: ANN401  what fields hold
    """A record as a dataclass of this kind; `parsed` are the fields that differ from their columns."""
    record |= parsed
    names = _field_names(kind)  # type: ignore[arg-type]  # a class is hashable
    return kind(*map(record.__getitem__, names))


@cache
def _field_names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))
