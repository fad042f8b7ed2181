"""Names from outside, of documents, folders, collections and facts: one form, whichever system and keyboard wrote them.

macOS hands out `ü` as two characters, a keyboard gives one. Every name is brought to its normal form when it comes in
and when it is looked for.
"""

import re
import unicodedata
from functools import lru_cache

_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")  # how a path of Windows begins; elsewhere a backslash is a letter

_ENCODER_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
MAIN_ENCODER = "main"  # what the collection's own encoder is called beside further ones
_TAKEN = frozenset(  # by retrievers, terms of a score, and parts of an answer's time
    (MAIN_ENCODER, "maxsim", "bm25", "frequency", "order", "near", "text", "document")
    + ("encode", "score", "first_stage", "rerank", "fusion", "total")
)
_NAMES = 1 << 16  # remembered: a filter looks at those of all documents, search after search


def normal_name(text: str) -> str:
    """Unicode's composed form (NFC): the form in which names are kept."""
    return unicodedata.normalize("NFC", text)


def check_encoder_name(name: str) -> None:
    """Raises `ValueError` for what a further encoder of a collection cannot be called: answers name it among others."""
    if not _ENCODER_NAME.fullmatch(name) or name in _TAKEN:
        raise ValueError(
            f"{name!r} cannot be the name of a further encoder: give up to 40 letters, digits, - and _, and none of "
            f"{', '.join(sorted(_TAKEN))}"
        )


@lru_cache(_NAMES)
def name_key(text: str) -> str:
    """Equal for texts that differ in case or in their form alone."""
    return normal_name(normal_name(text).casefold())


@lru_cache(_NAMES)
def path_parts(path: str) -> tuple[str, ...]:
    """The folders of a path of any system and its last part, in their normal form."""
    separators = r"[\\/]" if _WINDOWS.match(path) else "/"
    return tuple(part for part in re.split(separators, normal_name(path)) if part not in ("", "."))
