"""Which document a file is: the same again, another version of one, or a new one.

The same bytes are the same document. A path that now holds other bytes is another version of its document. An upload
whose name is in use is kept beside it under a name of its own, unless it is to replace.
"""

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Literal

from colvision.core.metadata import Metadata
from colvision.store.records import READY, DocumentRow

Outcome = Literal["new", "same", "replaced"]

_NAME_LENGTH = 200  # characters: most file systems stop at 255 bytes
_EXTENSION = re.compile(r"[a-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to ingest into a collection.

    `source` is its absolute path, or the name of an upload, whose own path says nothing. `replace` lets it take the
    place of a document of the same name. `metadata` None keeps that of the document. A new document gets `id`, if
    that is not "". `job` is the key of the job that brings it, which knows the collection by its name of today.
    """

    collection: str
    name: str
    source: str
    upload: bool
    replace: bool
    metadata: Metadata | None = None
    id: str = ""
    job: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a file.

    `existing` is the document that its pages are added to, None for a new one; `replaced` is the one that it takes the
    place of; `obsolete` are older replacements of that, to be deleted.
    """

    outcome: Outcome
    name: str
    existing: DocumentRow | None = None
    replaced: DocumentRow | None = None
    obsolete: tuple[DocumentRow, ...] = ()


def decide(
    source_file: SourceFile, sha256: str, rows: Sequence[DocumentRow], name_exists: Callable[[str], bool]
) -> Decision:
    """What to do with a file.

    `rows` are the collection's documents with the file's bytes, source or name, and all hidden replacements;
    `name_exists` says whether a name is in use.
    """
    visible = [row for row in rows if row.visible]
    target = next(
        (row for row in visible if not (source_file.upload or row.upload) and row.source == source_file.source), None
    )
    if target is None:
        target = next((row for row in visible if row.sha256 == sha256), None)
    if target is None and source_file.replace:
        target = next((row for row in visible if row.name == source_file.name), None)
    if target is None:
        return Decision("new", _free_name(source_file.name, name_exists))
    hidden = tuple(row for row in rows if row.replaces == target.key)
    if target.sha256 == sha256:
        outcome: Outcome = "same" if target.state == READY else "new"
        return Decision(outcome, target.name, existing=target, obsolete=hidden)
    existing = next((row for row in hidden if row.sha256 == sha256), None)
    obsolete = tuple(row for row in hidden if row is not existing)
    return Decision("replaced", target.name, existing, target, obsolete)


def _free_name(name: str, name_exists: Callable[[str], bool]) -> str:
    """`pump.pdf`, or the first of `pump (2).pdf`, `pump (3).pdf` ... that is free."""
    path = PurePosixPath(name)
    candidate, count = name, 1
    while name_exists(candidate):
        count += 1
        candidate = f"{path.stem} ({count}){path.suffix}"
    return candidate


def clean_document_name(name: str) -> str:
    """A name fit to be shown: the last part of a path of any system, without control characters, not too long."""
    last = PureWindowsPath(PurePosixPath(name).name).name
    shown = "".join(character for character in last if character.isprintable()).strip()
    path = PurePosixPath("document" if shown in ("", ".", "..") else shown)
    return path.stem[: _NAME_LENGTH - len(path.suffix[:20])] + path.suffix[:20]


def clean_collection_name(name: str) -> str:
    """A name fit for a collection. Raises `ValueError` for one that is empty or cannot be shown."""
    shown = " ".join(name.split())
    if not shown or not shown.isprintable():
        raise ValueError(f"{name!r} cannot be the name of a collection: give letters that can be shown")
    return shown


def extension_of(name: str) -> str:
    """The extension that a kept file gets: it comes from outside, so only letters and digits pass."""
    extension = PurePath(name).suffix.lower().removeprefix(".")
    return extension if _EXTENSION.fullmatch(extension) else "bin"


def new_id() -> str:
    """64 random bits in hex: never used again."""
    return secrets.token_hex(8)
