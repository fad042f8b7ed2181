"""The sources of an ingest: files, folders of them, images in memory, and uploads."""

import io
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from colvision.errors import DamagedFile, InputError, UnsupportedFile
from colvision.ingest.left_out import LeftOut
from colvision.pdf import is_supported
from colvision.pdf.kinds import detect_kind
from colvision.store.catalogue import FILE_NAME

_MAX_DPI = 100_000  # PNG holds no more of them a metre
_IMAGE_FOLDERS = ("pages", "query-images")  # of a library, or of what lies in its `lost`
_is_file, _is_folder, _is_link = os.path.isfile, os.path.isdir, os.path.islink  # pathlib's raise where none may look
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"})


@dataclass(frozen=True, slots=True, eq=False)
class Upload:
    """What has no path that says anything, and the name that its sender gave it; a new document gets `document_id`.

    `source` is a file, the bytes of one, or an image; an image is kept as PNG. `path` is where a file lies that was
    sent from another machine: it is a file of that path, then, and no upload.
    """

    source: str | Path | bytes | Image.Image
    name: str
    document_id: str = ""
    path: str = ""

    @contextmanager
    def open(self) -> Iterator[Path]:
        """A file with what was given: one of its own for as long as the block lasts, unless it is a file already.

        Raises `DamagedFile` for an image that cannot be kept.
        """
        if isinstance(self.source, str | Path):
            yield Path(self.source)
            return
        data = _png(self.source, self.name) if isinstance(self.source, Image.Image) else self.source
        with tempfile.TemporaryDirectory(prefix="colvision-") as folder:
            path = Path(folder) / "upload"
            path.write_bytes(data)
            yield path


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A folder whose files cannot be known, and why."""

    path: Path
    reason: str


Source = str | Path | Upload | Image.Image  # what an ingest takes
Found = Path | Upload | LeftOut | Unreadable  # what is found in it


def find_files(sources: Iterable[Source]) -> Iterator[Found]:
    """The files themselves, and of folders the PDF and image files in them, in the order of their names.

    Of a folder, what its content says is no such file is left out, and so are linked folders and the folders of
    libraries, whose page images are no documents; hidden files and folders are skipped. An image is called as the file
    that it was read from, or `image.png`. Raises `TypeError` for bytes: those of what, only an `Upload` says.
    """
    for source in sources:
        if isinstance(source, Upload):
            yield source
        elif isinstance(source, Image.Image):
            yield Upload(source, f"{Path(getattr(source, 'filename', '')).stem or 'image'}.png")
        elif isinstance(source, bytes | bytearray):
            raise TypeError("bytes have no name: give Upload(data, 'pump.pdf')")
        elif _is_folder(Path(source)):
            yield from _walk(Path(source))
        else:
            yield Path(source)


def _walk(folder: Path) -> Iterator[Found]:
    if _is_of_library(folder.resolve()):
        yield LeftOut.of(folder, "library")
        return
    errors: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=errors.append):
        yield from _unreadable(errors)
        entered = []
        for path in (Path(parent, name) for name in sorted(folders) if not name.startswith(".")):
            if _is_link(path):
                yield LeftOut.of(path, "link")
            elif _is_of_library(path.resolve()):
                yield LeftOut.of(path, "library")
            else:
                entered.append(path.name)
        folders[:] = entered
        for path in (Path(parent, name) for name in sorted(names) if not name.startswith(".")):
            yield path if is_supported(path) or _has_pages(path) else LeftOut.of(path, "format")
    yield from _unreadable(errors)


def _unreadable(errors: list[OSError]) -> Iterator[Unreadable]:
    while errors:
        error = errors.pop(0)
        yield Unreadable(Path(os.fsdecode(error.filename)), error.strerror or str(error))


def _is_of_library(folder: Path) -> bool:
    """Whether it is a library, or the images of one; its kept files may be ingested into another."""
    holders = folder.parents[:2] if folder.name in _IMAGE_FOLDERS else []
    return any(_is_file(each / FILE_NAME) and _is_folder(each / "shards") for each in (folder, *holders))


def _has_pages(path: Path) -> bool:
    """Whether a file is a PDF or an image by its first bytes; True where they cannot be read: opening it says why."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would never be read to its end
            return False
        detect_kind(path)
    except (FileNotFoundError, UnsupportedFile, DamagedFile):
        return False
    except (OSError, InputError):
        return True
    return True


def _png(image: Image.Image, name: str) -> bytes:
    """Lossless, and the same bytes for the same pixels. Raises `DamagedFile`."""
    data = io.BytesIO()
    try:
        upright = ImageOps.exif_transpose(image)
        drawn = upright if upright.mode in _PNG_MODES else upright.convert("RGB")
        density = _density(image) if drawn.size == image.size else None  # else its rows were turned
        drawn.save(data, "PNG", compress_level=1, dpi=density)  # a page of 2 megapixels in tens of milliseconds
    except (OSError, ValueError) as error:  # truncated and read only now; without a pixel; of a mode that nothing takes
        raise DamagedFile(f"{name} is no image that can be kept: {error}") from error
    return data.getvalue()


def _density(image: Image.Image) -> tuple[float, float] | None:
    """Pixels an inch in width and height: a fax has twice as many in one of them."""
    try:
        x, y = map(float, image.info["dpi"])
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    return (x, y) if 1 <= x <= _MAX_DPI and 1 <= y <= _MAX_DPI else None
