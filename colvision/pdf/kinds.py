"""What a file is: by its first bytes. A name tells only what is worth to be looked at."""

import stat
from collections.abc import Mapping
from pathlib import Path

from colvision.errors import DamagedFile, InputError, UnsupportedFile
from colvision.pdf.sandbox.protocol import FileKind

ENDINGS: Mapping[FileKind, str] = {"pdf": "pdf", "png": "png", "jpeg": "jpg", "webp": "webp", "tiff": "tif"}
MEDIA_TYPES: Mapping[str, str] = {  # by the ending of a file's name, with its dot
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}

_HEAD = 1024  # bytes; a PDF's header may stand anywhere in them (PDF 32000-1, Annex H.3, note 13)
_SIGNATURES: tuple[tuple[bytes, FileKind], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),  # BigTIFF
    (b"MM\x00+", "tiff"),
)


def media_type(path: Path) -> str | None:
    """Of a file, by its first bytes, whatever its name says; None for what is no PDF or image, or cannot be read."""
    try:
        return MEDIA_TYPES[f".{ENDINGS[detect_kind(path)]}"]
    except InputError:
        return None


def is_supported(path: str | Path) -> bool:
    """Whether the name looks like a file we read: for walking folders. The content decides when it is opened."""
    return Path(path).suffix.lower() in MEDIA_TYPES


def file_size(path: Path, name: str | None = None) -> int:
    """The size in bytes of a file that can be opened; messages call it `name`, or by its path.

    Raises `InputError` for a folder, a pipe, a missing file.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{name or path}: {error.strerror or error}; check the path") from error
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise UnsupportedFile(f"{name or path} is not a file; give a PDF, PNG, JPEG, WebP or TIFF file")
    return status.st_size


def detect_kind(path: Path, name: str | None = None) -> FileKind:
    """What the file is, by its first bytes; messages call it `name`, or by its own.

    Raises `DamagedFile` for an empty file, `UnsupportedFile` for anything else we do not read, `InputError` if the
    file may not be read at all.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise InputError(f"{name or path}: {error.strerror or error}; check its permissions") from error
    if not head.strip(b"\0"):
        raise DamagedFile(
            f"{name or path.name} is empty (it has {path.stat().st_size:,} bytes, without content); copy it again"
        )
    for start, kind in _SIGNATURES:
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if b"%PDF-" in head:
        return "pdf"
    begins = " ".join(head.lstrip()[:24].decode("ascii", "replace").split())
    raise UnsupportedFile(
        f"{name or path.name} is not a PDF, PNG, JPEG, WebP or TIFF file, whatever its name says "
        f"(it begins with {begins!r}); save it as one of these"
    )
