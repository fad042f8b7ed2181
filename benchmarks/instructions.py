"""int8 MaxSim and sign bits in each set of instructions that this processor has, beside numpy's float32 product.

python -m benchmarks.instructions [TURNS]

One thread, 40 pages of 700 x 128; CPU time, the least of the turns, which the ways take one after the other.
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from benchmarks.machine import machine
from colvision.maxsim import instructions
from colvision.maxsim.bit_lanes import BIT_LANES

_PAGES, _VECTORS, _DIM = 40, 700, 128
_TOKENS = (3, 8, 20, 33, 640)  # words, a long question, ColPali's, a page of them, 32 queries at once
_Compared = tuple[np.ndarray, np.ndarray]  # tokens and rows


def main() -> None:
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    rng = np.random.default_rng(0)
    codes = rng.integers(-127, 128, (_PAGES * _VECTORS, _DIM), dtype=np.int8)
    bits = rng.integers(0, 2**63, (len(codes), _DIM // 64)).astype(np.uint64)
    ends = np.arange(0, len(codes) + 1, _VECTORS)
    table: dict[str, list[float]] = {}
    for count in _TOKENS:
        tokens = rng.integers(-127, 128, (count, _DIM), dtype=np.int8)
        words = rng.integers(0, 2**63, (count, _DIM // 64)).astype(np.uint64)
        ways = dict(_ways((tokens, codes), (words, bits), ends))
        for name, least in _least(ways, turns).items():
            table.setdefault(name, []).append(least / _PAGES * 1e6)
    print(f"{machine()}; us a page\n\n| tokens | {' | '.join(map(str, _TOKENS))} |\n|---|{'---|' * len(_TOKENS)}")
    for name, row in table.items():
        print(f"| {name} | {' | '.join(f'{each:.1f}' if each < 10 else f'{each:.0f}' for each in row)} |")


def _ways(int8: _Compared, bits: _Compared, ends: np.ndarray) -> Iterator[tuple[str, Callable[[], object]]]:
    for name in instructions.available_instructions():
        yield name, partial(instructions._products(name).maxima, *int8, ends[:-1], ends[1:])
    for lanes in BIT_LANES:
        if lanes.is_available:
            yield f"sign bits, {lanes.name}", partial(lanes.sums, "best", *bits, ends[:-1], ends[1:])


def _least(ways: dict[str, Callable[[], object]], turns: int) -> dict[str, float]:
    least = dict.fromkeys(ways, np.inf)
    for way in ways.values():
        way()  # compiles
    for _ in range(turns):
        for name, way in ways.items():
            begun = time.process_time()
            way()
            least[name] = min(least[name], time.process_time() - begun)
    return least


if __name__ == "__main__":
    main()
