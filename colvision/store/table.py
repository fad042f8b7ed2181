"""A table described once: what makes it, the checksum of its rows, and how they are read by name come from that.

SQLite finds a page of its file that lost its shape, never a letter that has changed in a name. So rows that an answer
is made of carry a checksum of their columns, and are believed while it is right.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

CHECKSUM = "seal"  # the column's name since format 2; another would rewrite every library for nobody who reads it


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
    def create(self) -> str:
        """The statement that makes it."""
        lines = [f"{name} {column.type}" for name, column in self.columns.items()]
        lines += [f"{CHECKSUM} INTEGER"] * self.is_checked(self.columns) + [self.constraint] * bool(self.constraint)
        return f"CREATE TABLE {self.name} (\n    " + ",\n    ".join(lines) + "\n);\n"

    @property
    def checksum(self) -> str:
        """SQL for what the checksum of a row should be. Text is taken as bytes: a flipped bit may leave it no text."""
        covered: list[str] = []
        for name, column in self.columns.items():
            place = f"{self.name}.{name}"
            covered += [f"typeof({place})"] * column.is_typed
            covered += [f"CAST({place} AS BLOB)" if column.type.startswith("TEXT") else place] * column.is_checked
        return f"row_checksum({', '.join(covered)})"

    @property
    def is_intact(self) -> str:
        """SQL for whether a row is what was written."""
        return f"({self.name}.{CHECKSUM} IS {self.checksum})"

    @property
    def set_checksum(self) -> str:
        """The statement that notes the checksums of rows, without its WHERE."""
        return f"UPDATE {self.name} SET {CHECKSUM} = {self.checksum}"

    def is_checked(self, columns: Iterable[str]) -> bool:
        """Whether any of these columns is covered by the checksum."""
        return any(self.columns[name].is_checked for name in columns)

    def select(self, join: str = "", **computed: str) -> str:
        """SELECT of every column, of what is `computed` (name to SQL) and of `is_intact`, without its WHERE."""
        wanted = {name: f"{self.name}.{name}" for name in self.columns} | computed | {"is_intact": self.is_intact}
        return f"SELECT {', '.join(f'{sql} AS {name}' for name, sql in wanted.items())} FROM {self.name} {join}"


def row_checksum(*values: str | int | float | bytes | None) -> int:
    """The SQL function of the same name: a checksum of a row's columns, with text as bytes."""
    plain = tuple(value.encode() if isinstance(value, str) else value for value in values)
    return zlib.crc32(repr(plain).encode())


def text_checksum(text: str | bytes | None) -> int | None:
    """A checksum of a page's text; the SQL function of the same name, which is given text as bytes."""
    if not text:
        return None
    return zlib.crc32(text.encode() if isinstance(text, str) else text)
