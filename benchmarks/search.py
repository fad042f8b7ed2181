"""Exact MaxSim: ours beside the padded einsum that colpali-engine's scoring function computes. One thread.

python -m benchmarks.search [--pages 1000] [--runs 9]
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.machine import machine
from colvision import maxsim

_DIM, _TOKENS, _VECTORS, _CODE_RANGE = 128, 20, 700, 0.45


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    lengths = rng.integers(_VECTORS - 200, _VECTORS + 200, options.pages)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    vectors = _unit(rng, int(starts[-1]))
    query = _unit(rng, _TOKENS)
    codes = maxsim.quantise(vectors, _CODE_RANGE)
    pages = [torch.from_numpy(vectors[a:b]) for a, b in zip(starts[:-1], starts[1:], strict=True)]
    exact = np.maximum.reduceat(query @ vectors.T, starts[:-1], axis=1).sum(axis=0)

    def padded() -> np.ndarray:
        """Batches of 128 pages, padded with zeros to the longest: as colpali-engine 0.3 scores."""
        scores = []
        for start in range(0, len(pages), 128):
            batch = torch.nn.utils.rnn.pad_sequence(pages[start : start + 128], batch_first=True)
            scores.append(torch.einsum("nd,psd->nps", torch.from_numpy(query), batch).amax(dim=2).sum(dim=0))
        return torch.cat(scores).numpy()

    def flat() -> np.ndarray:
        return np.maximum.reduceat(query @ vectors.T, starts[:-1], axis=1).sum(axis=0)

    def ours() -> np.ndarray:
        return maxsim.token_maxima(query, codes, starts, _CODE_RANGE).sum(axis=1)

    maxsim.threads._pool = lambda: _Serial()  # type: ignore[assignment]  # one thread for every way
    ways: dict[str, Callable[[], np.ndarray]] = {
        "padded einsum, float32 (colpali-engine's way)": padded,
        "flat rows + reduceat, float32": flat,
        "colvision, int8": ours,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.runs + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - started)
    print(f"{machine()}; one thread; {options.pages} pages of about {_VECTORS} x {_DIM}, {_TOKENS} query tokens")
    base = statistics.median(times[next(iter(ways))][1:])
    for name, way in ways.items():
        middle = statistics.median(times[name][1:])
        best = set(np.argsort(-way())[:10].tolist()) & set(np.argsort(-exact)[:10].tolist())
        print(
            f"{name:48} {middle / options.pages * 1e6:8.1f} us/page  x{base / middle:5.1f}  top-10 kept {len(best)}/10"
        )


class _Serial:
    map = staticmethod(map)


def _unit(rng: np.random.Generator, rows: int) -> np.ndarray:
    vectors = rng.standard_normal((rows, _DIM), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
