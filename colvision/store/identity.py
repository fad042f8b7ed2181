"""Which document a file is: the same again, another version of one, or a new one.

The same bytes are the same document. A path that now holds other bytes is another version of its document. A file
whose name is in use is kept beside it under a name of its own, unless it is to replace.
"""

import re
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePath, PurePosixPath
from typing import Literal

from colvision.core.metadata import Metadata
from colvision.core.names import name_key, normal_name, path_parts
from colvision.errors import InputError
from colvision.store.records import READY, DocumentRow

Outcome = Literal["new", "same", "replaced"]

_NAME_LENGTH = 200  # characters: most file systems stop at 255 bytes
_EXTENSION = re.compile(r"[a-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to ingest into a collection.

    `source` is its absolute path, or the name of an upload, whose own path says nothing. `replace` lets it take the
    place of a document of the same name, but not of those that the same ingest has `brought` (ids). `metadata` is added
    to that of the document. A new document gets `id`, if that is not "". `job` is the key of the job that brings it,
    which knows the collection by its name of today.
    """

    collection: str
    name: str
    source: str
    upload: bool
    replace: bool
    metadata: Metadata | None = None
    id: str = ""
    job: int | None = None
    brought: frozenset[str] = frozenset()


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

    `rows` are the collection's documents with the file's bytes, source or name, those that came from a file of that
    name if it is to replace one, and all hidden replacements; `name_exists` says whether a name is in use. Raises
    `InputError` when a file could replace several documents.
    """
    visible = [row for row in rows if row.visible]
    target = next(
        (row for row in visible if not (source_file.upload or row.upload) and row.source == source_file.source), None
    )
    if target is None and source_file.upload and source_file.replace:
        target = next((row for row in visible if row.name == source_file.name), None)
    if target is None:
        target = next((row for row in visible if row.sha256 == sha256), None)
    if target is None and source_file.replace:
        target = _to_replace(source_file, visible)
    if target is None:
        return Decision("new", _free_name(source_file.name, name_exists))
    hidden = tuple(row for row in rows if row.replaces == target.key)
    if target.sha256 == sha256:
        outcome: Outcome = "same" if target.state == READY else "new"
        return Decision(outcome, target.name, existing=target, obsolete=hidden)
    existing = next((row for row in hidden if row.sha256 == sha256), None)
    obsolete = tuple(row for row in hidden if row is not existing)
    return Decision("replaced", target.name, existing, target, obsolete)


def _to_replace(source_file: SourceFile, rows: Iterable[DocumentRow]) -> DocumentRow | None:
    """The document of a file's name; of several, the one whose folder is called as the file's is."""
    named = [
        row
        for row in rows
        if row.id not in source_file.brought and source_file.name in (row.name, clean_document_name(row.source))
    ]
    if len(named) < 2:
        return named[0] if named else None
    shared = [_shared_folders(source_file, row) for row in named]
    best = [row for row, length in zip(named, shared, strict=True) if length == max(shared) > 0]
    if len(best) == 1:
        return best[0]
    raise InputError(
        f"{source_file.source} is not taken in: it could replace {', '.join(sorted(_told(row) for row in named))}; "
        "delete the one that it is to replace, then ingest it without replacing"
    )


def _shared_folders(file: SourceFile, row: DocumentRow) -> int:
    """How many folders above a file and above that of a document are called the same."""
    pairs = zip(reversed(source_folders(file)), reversed(source_folders(row)), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _told(row: DocumentRow) -> str:
    return f"{row.name!r} (from {row.source})"


def source_folders(file: SourceFile | DocumentRow) -> tuple[str, ...]:
    """The folders of the path that it came from, the outermost first; none for an upload."""
    return () if file.upload else path_parts(file.source)[:-1]


def shown_folders(rows: Iterable[DocumentRow]) -> dict[int, str]:
    """{key: the folder that a document came from}, with as many above it as tell files of the same name apart.

    `rows` are all documents of a collection. "" for an upload.
    """
    found: dict[int, str] = {}
    same_name: dict[str, list[tuple[int, tuple[str, ...]]]] = defaultdict(list)
    for row in rows:
        same_name["".join(path_parts(row.source)[-1:])].append((row.key, source_folders(row)))
    for waiting in same_name.values():
        length = 1
        while waiting:
            count = Counter(folders[-length:] for _, folders in waiting)
            is_told = {key: count[folders[-length:]] == 1 or length >= len(folders) for key, folders in waiting}
            found |= {key: "/".join(folders[-length:]) for key, folders in waiting if is_told[key]}
            waiting = [(key, folders) for key, folders in waiting if not is_told[key]]
            length += 1
    return found


def is_called(row: DocumentRow, document: str) -> bool:
    """Whether a document is meant by its name, whatever its case, its id, or the end of the path that it came from."""
    return document == row.id or name_key(document) == name_key(row.name) or comes_from(row, document)


def comes_from(row: DocumentRow, path: str) -> bool:
    """Whether a document came from a path that ends so, such as `press/manual.pdf`."""
    *asked, name = path_parts(name_key(path)) or ("",)
    for own in _paths(row):
        if asked and own[-len(asked) - 1 : -1] == tuple(asked) and name in (own[-1], name_key(row.name)):
            return True
    return False


def has_copy_named(row: DocumentRow, name: str) -> bool:
    """Whether the same bytes have come under another name, which no document may have."""
    return name_key(name) in [path[-1] for path in _paths(row)[1:]]


def lies_in(row: DocumentRow, folder: str) -> bool:
    """Whether a document came from a folder, of one or several names (`press`, `press/en`), or from one inside it."""
    asked = path_parts(name_key(folder))
    starts = ((own[:-1], i) for own in _paths(row) for i in range(len(own) - 1))
    return bool(asked) and any(folders[i : i + len(asked)] == asked for folders, i in starts)


def _paths(row: DocumentRow) -> list[tuple[str, ...]]:
    """The parts of all paths that a document has come from, whatever their case; an upload's is its name."""
    return [path_parts(name_key(path)) for path in row.paths]


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
    shown = shown_name("".join(path_parts(name)[-1:]))
    path = PurePosixPath("document" if shown in ("", ".", "..") else shown)
    return path.stem[: _NAME_LENGTH - len(path.suffix[:20])] + path.suffix[:20]


def shown_name(name: str) -> str:
    """A name in its normal form, without what cannot be shown, such as bytes that are no UTF-8."""
    return "".join(character for character in normal_name(name) if character.isprintable()).strip()


def clean_collection_name(name: str) -> str:
    """A name fit for a collection. Raises `ValueError` for one that is empty or cannot be shown."""
    shown = " ".join(normal_name(name).split())
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
