"""An estimate of an ingest before it begins: pages, bytes of each kind, memory and minutes.

Pages are counted by opening every file; the rest is measured on a few pages with the encoder that will read them.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from colvision.core.embedding import PageEmbedding
from colvision.core.encoder import Encoder
from colvision.core.page import Page
from colvision.errors import InputError
from colvision.ingest.left_out import LeftOut
from colvision.ingest.paths import shown_path
from colvision.ingest.sources import Unreadable, find_files
from colvision.maxsim.binary import has_first_stage
from colvision.maxsim.inverted_lists import entry_bytes, has_lists
from colvision.pdf import inspect_file, read_pages
from colvision.store.files import encode_jpeg

SAMPLE_PAGES = 5  # from different files where there are as many; the first of them only warms the encoder up
_CELL_BYTES = 5  # of the grid and the kind, beside a vector's codes


@dataclass(frozen=True, slots=True)
class Estimate:
    """`pages` of `files`; `failed` files and folders cannot be opened, with reasons; `left_out` are none to read.

    Bytes on the disk: `int8` codes and the `first_stage` of the vectors (inverted lists or sign bits), `page_images`
    and the `originals` (the kept files). `memory` is what a search reads, which must fit into the memory that is free
    for all of it to be quick.
    `seconds` is the time to ingest, with one process.
    """

    files: int
    pages: int
    failed: tuple[tuple[str, str], ...]
    left_out: tuple[LeftOut, ...]
    sampled: int
    vectors_per_page: float
    int8: int
    first_stage: int
    page_images: int
    originals: int
    memory: int
    seconds: float

    @property
    def bytes(self) -> int:
        """Of the library."""
        return self.int8 + self.first_stage + self.page_images + self.originals


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    pages: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _PageMeasurement:
    """One page: its vectors, the bytes of its image, and the seconds that it took."""

    vectors: int
    jpeg_bytes: int
    seconds: float


def estimate_files(paths: Iterable[str | Path], encoder: Encoder) -> Estimate:
    """Opens every file, and reads and encodes `SAMPLE_PAGES` pages. Raises `InputError` when no page can be read."""
    files: list[_File] = []
    failed: list[tuple[str, str]] = []
    left_out: list[LeftOut] = []
    for found in find_files(paths):
        if isinstance(found, LeftOut):
            left_out.append(found)
        elif isinstance(found, Unreadable):
            failed.append((shown_path(found.path), found.reason))
        elif isinstance(found, Path):
            try:
                files.append(_File(found, inspect_file(found).pages, found.stat().st_size))
            except InputError as error:
                failed.append((shown_path(found), str(error)))
    pages = sum(file.pages for file in files)
    measured = list(_measure_pages(files, encoder))
    if not measured:
        raise InputError(
            f"no page of {len(files) + len(failed)} files can be read: give PDF or image files, or folders"
        )
    share = pages / len(measured)
    timed = measured[1:] or measured
    vectors = sum(page.vectors for page in measured) * share
    info = encoder.info
    codes = int(vectors * (info.dim + _CELL_BYTES))
    bits = info.dim // 8 if info.dim % 64 == 0 else 0
    of_lists = has_lists(info, pages)
    first_stage = int(vectors * (entry_bytes(info.dim) if of_lists else bits))
    return Estimate(
        files=len(files),
        pages=pages,
        failed=tuple(failed),
        left_out=tuple(left_out),
        sampled=len(measured),
        vectors_per_page=vectors / pages,
        int8=codes,
        first_stage=first_stage,
        page_images=int(sum(page.jpeg_bytes for page in measured) * share),
        originals=sum(file.bytes for file in files),
        memory=first_stage if of_lists or has_first_stage(info, pages) else codes,
        seconds=sum(page.seconds for page in timed) / len(timed) * pages,
    )


def _measure_pages(files: list[_File], encoder: Encoder) -> Iterator[_PageMeasurement]:
    """Pages from places spread evenly over all pages, so that neither covers nor one long file stand for the rest."""
    pages = sum(file.pages for file in files)
    count = min(SAMPLE_PAGES, pages)
    chosen = {int((i + 0.5) * pages / count) for i in range(count)}
    first = 0
    for file in files:
        numbers = [place - first + 1 for place in sorted(chosen) if first <= place < first + file.pages]
        first += file.pages
        for number in numbers:
            started = time.monotonic()
            for page in read_pages(file.path, numbers=[number]):
                if isinstance(page, Page):
                    embedding: PageEmbedding = next(iter(encoder.encode_pages([page])))
                    jpeg_bytes = len(encode_jpeg(page.image))
                    yield _PageMeasurement(len(embedding.vectors), jpeg_bytes, time.monotonic() - started)
