"""Queries a second of a real library, by several clients at once through `Library.search`, on all cores.

python -m benchmarks.clients FOLDER PAGES SECONDS: `benchmarks.search` made the folder, and prints what this prints.
"""

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.synthetic import DIM, QUANTISATION_RANGE, SyntheticPages, read
from colvision.core.embedding import PageEmbedding, PatchGrid, QueryEmbedding
from colvision.core.encoder import EncoderInfo
from colvision.core.page import Page, PdfGeometry
from colvision.library import Library, open_library
from colvision.store import Store
from colvision.store.identity import SourceFile
from colvision.store.writer import EncodedPage

_CLIENTS = (1, 8, 64)
_COMMIT_PAGES = 512  # pages of a commit


class PreparedEncoder:
    """An encoder whose queries are numbers of made-up ones, encoded beforehand: only the search is measured."""

    def __init__(self, made: SyntheticPages) -> None:
        self.info = EncoderInfo("made-up", "made-up", DIM, QUANTISATION_RANGE)
        self._queries = made.queries

    def encode_pages(self, pages: Iterable[Page]) -> Iterator[PageEmbedding]:
        raise ValueError("made-up pages are stored, never encoded")

    def encode_queries(self, texts: Sequence[str]) -> list[QueryEmbedding]:
        vectors = [self._queries[int(text)] for text in texts]
        words = [str(token) for token in range(len(vectors[0]))]
        return [QueryEmbedding.of_words(text, words, own) for text, own in zip(texts, vectors, strict=True)]


def table(folder: Path, pages: int, seconds: float) -> str:
    """Runs this file, in a process whose pool of threads may use all cores."""
    command = [sys.executable, "-m", "benchmarks.clients", str(folder), str(pages), str(seconds)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def _table(made: SyntheticPages, pages: int, seconds: float) -> str:
    """Asks for so many seconds with each number of clients, after a warm-up."""
    lines = [
        f"**Clients** of one process, {pages:,} pages, all cores",
        "",
        "| clients | queries a second | median ms | 95 % within ms |",
        "|---|---|---|---|",
    ]
    with TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "library"
        _fill(path, made, pages)
        with open_library(path, encoder=PreparedEncoder(made)) as library:
            _search(library, made, 1, min(seconds, 1.0))
            for count in _CLIENTS:
                waits = _search(library, made, count, seconds)
                middle, late = np.percentile(waits, [50, 95]) * 1000
                lines.append(f"| {count} | {len(waits) / seconds:.0f} | {middle:.1f} | {late:.1f} |")
    return "\n".join(lines)


def _fill(folder: Path, made: SyntheticPages, pages: int) -> None:
    """A library of one document, stored as an ingest stores it; its page images are empty."""
    info = PreparedEncoder(made).info
    file = folder.with_name("made-up.pdf")
    file.write_bytes(b"%PDF-")
    with Store(folder) as store:
        source_file = SourceFile("default", file.name, str(file), upload=True, replace=False)
        pending = store.pending.begin(file, source_file, info, pages=pages, renderer="none")
        for first in range(0, pages, _COMMIT_PAGES):
            numbers = range(first, min(first + _COMMIT_PAGES, pages))
            store.writer.commit(pending, [_page(made, number) for number in numbers], info)
        store.writer.finish(pending)


def _page(made: SyntheticPages, number: int) -> EncodedPage:
    vectors = np.array(made.floats[made.starts[number] : made.starts[number + 1]])
    embedding = PageEmbedding.from_patches(vectors, PatchGrid.full(1, len(vectors)))
    return EncodedPage(number + 1, embedding, b"", 1, 1, PdfGeometry((0.0, 0.0, 1.0, 1.0), 0))


def _search(library: Library, made: SyntheticPages, clients: int, seconds: float) -> list[float]:
    """The seconds that each answer took."""
    waits: list[float] = []
    end = time.perf_counter() + seconds

    def client(number: int) -> None:
        query = number
        while (begun := time.perf_counter()) < end:
            library.search(str(query % len(made.queries)))
            waits.append(time.perf_counter() - begun)
            query += 1

    threads = [threading.Thread(target=client, args=[number]) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("pages", type=int)
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    print(_table(read(options.folder), options.pages, options.seconds))


if __name__ == "__main__":
    main()
