"""What a question costs as a library grows: made-up pages of mini's kind (`benchmarks.recombined_pages`), stored as an
ingest stores them.

python -m benchmarks.cost_by_size FOLDER LIBRARY QUERIES [--sizes 5000 50000] [--vectors 256] [--write FILE]

LIBRARY is one of real pages, such as `colvision evaluate --library` fills, QUERIES the evaluation set's queries.jsonl.

The library in FOLDER grows from size to size, and is measured at each in a process of its own: a question by inverted
lists and by a scan (`exact`, up to --scan pages) in turns, after a warm-up; how many of the scan's ten best are found;
memory and time to open. A library that is there already goes on from its size. Page images are empty. A page of 256
vectors takes 50 KB.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import report
from benchmarks.recombined_pages import RecombinedPages
from colvision import Library, open_library
from colvision.core.page import PdfGeometry
from colvision.evaluation import read_queries
from colvision.maxsim.instructions import chosen_instructions
from colvision.store import Store
from colvision.store.identity import SourceFile
from colvision.store.writer import EncodedPage

_DOCUMENT_PAGES = 2048  # which a commit adds


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("library", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[5000, 50_000])
    parser.add_argument("--vectors", type=int, default=256, help="of a page")
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--scan", type=int, default=50_000, help="the largest size that is also scanned")
    parser.add_argument("--write", type=Path, help="the page of the docs that has the table")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    if options.measure is not None:
        print(json.dumps(measure(options.folder, options)))
        return
    lines = [
        "| pages | by lists, ms (95 % within) | scan, ms | ten best found | resident GB | to open, s | KB a page | "
        "stored a second |",
        "|---|---|---|---|---|---|---|---|",
    ]
    found = []
    for size in options.sizes:
        rate = fill(options.folder, size, RecombinedPages(options.library, options.vectors))
        command = [sys.executable, "-m", "benchmarks.cost_by_size", str(options.folder), str(options.library)]
        command += [str(options.queries), "--measure", str(size), "--scan", str(options.scan)]
        command += ["--questions", str(options.questions)]
        one = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        found.append((one["pages"], one["median"]))
        scan = f"{one['scan']:.0f}" if one["scan"] else "-"
        recall = f"{one['recall']:.3f}" if one["recall"] is not None else "-"
        spent = f"{one['median']:.1f} ({one['late']:.1f})"
        rest = f"{one['resident']:.2f} | {one['open']:.2f} | {one['kilobytes']:.1f} | {rate:.0f}"
        lines.append(f"| {one['pages']:,} | {spent} | {scan} | {recall} | {rest} |")
        print(lines[-1], flush=True)
    if len(found) > 1:
        sizes, medians = (np.log([each[i] for each in found]) for i in range(2))
        lines.append(f"\nFitted: time grows with pages to the power of {np.polyfit(sizes, medians, 1)[0]:.2f}.")
    title = f"What a question costs by size, {options.vectors} vectors a page, by {chosen_instructions()}"
    print("\n".join(lines))
    if options.write is not None:
        report.write(options.write, title, "\n".join(lines))


def fill(folder: Path, size: int, source: RecombinedPages) -> float:
    """Grows the library to so many pages; returns how many it stored a second, 0 for none."""
    file = folder.parent / f"{folder.name}.pdf"
    began, stored = 0.0, 0
    with Store(folder) as store:
        store.files.write_page_images = lambda *_: None  # type: ignore[method-assign]
        have = sum(row.stored for row in store.documents("default"))
        while have < size:
            count = min(_DOCUMENT_PAGES, size - have)
            file.write_bytes(b"%PDF-" + str(have).encode())
            name = f"made-up {have}.pdf"
            source_file = SourceFile("default", name, name, upload=True, replace=False)
            pages = [
                EncodedPage(number + 1, source.page(have + number), b"", 1, 1, PdfGeometry((0.0, 0.0, 1.0, 1.0), 0))
                for number in range(count)
            ]
            begun = time.perf_counter()
            pending = store.pending.begin(file, source_file, source.info, pages=count, renderer="none")
            store.writer.commit(pending, pages, source.info)
            store.writer.finish(pending)
            began, stored, have = began + time.perf_counter() - begun, stored + count, have + count
    return stored / began if began else 0.0


def measure(folder: Path, options: argparse.Namespace) -> dict[str, float | None]:
    """Seconds become milliseconds."""
    texts = [query.text for query in read_queries(options.queries)]
    texts = [texts[place] for place in np.linspace(0, len(texts) - 1, options.questions).astype(int)]
    begun = time.perf_counter()
    with open_library(folder) as library:
        pages = library.search(texts[0]).pages
        opened = time.perf_counter() - begun
        for text in texts:
            library.search(text)
        by_lists, by_scan, recalls = [], [], []
        for text in texts:
            spent, best = _ask(library, text, "auto")
            by_lists.append(spent)
            if pages <= options.scan:
                spent, every = _ask(library, text, "exact")
                by_scan.append(spent)
                recalls.append(len(best & every) / len(every))
        kilobytes = sum(file.stat().st_size for file in (folder / "shards").iterdir()) / pages / 1000
    return {
        "pages": pages,
        "median": statistics.median(by_lists) * 1000,
        "late": float(np.percentile(by_lists, 95)) * 1000,
        "scan": statistics.median(by_scan) * 1000 if by_scan else None,
        "recall": statistics.mean(recalls) if recalls else None,
        "resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "open": opened,
        "kilobytes": kilobytes,
    }


def _ask(library: Library, text: str, mode: str) -> tuple[float, set[tuple[str, int]]]:
    begun = time.perf_counter()
    answer = library.search(text, mode=mode)
    return time.perf_counter() - begun, {(hit.document, hit.page) for hit in answer}


if __name__ == "__main__":
    main()
