"""Images that are queries: drawn anew, named by what they show, the newest of them kept."""

import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image

from colvision.atomic_io import atomic_write, make_folder
from colvision.core.page import Page
from colvision.errors import ColvisionError, DamagedFile
from colvision.pdf import FailedPage, read_pages

from ..budgets import Arrival, Budgets
from ..settings import Quota
from ..views import QueryImageView
from .spool import Spool

_FOLDER = "query-images"  # in the library's folder
_FORMER_FOLDER = "asked"  # of earlier versions: renamed at the start
_TOKEN = re.compile("[0-9a-f]{32}")
_QUALITY = 90  # JPEG: a photo of a page takes about 400 KB


class QueryImageExpired(ColvisionError):
    """No image is kept under this token, or not any more."""


class QueryImages:
    """The images that the readers of one library search with; safe to share between threads.

    What was sent is decoded under limits in a process of its own, and only our drawing of it is kept and given back.
    """

    def __init__(self, library: Path, quota: Quota, budgets: Budgets, spool: Spool) -> None:
        self._budgets = budgets
        self._spool = spool
        self._folder = library / _FOLDER
        self._quota = quota
        former = library / _FORMER_FOLDER
        if former.is_dir() and not self._folder.exists():
            with suppress(OSError):  # another process was quicker, or nothing can be written
                former.rename(self._folder)

    @contextmanager
    def admit(self, name: str, size: int | None) -> Iterator[Arrival]:
        """Takes room for an image of `size` bytes (None: not known) before it comes.

        Write it to the `path` of what is given, after its `count`, then `add` it, all within the block. Raises `Busy`,
        `DiskFull`, `LimitExceeded`, `LibraryReadOnly`.
        """
        path, limit = self._spool.new(name), self._quota.query_image_bytes
        with (
            self._budgets.admit(path, name, size=size, limit=limit, is_upload=False) as arrival,
            self._spool.arriving(path),
        ):
            yield arrival

    def add(self, path: Path, name: str) -> QueryImageView:
        """Keeps the image, or a PDF's first page, that is in a file; `name` is what its sender calls the file.

        The same image has the same token. Raises `InputError` for a file that cannot be read or is beyond a limit,
        `OSError` where nothing can be written.
        """
        image = self._first_page(path, name)
        data = io.BytesIO()
        image.save(data, "JPEG", quality=_QUALITY)
        token = hashlib.sha256(data.getvalue()).hexdigest()[:32]
        make_folder(self._folder)
        atomic_write(self._path(token), [data.getvalue()])
        self._make_room()
        return QueryImageView(token, *image.size)

    def data(self, token: str) -> bytes:
        """An image as a JPEG; it stays longest from now on. Raises `QueryImageExpired`."""
        path = self._path(token)
        with suppress(OSError):  # where nothing can be written it stays anyway
            os.utime(path)
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise _gone() from error

    def image(self, token: str) -> Image.Image:
        """Raises `QueryImageExpired`."""
        with Image.open(io.BytesIO(self.data(token)), formats=["JPEG"]) as image:
            image.load()
            return image

    def _first_page(self, path: Path, name: str) -> Image.Image:
        [page] = read_pages(path, numbers=[1], name=name, limits=self._quota.query_image_limits())
        if isinstance(page, FailedPage):
            raise DamagedFile(f"{name} cannot be asked with: it {page.reason}")
        assert isinstance(page, Page)
        return page.image

    def _path(self, token: str) -> Path:
        if not _TOKEN.fullmatch(token):
            raise _gone()
        return self._folder / f"{token}.jpg"

    def _make_room(self) -> None:
        kept = sorted(self._folder.glob("*.jpg"), key=_last_use, reverse=True)
        for path in kept[self._quota.query_images :]:
            path.unlink(missing_ok=True)


def _gone() -> QueryImageExpired:
    return QueryImageExpired("the image that this asks with is not kept any more: choose it again")


def _last_use(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
