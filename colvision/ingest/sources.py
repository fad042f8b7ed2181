"""The sources of an ingest: files, folders of them, and uploads."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from colvision.pdf import is_supported


@dataclass(frozen=True, slots=True)
class Upload:
    """A file whose own path says nothing, and the name that its sender gave it; a new document gets `document_id`."""

    path: Path
    name: str
    document_id: str = ""


def find_files(paths: Iterable[str | Path | Upload], *, exclude: Path | None = None) -> Iterator[Path | Upload]:
    """The files themselves, and of folders the supported files in them, in the order of their names.

    Hidden files and folders are skipped, and so is the folder `exclude`, the library's own.
    """
    for path in paths:
        if isinstance(path, Upload) or not Path(path).is_dir():
            yield path if isinstance(path, Upload) else Path(path)
        else:
            yield from _walk(Path(path), exclude and exclude.resolve())


def _walk(folder: Path, exclude: Path | None) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and Path(parent, name).resolve() != exclude
        )
        files = (Path(parent, name) for name in sorted(names) if not name.startswith("."))
        yield from (file for file in files if is_supported(file))
