"""CPU seconds that mini takes for a page, rendering apart, one thread; and the time from a start to the first answer.

python -m benchmarks.encode FILE.pdf [--pages 20]
"""

import argparse
import statistics
import time
from itertools import islice
from pathlib import Path

import torch

from benchmarks.machine import machine
from colvision.core.page import Page
from colvision.encoders import load_encoder
from colvision.pdf import read_pages

_SAMPLE = Path(__file__).parents[1] / "data" / "sample-manual-scan.pdf"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=_SAMPLE)
    parser.add_argument("--pages", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    encoder = load_encoder("mini")
    loaded = time.perf_counter() - started
    pages = [page for page in islice(read_pages(options.file), options.pages) if isinstance(page, Page)]
    next(iter(encoder.encode_pages(pages[:1])))
    seconds, vectors = [], []
    for page in pages:
        begun = time.process_time()
        embedding = next(iter(encoder.encode_pages([page])))
        seconds.append(time.process_time() - begun)
        vectors.append(len(embedding.vectors))
    begun = time.perf_counter()
    encoder.encode_queries(["bleed the hydraulic pump"])
    query = time.perf_counter() - begun
    print(f"{machine()}; one thread; {len(pages)} pages of {options.file.name}")
    print(
        f"mini: {statistics.median(seconds):.3f} CPU s a page (median), {statistics.mean(vectors):.0f} vectors a page"
    )
    print(f"mini: loaded in {loaded:.2f} s (imports included), a query in {query * 1000:.1f} ms")


if __name__ == "__main__":
    main()
