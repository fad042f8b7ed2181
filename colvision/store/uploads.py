"""Uploaded files that wait for their job, whose row names them relative to the library: that may be moved."""

import json
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath

from colvision.core.metadata import metadata_text

FOLDER = "uploads"  # in the library: a file in it belongs to its job, and is removed when that ends


def row_path(library: Path, path: Path) -> str:
    """The path of a file in its job's row: relative where it lies inside the library, else absolute."""
    resolved = path.resolve()
    is_inside = resolved.is_relative_to(library)
    return resolved.relative_to(library).as_posix() if is_inside else str(path.absolute())


def upgrade_path(library: Path, path: str) -> str:
    """`row_path` from a row of format 2, where every path was absolute: the library may have been moved since."""
    relative = PurePosixPath(FOLDER, PureWindowsPath(path).name)  # which takes the separators of all systems
    return str(relative) if path and (library / relative).is_file() else path


def upgrade_metadata(library: Path, path: str) -> str | None:
    """The JSON that format 2 kept in a file beside an upload; None without one that can be read."""
    sidecar = library / f"{upgrade_path(library, path)}.json"
    with suppress(OSError, ValueError, AttributeError):
        return metadata_text(json.loads(sidecar.read_text(encoding="utf-8")))
    return None
