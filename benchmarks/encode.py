"""CPU seconds that mini takes for a page, rendering apart, one thread, over clean pages, light scans and heavy ones.

python -m benchmarks.encode [FILE.pdf ...] [--pages 20]

Without files: the sample manual, light and heavy scans made of it, and the sample's own scan.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from benchmarks.machine import machine
from colvision.core.encoder import Encoder
from colvision.core.page import Page
from colvision.encoders import load_encoder
from colvision.evaluation.scans import ScanLevel, write_scan
from colvision.pdf import read_pages

_DATA = Path(__file__).parents[1] / "data"
_LEVELS: tuple[ScanLevel, ...] = ("light", "heavy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--pages", type=int, default=20, help="of every file")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # mini heeds it
    begun = time.perf_counter()
    encoder = load_encoder("mini")
    loaded = time.perf_counter() - begun
    begun = time.perf_counter()
    encoder.encode_queries(["bleed the hydraulic pump"])
    query = time.perf_counter() - begun
    print(f"{machine()}; one thread")
    print(f"mini: loaded in {loaded:.2f} s (imports included), a first query in {query * 1000:.1f} ms\n")
    print("| file | pages | CPU s a page, median | mean | vectors a page |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for path in options.files or _made_files(Path(folder)):
            print(_row(encoder, path, options.pages), flush=True)


def _made_files(folder: Path) -> Iterator[Path]:
    clean = _DATA / "sample-manual.pdf"
    yield clean
    for level in _LEVELS:
        scan = folder / f"{clean.stem}-{level}.pdf"
        deque(write_scan(clean, scan, level=level), maxlen=0)
        yield scan
    yield _DATA / "sample-manual-scan.pdf"


def _row(encoder: Encoder, path: Path, most: int) -> str:
    pages = [page for page in islice(read_pages(path), most) if isinstance(page, Page)]
    deque(encoder.encode_pages(pages[:1]), maxlen=0)
    seconds, vectors = [], []
    for page in pages:
        begun = time.process_time()
        (embedding,) = encoder.encode_pages([page])
        seconds.append(time.process_time() - begun)
        vectors.append(len(embedding.vectors))
    median, mean = statistics.median(seconds), statistics.mean(seconds)
    return f"| {path.name} | {len(pages)} | {median:.3f} | {mean:.3f} | {statistics.mean(vectors):.0f} |"


if __name__ == "__main__":
    main()
