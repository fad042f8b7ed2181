"""MaxSim and search: ours in each mode beside what else there is, in one run, one thread.

python -m benchmarks.search [--pages 1000 5000 50000] [--bits 100000] [--rounds 7] [--peers 5000] [--write FILE]

Every table's ways take turns with the same queries; a figure is the median, the least stands in brackets. Pages are
made up (`benchmarks.synthetic`), 700 x 128 in the middle, 20 query tokens. Peers that `make bench-peers` has not
fetched are left out, which is printed. Everything is written into a temporary folder: 90 KB a page, and 358 KB for
those with floats.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks import peer, report
from benchmarks.kernels import bits_alone, exact, in_batches, int8, reranked
from benchmarks.roofline import Roofline, measure
from benchmarks.synthetic import DIM, TOKENS, Sizes, SyntheticPages, make
from benchmarks.timing import Measurement, measure_in_turns
from colvision.maxsim.instructions import chosen_instructions

_BATCH = 32
_SCORERS = ("colpali-engine", "sentence-transformers")
_ENGINES = ("qdrant-edge float16", "qdrant-edge int8", "lancedb")


class _Row(NamedTuple):
    """A way's figures; `roof` is the least time that this machine could take, in seconds a page."""

    name: str
    measured: Measurement
    bytes_a_page: float
    roof: float | None


def main(given: Sequence[str] | None = None) -> None:
    options = _options(given)
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if cores:
        os.sched_setaffinity(0, {min(cores)})  # one for us and the peers: before torch counts them
    output = []
    for section in _sections(options, cores):
        print(section, end="\n\n", flush=True)
        output.append(section)
    if options.write is not None:
        report.write(options.write, f"search by {chosen_instructions()}", "\n\n".join(output))


def _options(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, nargs="+", default=[1000, 5000, 50_000], help="a table for each size")
    parser.add_argument("--bits", type=int, default=100_000, help="pages of which only sign bits are compared")
    parser.add_argument("--peers", type=int, default=5000, help="the largest size that others are given; 0: none")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--queries", type=int, default=20, help="ours are asked all of them, in the rounds or after")
    parser.add_argument("--seconds", type=float, default=5, help="that each number of clients asks; 0 for none")
    parser.add_argument(
        "--write", type=Path, help="the page of the docs whose tables for these instructions are to be replaced"
    )
    return parser.parse_args(given)


def _sections(options: argparse.Namespace, cores: set[int]) -> Iterator[str]:
    sizes = sorted(options.pages)
    scored = [size for size in sizes if size <= options.peers] or sizes[:1]
    with TemporaryDirectory(prefix="bench-") as folder:
        most = Sizes(scored[-1], sizes[-1], max(options.bits, sizes[-1]))
        made = make(Path(folder), most, queries=options.queries, query_pages=sizes[0])
        roof = measure()
        yield report.conditions(
            f"torch {version('torch')}; one thread; {TOKENS} query tokens; pages of {DIM} dimensions"
        )
        yield report.roof(roof)
        for size in sizes:
            yield _table(made, Path(folder), size, roof, options)
        if options.bits > sizes[-1]:
            yield _bits_table(made, options.bits, roof, options.rounds)
        if options.seconds:
            if cores:
                os.sched_setaffinity(0, cores)
            yield _clients(min(scored[-1], 5000), options.seconds)


def _clients(pages: int, seconds: float) -> str:
    """In a process of its own, whose pool of threads may use all cores."""
    command = [sys.executable, "-m", "benchmarks.clients", "--kinds", "colpali", "--pages", str(pages)]
    command += ["--seconds", str(seconds)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def _table(made: SyntheticPages, folder: Path, size: int, roof: Roofline, options: argparse.Namespace) -> str:
    """Ours, and at sizes up to `--peers` everybody's; the scoring functions at the first size alone."""
    vectors = made.starts[size] / size  # of a page
    work = 2.0 * vectors * DIM * TOKENS
    words = vectors * TOKENS * DIM / 64
    codes, bits = vectors * DIM, vectors * DIM / 8
    ways = {
        "colvision int8": int8(made, size),
        f"colvision int8, {_BATCH} queries at once": in_batches(made, size, _BATCH),
    }
    facts: dict[str, tuple[float, float | None]] = {
        "colvision int8": (codes, roof.seconds(read=codes, int8=work)),
        f"colvision int8, {_BATCH} queries at once": (codes, roof.seconds(read=codes / _BATCH, int8=work)),
    }
    ways["colvision 1-bit"] = bits_alone(made, size)
    facts["colvision 1-bit"] = (bits, roof.seconds(read=bits, words=words))
    ways["colvision 1-bit, then int8"] = reranked(made, size)
    facts["colvision 1-bit, then int8"] = (codes + bits, None)
    if len(made.floats) >= made.starts[size]:
        ways["colvision float32"] = exact(made, size)
        facts["colvision float32"] = (codes * 4, roof.seconds(read=codes * 4, float32=work))
    notes = []
    with ExitStack() as peers:
        names = () if size > options.peers else (*(_SCORERS if size == min(options.pages) else ()), *_ENGINES)
        for name in names:
            try:
                other = peers.enter_context(peer.Peer(name, folder, size))
            except peer.MissingPeer as missing:
                notes.append(f"Left out: {missing}.")
                if name == "colpali-engine":  # then what its function computes, written out
                    other = peers.enter_context(peer.Peer(name := "padded einsum", folder, size))
                else:
                    continue
            ways[name], facts[name] = other, (other.bytes_a_page, None)
        queries = len(made.queries)
        found = measure_in_turns(ways, lambda query: made.best(query, size), queries=queries, rounds=options.rounds)
    rows = [_Row(name, found[name], *facts[name]) for name in found]
    return report.table(f"{size:,} pages", rows, size, notes)


def _bits_table(made: SyntheticPages, size: int, roof: Roofline, rounds: int) -> str:
    vectors = made.starts[size] / size
    best = roof.seconds(read=vectors * DIM / 8, words=vectors * TOKENS * DIM / 64)
    ways = {"colvision 1-bit": bits_alone(made, size)}
    found = measure_in_turns(ways, lambda query: made.best(query, size), queries=len(made.queries), rounds=rounds)
    row = _Row("colvision 1-bit", found["colvision 1-bit"], vectors * DIM / 8, best)
    return report.table(f"{size:,} pages, bits only", [row], size, [])


if __name__ == "__main__":
    main()
