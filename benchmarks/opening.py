"""How long a large library takes to its first answer, and how much memory the process that searches it holds.

    python -m benchmarks.opening [FOLDER] [PAGES]

The library is made of random codes where there is none (100 KB a page); each measurement is a process of its own, over
warm files. Its later queries are others than the first, so that they read other pages.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from colvision.core.embedding import PatchGrid, QueryEmbedding
from colvision.core.encoder import EncoderInfo
from colvision.search import SearchOptions, search_pages
from colvision.store import Store, rows
from colvision.store.catalogue import Catalogue
from colvision.store.records import READY, NewDocument, NewPage, PageText, ShardRow, shard_name
from colvision.store.shards import SHARD_FORMAT, PageRef, ShardPage, write_shard

VECTORS, DIM, TOKENS = 700, 128, 20
SHARD_PAGES, DOCUMENT_PAGES = 4096, 100
INFO = EncoderInfo("random", "0" * 64, DIM, 0.4)
_WORDS = (
    "the",
    "pump",
    "is",
    "bled",
    "at",
    "its",
    "valve",
    "before",
    "housing",
    "taken",
    "off",
    "and",
    "gasket",
    "new",
)


def make(folder: Path, pages: int) -> None:
    """A library of random codes, written past the encoder and the writer: hours otherwise."""
    rng = np.random.default_rng(0)
    pool = rng.normal(0, 36, (64, VECTORS, DIM)).clip(-127, 127).astype(np.int8)
    grid, kind = PatchGrid.full(25, 28), np.zeros(VECTORS, dtype=np.uint8)
    with Store(folder) as store:
        db = store._db
        with db.write():
            rows.collections.pin_encoder(db, 1, INFO)
        for first in range(0, pages, SHARD_PAGES):
            numbers = range(first, min(first + SHARD_PAGES, pages))
            with db.write():
                owners = [PageRef(*_owner(db, number, pages)) for number in numbers]
                key = rows.shards.next_key(db)
                path = store.files.shard_path(shard_name(key))
                stored = [ShardPage(np.roll(pool[number % 64], number, axis=0), grid, kind) for number in numbers]
                checksum = write_shard(path, stored, owners, quantisation_range=INFO.quantisation_range)
                size = path.stat().st_size
                new = ShardRow(key, 1, len(owners), len(owners) * VECTORS, size, checksum, "", SHARD_FORMAT)
                rows.shards.add(db, new)
                for row, owner in enumerate(owners):
                    text = " ".join(rng.choice(_WORDS, 200))
                    rows.pages.add(
                        db, NewPage(owner.document, owner.number, 1650, 1275, None, key, row, 0), PageText(text)
                    )
                rows.collections.next_generation(db, 1)


def _owner(db: Catalogue, number: int, pages: int) -> tuple[int, int]:
    place = number % DOCUMENT_PAGES
    if place == 0:
        name = f"manual-{number // DOCUMENT_PAGES:05d}.pdf"
        of = min(DOCUMENT_PAGES, pages - number)
        digest = f"{number:064x}"
        new = NewDocument(name, 1, name, f"/{name}", False, digest, "pdf", 1, of, "none", True, None, "", {"n": number})
        row = rows.documents.add(db, new)
        rows.documents.set_state(db, row.key, READY)
    (key,) = db.one("SELECT max(key) FROM documents")
    return key, place + 1


def measure(folder: Path) -> None:
    """In this process: milliseconds to the first answer and to later ones, and megabytes."""
    rng = np.random.default_rng(1)
    queries = [_query(rng) for _ in range(21)]
    warm_up(queries[0])
    before, _ = memory()
    started, worked = time.perf_counter(), time.process_time()
    with Store(folder, create=False) as store:
        snapshot = store.snapshot("default")
        seen = time.perf_counter()
        answer = search_pages(snapshot, queries[0], info=INFO, options=SearchOptions(k=10))
        first, worked = time.perf_counter(), time.process_time() - worked
        again = []
        for query in queries[1:]:
            begun = time.perf_counter()
            search_pages(store.snapshot("default"), query, info=INFO, options=SearchOptions(k=10))
            again.append(time.perf_counter() - begun)
        bits = sum(part.shard.bits.nbytes for part in snapshot.shards if part.shard.bits is not None) / 2**20
        resident, own = memory()
        spent = f"snapshot after {(seen - started) * 1e3:.0f} ms, first answer after {(first - started) * 1e3:.0f} ms"
        held = f"memory {resident:.0f} MB ({own:.0f} MB its own, {before:.0f} MB before), bits {bits:.0f} MB"
        print(
            f"{snapshot.pages} pages, {len(snapshot.shards)} shards, mode {answer.mode}: {spent} "
            f"({worked * 1e3:.0f} ms of work), later ones {np.median(again) * 1e3:.0f} ms; {held}"
        )


def _query(rng: np.random.Generator) -> QueryEmbedding:
    vectors = rng.standard_normal((TOKENS, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return QueryEmbedding.of_words("random", [f"w{i}" for i in range(TOKENS)], vectors)


def warm_up(query: QueryEmbedding) -> None:
    """What imports and compiling cost is no part of the opening."""
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), 2)
        with Store(Path(folder)) as store:
            for mode in ("auto", "exact"):
                search_pages(store.snapshot("default"), query, info=INFO, options=SearchOptions(k=2, mode=mode))


def memory() -> tuple[float, float]:
    """(resident, resident and no file's) megabytes of this process."""
    text = Path("/proc/self/status").read_text()
    found = {
        line.split(":")[0]: float(line.split()[1]) / 1024
        for line in text.splitlines()
        if line.startswith(("Rss", "VmRSS"))
    }
    return found["VmRSS"], found["RssAnon"]


def main(folder: Path, pages: int) -> None:
    if not (folder / "catalog.sqlite").exists():
        make(folder, pages)
    print(machine())
    for path in (folder / "shards").iterdir():
        with path.open("rb") as file:  # warm
            while file.read(1 << 24):
                pass
    for _ in range(3):
        command = [sys.executable, "-c", f"from benchmarks.opening import *; measure(Path({str(folder)!r}))"]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


if __name__ == "__main__":
    main(
        Path(sys.argv[1] if len(sys.argv) > 1 else ".cache/opening"), int(sys.argv[2]) if len(sys.argv) > 2 else 50_000
    )
