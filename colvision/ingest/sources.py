"""The sources of an ingest: files, folders of them, images in memory, and uploads."""

import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from colvision.errors import DamagedFile
from colvision.pdf import is_supported

_MAX_DPI = 100_000  # PNG holds no more of them a metre
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"})


@dataclass(frozen=True, slots=True, eq=False)
class Upload:
    """What has no path that says anything, and the name that its sender gave it; a new document gets `document_id`.

    `source` is a file, the bytes of one, or an image; an image is kept as PNG.
    """

    source: str | Path | bytes | Image.Image
    name: str
    document_id: str = ""

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


Source = str | Path | Upload | Image.Image  # what an ingest takes


def find_files(sources: Iterable[Source], *, exclude: Path | None = None) -> Iterator[Path | Upload]:
    """The files themselves, and of folders the supported files in them, in the order of their names.

    Hidden files and folders are skipped, and so is the folder `exclude`, the library's own. An image is called as the
    file that it was read from, or `image.png`. Raises `TypeError` for bytes: those of what, only an `Upload` says.
    """
    for source in sources:
        if isinstance(source, Upload):
            yield source
        elif isinstance(source, Image.Image):
            yield Upload(source, f"{Path(getattr(source, 'filename', '')).stem or 'image'}.png")
        elif isinstance(source, bytes | bytearray):
            raise TypeError("bytes have no name: give Upload(data, 'pump.pdf')")
        elif Path(source).is_dir():
            yield from _walk(Path(source), None if exclude is None else exclude.resolve())
        else:
            yield Path(source)


def _walk(folder: Path, exclude: Path | None) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and Path(parent, name).resolve() != exclude
        )
        files = (Path(parent, name) for name in sorted(names) if not name.startswith("."))
        yield from (file for file in files if is_supported(file))


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
