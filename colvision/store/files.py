"""The files of a library beside its catalogue: shards, original files, page pictures; and what a kill left behind.

shards/00000001.safetensors    files/<sha256>.pdf    pages/<sha256>/0001.jpg    lost/ with the same below it
"""

import hashlib
import io
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from PIL import Image

from colvision.atomic_io import TEMPORARY, atomic_write_many, make_folder, sync_folder
from colvision.store.file_lock import try_lock

# A 1275 x 1650 manual page (median of 4, one busy core): JPEG 85 takes 5 ms and 270 KB, WebP 80 (method 0, its
# fastest) 64 ms and 180 KB. A small encoder needs about 100 ms a page: the picture must not cost as much.
_QUALITY = 85
_READ_BYTES = 1 << 20
_INCOMING = "incoming-"
_DIGEST = re.compile("[0-9a-f]{64}")
_SHARD = re.compile(r"(\d{8,})\.safetensors")


class Incoming:
    """A copy of a file that is not yet part of the library; locked by its process for as long as that lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("xb")
        try_lock(self._file)

    def fill(self, source: Path) -> tuple[str, int]:
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

    def place(self, name: str) -> None:
        """Makes the complete copy an original file of the library, durably; only the writer may, so none sweeps it."""
        self._file.close()
        self.path.replace(self.path.with_name(name))
        sync_folder(self.path.parent)

    def discard(self) -> None:
        """Removes the copy, unless it was placed; one that a failing disk does not let go of is swept later."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def encode_jpeg(image: Image.Image) -> bytes:
    """A page's picture (RGB or L) as it is kept: JPEG."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=_QUALITY)
    return data.getvalue()


class Files:
    """Where everything of one library lies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards, self._files, self._pages = (folder / name for name in ("shards", "files", "pages"))
        self.lost = folder / "lost"  # what `set_aside` has moved there

    def make(self) -> None:
        for folder in (self._shards, self._files, self._pages):
            make_folder(folder)

    def shard(self, name: str) -> Path:
        return self._shards / name

    def original(self, name: str) -> Path:
        return self._files / name

    def page_image(self, sha256: str, number: int) -> Path:
        return self._pages / sha256 / f"{number:04d}.jpg"

    def incoming(self) -> Incoming:
        """An empty file to copy into."""
        return Incoming(self._files / f"{_INCOMING}{secrets.token_hex(8)}{TEMPORARY}")

    def write_page_images(self, sha256: str, pictures: Mapping[int, bytes]) -> None:
        """Page number -> picture, durably."""
        if pictures:
            make_folder(self._pages / sha256)
            atomic_write_many((self.page_image(sha256, number), [data]) for number, data in pictures.items())
            sync_folder(self._pages / sha256)

    def sizes(self) -> tuple[int, int]:
        """Bytes of the original files, and of the page pictures."""
        return _bytes_in(self._files), _bytes_in(self._pages)

    def newest_shard(self) -> int:
        """The largest number of a shard's file, 0 without one."""
        found = (_SHARD.fullmatch(path.name) for path in self._shards.iterdir()) if self._shards.is_dir() else ()
        return max((int(each[1]) for each in found if each), default=0)

    def sweep(self, shards: set[str], files: set[str]) -> None:
        """Removes what is not among the names that the catalogue knows; only the writer may.

        What is not of a kind that a library puts there is left alone: systems and people leave things in folders.
        """
        for path in self._unnamed(shards, files):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def set_aside(self, shards: set[str], files: set[str]) -> None:
        """Moves whole files that `sweep` would remove to `lost`, durably; only the writer may."""
        left: set[Path] = set()
        for path in self._unnamed(shards, files):
            for file in path.iterdir() if path.is_dir() else [path]:
                if file.suffix != TEMPORARY:
                    target = self.lost / file.relative_to(self._folder)
                    self._make_lost(target.parent)
                    file.replace(target)
                    left |= {file.parent, target.parent}
        for folder in sorted(left):
            sync_folder(folder)

    def _make_lost(self, folder: Path) -> None:
        for each in reversed((folder, *folder.parents)):
            if each.is_relative_to(self.lost):
                make_folder(each)

    def set_aside_files(self) -> list[Path]:
        return sorted(path for path in self.lost.rglob("*") if path.is_file())

    def _unnamed(self, shards: set[str], files: set[str]) -> Iterator[Path]:
        """Files, and folders of pictures, that are not named and that nobody is writing."""
        for folder, names in ((self._shards, shards), (self._files, files)):
            for path in list(folder.iterdir()):
                if path.name not in names and path.is_file() and not _is_arriving(path):
                    yield path
        digests = {Path(name).stem for name in files}
        for folder in list(self._pages.iterdir()):
            if _DIGEST.fullmatch(folder.name) and folder.name not in digests and folder.is_dir():
                yield folder


def _is_arriving(path: Path) -> bool:
    """Whether a living process is still copying into it: the system lets go of a dead one's lock."""
    if not path.name.startswith(_INCOMING):
        return False
    with path.open("rb+") as file:
        return not try_lock(file)


def _bytes_in(folder: Path) -> int:
    size = 0
    for at, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # removed meanwhile
                size += (Path(at) / name).stat().st_size
    return size
