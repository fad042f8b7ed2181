"""Metadata that its owner gives a document: names with texts, numbers or truth values, by which pages are filtered."""

import json
import math
import re
from collections.abc import Iterable, Mapping

Scalar = str | int | float | bool
Metadata = Mapping[str, Scalar]

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")  # 007 is a name, no number
_WORDS: Mapping[str, bool] = {"true": True, "false": False}


def metadata_text(metadata: Metadata) -> str:
    """The JSON under which metadata is stored: equal for equal metadata.

    Raises `ValueError` for a name that is no text or empty, and for a value of another kind.
    """
    for name, value in metadata.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"metadata: {name!r} is no name; give a text that is not empty")
        if not isinstance(value, Scalar) or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(f"metadata {name!r} is {value!r}: give a text, a finite number, True or False")
    return json.dumps(dict(metadata), sort_keys=True, ensure_ascii=False)


def parse_metadata(pairs: Iterable[str]) -> dict[str, Scalar]:
    """`["year=2021", "site=Halle 3"]` -> {"year": 2021, "site": "Halle 3"}; true and false are truth values.

    Raises `ValueError` for a text without a name and an equals sign.
    """
    metadata: dict[str, Scalar] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and name.strip()):
            raise ValueError(f"metadata {pair!r}: expected name=value, for example year=2021")
        metadata[name.strip()] = scalar_of(value)
    return metadata


def scalar_of(text: str) -> Scalar:
    """A number where the text is one, `true` and `false` as truth values, else the text itself."""
    text = text.strip()
    if text in _WORDS:
        return _WORDS[text]
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        return text
    return float(text) if set(text) & set(".eE") else int(text)
