"""Questions a second of a real library, by several clients at once through `Library.search`, on all cores.

python -m benchmarks.clients [--kinds mini colpali] [--pages 5000 50000] [--clients 1 8 64 256] [--seconds 5]
    [--keep FOLDER] [--no-lists]

Clients are threads of one process. Pages are made up, and stored as an ingest stores them in a temporary folder, or in
FOLDER for the next run: room for 75 (mini's kind) or 101 KB a page. Queries are encoded beforehand: only the search
is measured. With AVX2 alone by COLVISION_INSTRUCTIONS=avx2; without inverted lists by --no-lists.

- colpali: the pages of `benchmarks.synthetic`, 700 vectors, plain MaxSim, queries of 20 tokens.
- mini: 430 vectors on average, each near the vector of one of 30,000 words (word i is drawn with weight 1 / (i + 10)),
  which are the page's text, too; mini's calibration; queries of 5 words of one page, which text layers are asked, too.
"""

import argparse
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import numpy as np

from benchmarks.machine import commit, machine
from benchmarks.synthetic import DIM, QUANTISATION_RANGE, PageSource, unit
from colvision.core.embedding import Floats, PageEmbedding, PatchGrid, QueryEmbedding
from colvision.core.encoder import EncoderInfo
from colvision.core.page import Page, PdfGeometry
from colvision.encoders import load_encoder
from colvision.library import Library, open_library
from colvision.maxsim import inverted_lists
from colvision.maxsim.instructions import chosen_instructions
from colvision.store import Store
from colvision.store.identity import SourceFile
from colvision.store.records import PageText
from colvision.store.writer import EncodedPage

CLIENTS = (1, 8, 64, 256)
_COMMIT_PAGES = 512  # pages of a commit
_DOCUMENT_PAGES = 50
_QUERIES = 200  # that clients take in turns
_WORDS, _COMMON = 30_000, 10
_ROWS, _COLS = 43, 20  # of mini's grids, about half of whose cells hold a word
_WARM_SECONDS = 1.0
_BATCH, _TURNS = 32, 5  # questions at once, as many as wait together at most


class Kind(Protocol):
    """Made-up pages as one encoder makes them, by their number, and queries about them."""

    info: EncoderInfo

    def page(self, number: int) -> tuple[PageEmbedding, str]:
        """And its text layer."""
        ...

    def query(self, number: int) -> str: ...
    def encode(self, text: str) -> QueryEmbedding: ...


class ColPaliKind:
    info = EncoderInfo("made-up colpali", "made-up colpali", DIM, QUANTISATION_RANGE)

    def __init__(self) -> None:
        self._source = PageSource()
        self._queries: dict[str, Floats] = {}

    def page(self, number: int) -> tuple[PageEmbedding, str]:
        vectors = self._source.page(number)
        return PageEmbedding.from_patches(vectors, PatchGrid.full(1, len(vectors))), ""

    def query(self, number: int) -> str:
        self._queries[str(number)] = self._source.query(number)
        return str(number)

    def encode(self, text: str) -> QueryEmbedding:
        vectors = self._queries[text]
        return QueryEmbedding.of_words(text, [str(token) for token in range(len(vectors))], vectors)


class MiniKind:
    def __init__(self) -> None:
        self.info = replace(load_encoder("mini").info, name="made-up mini", fingerprint="made-up mini")
        rng = np.random.default_rng(0)
        self._words = unit(rng.standard_normal((_WORDS, DIM), dtype=np.float32))
        weights = 1 / (np.arange(_WORDS) + _COMMON)
        self._ends = np.cumsum(weights / weights.sum())

    def page(self, number: int) -> tuple[PageEmbedding, str]:
        rng = np.random.default_rng([2, number])
        words, cells = self._words_of(number), np.full(_ROWS * _COLS, -1, np.int32)
        noise = unit(rng.standard_normal((len(words), DIM), dtype=np.float32))
        cells[np.sort(rng.choice(len(cells), len(words), replace=False))] = np.arange(len(words))
        embedding = PageEmbedding.from_patches(
            unit(self._words[words] + 0.5 * noise), PatchGrid(cells.reshape(_ROWS, _COLS))
        )
        return embedding, " ".join(f"w{word}x" for word in words)

    def query(self, number: int) -> str:
        words = np.unique(self._words_of(number))
        return " ".join(f"w{word}x" for word in np.random.default_rng([3, number]).choice(words, 5, replace=False))

    def encode(self, text: str) -> QueryEmbedding:
        words = text.split()
        return QueryEmbedding.of_words(text, words, self._words[[int(word[1:-1]) for word in words]])

    def _words_of(self, number: int) -> np.ndarray:
        rng = np.random.default_rng([1, number])
        return np.searchsorted(self._ends, rng.random(int(rng.integers(330, 531)))).clip(max=_WORDS - 1)


KINDS: dict[str, type[Kind]] = {"mini": MiniKind, "colpali": ColPaliKind}


class PreparedEncoder:
    """An encoder whose queries were encoded beforehand."""

    def __init__(self, kind: Kind, queries: Sequence[str]) -> None:
        self.info = kind.info
        self._queries = {text: kind.encode(text) for text in queries}

    def encode_pages(self, pages: Iterable[Page]) -> Iterator[PageEmbedding]:
        raise ValueError("made-up pages are stored, never encoded")

    def encode_queries(self, texts: Sequence[str]) -> list[QueryEmbedding]:
        return [self._queries[text] for text in texts]


def table(name: str, pages: int, seconds: float, clients: Sequence[int] = CLIENTS, keep: Path | None = None) -> str:
    """Asks for so many seconds with each number of clients, after a warm-up."""
    lines = [
        f"**Clients** of one process, {pages:,} pages of {name}'s kind, all cores",
        "",
        "| clients | questions a second | median ms | 95 % within ms |",
        "|---|---|---|---|",
    ]
    with filled_library(name, pages, keep) as (library, queries):
        search(library, queries, 1, min(seconds, _WARM_SECONDS))
        for count in clients:
            begun = time.perf_counter()
            waits = search(library, queries, count, seconds)
            spent = time.perf_counter() - begun
            middle, late = np.percentile(waits, [50, 95]) * 1000
            lines.append(f"| {count} | {len(waits) / spent:.0f} | {middle:.1f} | {late:.1f} |")
        least, usual = processor_ms(library, queries)
        lines += [
            "",
            f"Processor time of a question, {_BATCH} at once: {least:.2f} ms at least, {usual:.2f} as a rule.",
        ]
    return "\n".join(lines)


@contextmanager
def filled_library(name: str, pages: int, keep: Path | None = None) -> Iterator[tuple[Library, list[str]]]:
    """A library of made-up pages of a kind, in `keep` if given, and queries about pages spread over it."""
    kind = KINDS[name]()
    queries = [kind.query(number) for number in np.linspace(0, pages - 1, min(_QUERIES, pages)).astype(int).tolist()]
    with TemporaryDirectory(prefix="bench-") as folder:
        has_lists = pages >= inverted_lists.LISTS_PAGES
        path = (keep or Path(folder)) / (f"{name}-{pages}" if has_lists else f"{name}-{pages}-no-lists")
        if not path.exists():
            filled = Path(folder) / "library" if keep is None else keep / f"{path.name}.part"
            shutil.rmtree(filled, ignore_errors=True)  # of a run that was ended
            with Store(filled) as store:
                for first in range(0, pages, _DOCUMENT_PAGES):
                    _add(store, kind, range(first, min(first + _DOCUMENT_PAGES, pages)), Path(folder))
                store.compact()
            filled.rename(path)
        with open_library(path, encoder=PreparedEncoder(kind, queries)) as library:
            yield library, queries


def _add(store: Store, kind: Kind, numbers: range, folder: Path) -> None:
    """A document of these pages, stored as an ingest stores it; its page images are empty."""
    file = folder / f"made-up-{numbers.start}.pdf"
    file.write_bytes(b"%PDF-" + str(numbers.start).encode())
    source_file = SourceFile("default", file.name, str(file), upload=True, replace=False)
    pending = store.pending.begin(file, source_file, kind.info, pages=len(numbers), renderer="none")
    store.writer.commit(pending, [_page(kind, place, number) for place, number in enumerate(numbers, 1)], kind.info)
    store.writer.finish(pending)


def _page(kind: Kind, place: int, number: int) -> EncodedPage:
    embedding, text = kind.page(number)
    return EncodedPage(place, embedding, b"", 1, 1, PdfGeometry((0.0, 0.0, 1.0, 1.0), 0), PageText(text))


def search(library: Library, queries: Sequence[str], clients: int, seconds: float) -> list[float]:
    """The seconds that each answer took, of all that were asked for within so many."""
    waits: list[float] = []
    end = time.perf_counter() + seconds

    def client(number: int) -> None:
        query = number
        while (begun := time.perf_counter()) < end:
            library.search(queries[query % len(queries)])
            waits.append(time.perf_counter() - begun)
            query += clients

    threads = [threading.Thread(target=client, args=[number]) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


def processor_ms(library: Library, queries: Sequence[str]) -> tuple[float, float]:
    """What a question of a batch costs, in all threads: the least of a few turns, and the one in the middle."""
    spent = []
    for _ in range(_TURNS):
        begun = time.process_time()
        library.search_many(queries[:_BATCH])
        spent.append((time.process_time() - begun) * 1000 / len(queries[:_BATCH]))
    return min(spent), float(np.median(spent))


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--pages", type=int, nargs="+", default=[5000, 50_000])
    parser.add_argument("--clients", type=int, nargs="+", default=list(CLIENTS))
    parser.add_argument("--seconds", type=float, default=5, help="that each number of clients asks")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the libraries stay")
    parser.add_argument("--no-lists", action="store_true", help="make libraries without inverted lists")
    options = parser.parse_args(given)
    if options.no_lists:
        inverted_lists.LISTS_PAGES = sys.maxsize
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    sys.stdout.write(f"{machine()}, {cores} used; codes by {chosen_instructions()}; commit `{commit()}`\n\n")
    for name in options.kinds:
        for pages in options.pages:
            sys.stdout.write(table(name, pages, options.seconds, options.clients, options.keep) + "\n\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
