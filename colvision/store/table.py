"""A table described once: the SQL that makes it, that checks its rows and that reads them by name comes from that.

SQLite finds a page of its file that has lost its structure, never a letter that has changed in a name. So rows that an
answer is made of carry a checksum of their columns, and are believed while it is right.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

CHECKSUM = "seal"  # the column's name since format 2; another name would rewrite every library for no reader


class Column(NamedTuple):
    """The SQL type of a column with its constraints, and whether the row's checksum covers it.

    `is_typed`: the checksum covers the type of the stored value as well, for SQL that compares it.
    """

    type: str
    is_checked: bool = True
    is_typed: bool = False


def unchecked(type_: str) -> Column:
    """A column that may change without the row's checksum: counters, states, where a page lies."""
    return Column(type_, is_checked=False)


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column is its `key`; `constraint` is what SQL says of several columns."""

    name: str
    columns: Mapping[str, Column]
    constraint: str = ""

    @property
    def create_sql(self) -> str:
        """The statement that makes the table."""
        lines = [f"{name} {column.type}" for name, column in self.columns.items()]
        lines += [f"{CHECKSUM} INTEGER"] * self.is_checked(self.columns) + [self.constraint] * bool(self.constraint)
        return f"CREATE TABLE {self.name} (\n    " + ",\n    ".join(lines) + "\n);\n"

    @property
    def checksum_sql(self) -> str:
        """An expression: what the checksum of a row should be. Text is cast to bytes, which survive a flipped bit."""
        covered: list[str] = []
        for name, column in self.columns.items():
            value = f"{self.name}.{name}"
            covered += [f"typeof({value})"] * column.is_typed
            covered += [f"CAST({value} AS BLOB)" if column.type.startswith("TEXT") else value] * column.is_checked
        return f"row_checksum({', '.join(covered)})"

    @property
    def is_intact_sql(self) -> str:
        """An expression: whether a row is what was written."""
        return f"({self.name}.{CHECKSUM} IS {self.checksum_sql})"

    @property
    def set_checksum_sql(self) -> str:
        """The statement that sets the checksums of rows, without its WHERE."""
        return f"UPDATE {self.name} SET {CHECKSUM} = {self.checksum_sql}"

    def is_checked(self, columns: Iterable[str]) -> bool:
        """Whether any of these columns is covered by the checksum."""
        return any(self.columns[name].is_checked for name in columns)

    def select(self, join: str = "", **computed: str) -> str:
        """SELECT of every column, of what is `computed` (name to SQL) and of `is_intact`, without its WHERE."""
        columns = {name: f"{self.name}.{name}" for name in self.columns} | computed | {"is_intact": self.is_intact_sql}
        return f"SELECT {', '.join(f'{sql} AS {name}' for name, sql in columns.items())} FROM {self.name} {join}"


def row_checksum(*values: str | int | float | bytes | None) -> int:
    """The SQL function of the same name: a checksum of a row's columns, with text as bytes."""
    encoded = tuple(value.encode() if isinstance(value, str) else value for value in values)
    return zlib.crc32(repr(encoded).encode())


def text_checksum(text: str | bytes | None) -> int | None:
    """A checksum of a page's text, or of its packed words; the SQL function of the same name, which is given bytes."""
    if not text:
        return None
    return zlib.crc32(text.encode() if isinstance(text, str) else text)
