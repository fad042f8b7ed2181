"""Files that wait for their job, and how its row names them: relative to the library, which may be moved meanwhile."""

import json
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath

from colvision.core.metadata import metadata_text

FOLDER = "uploads"  # in the library: a file in it belongs to its job, and goes when that ends


def row_path(library: Path, path: Path) -> str:
    """As a job's row names a file: relative where it lies inside the library, else absolute."""
    whole = path.resolve()
    inside = whole.is_relative_to(library)
    return whole.relative_to(library).as_posix() if inside else str(path.absolute())


def upgraded_path(library: Path, path: str) -> str:
    """The same of a row of format 2, where every path was absolute: the library may have been moved since."""
    here = PurePosixPath(FOLDER, PureWindowsPath(path).name)  # it knows the separators of all systems
    return str(here) if path and (library / here).is_file() else path


def upgraded_metadata(library: Path, path: str) -> str | None:
    """What format 2 kept in a file beside an upload; None where there is nothing, or nothing that can be read."""
    beside = library / f"{upgraded_path(library, path)}.json"
    with suppress(OSError, ValueError, AttributeError):
        return metadata_text(json.loads(beside.read_text(encoding="utf-8")))
    return None
