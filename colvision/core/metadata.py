"""Metadata that its owner gives a document: facts, names with texts, numbers or truth values, that filters ask for.

What is typed is kept as it was typed, a text; numbers and truth values come from Python alone. What a value counts as
is decided where two are compared, by `holds`.
"""

import json
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from colvision.core.names import name_key, normal_name

Scalar = str | int | float | bool
Metadata = Mapping[str, Scalar]

DOCUMENT, FOLDER, PAGE = FIELDS = "document", "folder", "page"  # what filters know of every page: names of no fact
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")  # 007 is a name, no number
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
)
SIGNS = ("=", "!=", *_ORDERS)


class FactChange(NamedTuple):
    """A fact that an ingest has changed; None: there was none before, or there is none any more."""

    name: str
    before: Scalar | None
    after: Scalar | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.name}: {self.after}"
        return f"{self.name}: {self.before} -> {'nothing' if self.after is None else self.after}"


def check_metadata(metadata: Metadata) -> dict[str, Scalar]:
    """What somebody gives, with names and texts in their normal form.

    Raises `ValueError` for a name that is no text, is empty or that filters use themselves, and for a value of another
    kind.
    """
    normal = _normal(metadata)
    for name in normal:
        if name_key(name) in FIELDS:
            raise ValueError(
                f"metadata cannot be named {name!r}: filters ask for the {name_key(name)} itself by that name; "
                "choose another one"
            )
    return normal


def metadata_text(metadata: Metadata) -> str:
    """The JSON under which metadata is stored: equal for equal metadata. Raises `ValueError` for what cannot be."""
    return json.dumps(_normal(metadata), sort_keys=True, ensure_ascii=False)


def merge_metadata(known: Metadata, given: Metadata) -> dict[str, Scalar]:
    """What is known with what is given: only facts that are given change, and an empty text removes one.

    A number or a truth value that is typed as it is shown stays what it is.
    """
    changed = {name: value for name, value in given.items() if name not in known or str(known[name]) != value}
    return {name: value for name, value in {**known, **changed}.items() if value != ""}


def changes(before: Metadata, after: Metadata) -> tuple[FactChange, ...]:
    """The facts that differ, also in their kind alone, in the order of their names."""
    return tuple(
        FactChange(name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if repr(before.get(name)) != repr(after.get(name))  # 1 is not True
    )


def parse_metadata(pairs: Iterable[str]) -> dict[str, Scalar]:
    """`["rev=1.10", "site=Halle 3"]` -> {"rev": "1.10", "site": "Halle 3"}: texts, as they were typed.

    Raises `ValueError` for a text without a name and an equals sign, and for a name that filters use themselves.
    """
    metadata: dict[str, Scalar] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and name.strip()):
            raise ValueError(f"metadata {pair!r}: expected name=value, for example year=2021")
        metadata[name.strip()] = value.strip()
    return check_metadata(metadata)


def holds(known: Scalar, sign: str, asked: Scalar) -> bool:
    """Whether a condition holds for a value that is known. `sign` is one of `SIGNS`.

    Two texts are equal as texts, whatever their case: `1.10` is not `1.1`. A number given in Python equals a text that
    reads as it, and True equals `true`. There is an order between two values that both read as numbers, and between
    two texts of which neither does.
    """
    if sign in ("=", "!="):
        return _equals(known, asked) == (sign == "=")
    numbers = number_of(known), number_of(asked)
    if None not in numbers:
        return _ORDERS[sign](*numbers)
    are_texts = isinstance(known, str) and isinstance(asked, str) and numbers == (None, None)
    return are_texts and _ORDERS[sign](name_key(str(known)), name_key(str(asked)))


def number_of(value: Scalar) -> int | float | None:
    """The number that a value is or reads as; None for none."""
    if isinstance(value, bool):
        return None
    if not isinstance(value, str):
        return value
    if not _NUMBER.fullmatch(value) or not math.isfinite(float(value)):
        return None
    return float(value) if set(value) & set(".eE") else int(value)


def _equals(known: Scalar, asked: Scalar) -> bool:
    kinds = {bool if isinstance(value, bool) else str if isinstance(value, str) else float for value in (known, asked)}
    if float not in kinds:
        return name_key(str(known)) == name_key(str(asked))
    return bool not in kinds and number_of(known) == number_of(asked)


def _normal(metadata: Metadata) -> dict[str, Scalar]:
    normal: dict[str, Scalar] = {}
    for name, value in metadata.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"metadata: {name!r} is no name; give a text that is not empty")
        if not isinstance(value, Scalar) or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(f"metadata {name!r} is {value!r}: give a text, a finite number, True or False")
        try:
            f"{name}{value}".encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"metadata {name!r} is {value!r}: its letters cannot be read as UTF-8") from error
        normal[normal_name(name)] = normal_name(value) if isinstance(value, str) else value
    return normal
