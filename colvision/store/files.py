"""The files of a library beside its catalogue: shards, original files, page images; and the leftovers of a kill.

shards/00000001.safetensors    files/<sha256>.pdf    pages/<sha256>/0001.jpg    lost/ with the same below it
"""

import hashlib
import io
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from PIL import Image

from colvision.atomic_io import TEMPORARY_SUFFIX, atomic_write_many, make_folder, sync_folder
from colvision.store.file_lock import try_lock

# A 1275 x 1650 manual page (median of 4, one busy core): JPEG 85 takes 5 ms and 270 KB, WebP 80 (method 0, its
# fastest) 64 ms and 180 KB. A small encoder needs about 100 ms a page: the page image must not cost as much.
_JPEG_QUALITY = 85
_READ_BYTES = 1 << 20
_INCOMING_PREFIX = "incoming-"
_SHA256_NAME = re.compile("[0-9a-f]{64}")
_SHARD_NAME = re.compile(r"(\d{8,})\.safetensors")


class IncomingFile:
    """A copy of a file that is not yet part of the library; locked by its process for as long as that lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("xb")
        try_lock(self._file)

    def copy_from(self, source: Path) -> tuple[str, int]:
        """Copies a file in pieces, durably; returns the sha256 of its bytes in hex, and how many there are."""
        digest, size = hashlib.sha256(), 0
        with source.open("rb") as file:
            while part := file.read(_READ_BYTES):
                self._file.write(part)
                digest.update(part)
                size += len(part)
        self._file.flush()
        os.fsync(self._file.fileno())
        return digest.hexdigest(), size

    def keep_as(self, name: str) -> None:
        """Makes the complete copy an original file of the library, durably. Only under the writer lock."""
        self._file.close()
        self.path.replace(self.path.with_name(name))
        sync_folder(self.path.parent)

    def discard(self) -> None:
        """Removes the copy, unless it was kept; one that cannot be removed now is swept later."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def encode_jpeg(image: Image.Image) -> bytes:
    """A page image (RGB or L) as the JPEG that is kept; other threads run meanwhile.

    So Pillow lets them while it writes into a file, and does not while it writes into bytes.
    """
    with _memory_file() as file:
        image.save(file, "JPEG", quality=_JPEG_QUALITY)
        file.seek(0)
        return file.read()


def _memory_file() -> IO[bytes]:
    return os.fdopen(os.memfd_create("page"), "w+b") if sys.platform == "linux" else io.BytesIO()


class Files:
    """The files of one library, and their paths."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards, self._files, self._pages = (folder / name for name in ("shards", "files", "pages"))
        self.lost = folder / "lost"  # see `move_to_lost`

    def make_folders(self) -> None:
        for folder in (self._shards, self._files, self._pages):
            make_folder(folder)

    def shard_path(self, name: str) -> Path:
        return self._shards / name

    def original_path(self, name: str) -> Path:
        return self._files / name

    def page_image_path(self, sha256: str, number: int) -> Path:
        return self._pages / sha256 / f"{number:04d}.jpg"

    def incoming_file(self) -> IncomingFile:
        """An empty file to copy into."""
        return IncomingFile(self._files / f"{_INCOMING_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")

    def write_page_images(self, sha256: str, jpegs: Mapping[int, bytes]) -> None:
        """Writes JPEGs by page number, durably."""
        if jpegs:
            make_folder(self._pages / sha256)
            atomic_write_many((self.page_image_path(sha256, number), [jpeg]) for number, jpeg in jpegs.items())
            sync_folder(self._pages / sha256)

    def sizes(self) -> tuple[int, int]:
        """Bytes of the original files, and of the page images."""
        return _folder_bytes(self._files), _folder_bytes(self._pages)

    def largest_shard_key(self) -> int:
        """The largest key in a shard file's name, 0 without one."""
        matches = (_SHARD_NAME.fullmatch(path.name) for path in self._shards.iterdir()) if self._shards.is_dir() else ()
        return max((int(match[1]) for match in matches if match), default=0)

    def sweep(self, shards: set[str], files: set[str]) -> None:
        """Removes the files that are not among the names that the catalogue knows. Only under the writer lock.

        Files of a kind that no library makes are not touched: systems and people put things into folders.
        """
        for path in self._unreferenced(shards, files):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def move_to_lost(self, shards: set[str], files: set[str]) -> None:
        """Moves the complete files that `sweep` would remove to `lost`, durably. Only under the writer lock."""
        changed: set[Path] = set()
        for path in self._unreferenced(shards, files):
            for file in path.iterdir() if path.is_dir() else [path]:
                if file.suffix != TEMPORARY_SUFFIX:
                    target = self.lost / file.relative_to(self._folder)
                    self._make_lost_folder(target.parent)
                    file.replace(target)
                    changed |= {file.parent, target.parent}
        for folder in sorted(changed):
            sync_folder(folder)

    def _make_lost_folder(self, folder: Path) -> None:
        for parent in reversed((folder, *folder.parents)):
            if parent.is_relative_to(self.lost):
                make_folder(parent)

    def lost_files(self) -> list[Path]:
        return sorted(path for path in self.lost.rglob("*") if path.is_file())

    def _unreferenced(self, shards: set[str], files: set[str]) -> Iterator[Path]:
        """Files, and folders of page images, that the catalogue does not name and that no process is writing."""
        for folder, names in ((self._shards, shards), (self._files, files)):
            for path in list(folder.iterdir()):
                if path.name not in names and path.is_file() and not _is_being_copied(path):
                    yield path
        digests = {Path(name).stem for name in files}
        for folder in list(self._pages.iterdir()):
            if _SHA256_NAME.fullmatch(folder.name) and folder.name not in digests and folder.is_dir():
                yield folder


def _is_being_copied(path: Path) -> bool:
    """Whether a living process is still copying into it: the system releases the lock of a dead one."""
    if not path.name.startswith(_INCOMING_PREFIX):
        return False
    with path.open("rb+") as file:
        return not try_lock(file)


def _folder_bytes(folder: Path) -> int:
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # removed meanwhile
                size += (Path(parent) / name).stat().st_size
    return size
