"""Which of a processor's instructions compare int8 codes: what is there is measured once a machine, and kept.

`COLVISION_INSTRUCTIONS` allows fewer: none, neon, avx2, avx-vnni, avx512 or amx, each with those before it.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import llvmlite
import numpy as np
import platformdirs

from colvision.atomic_io import atomic_write
from colvision.environment import INSTRUCTIONS_VARIABLE
from colvision.maxsim import amx
from colvision.maxsim.int8_lanes import CODES, INT8_LANES, Int32s
from colvision.maxsim.loops import Places, loop_text
from colvision.maxsim.native import processor_features, processor_name
from colvision.maxsim.quantisation import Codes
from colvision.parallel import once

FLOAT32, AMX = "float32", "amx"
_TILED = 64  # dimensions in a tile of AMX
_FLOATS = 1_024  # page vectors that are float32 at once: 512 KB at 128 dimensions
_PAGES, _VECTORS, _TOKENS, _DIM = 6, 700, 20, 128  # what is measured: a ColPali query
_ROUNDS = 5


class Int8Products(Protocol):
    """Products of codes, exact; tokens (t, dim), codes (n, dim)."""

    def maxima(self, tokens: Codes, codes: Codes, firsts: Places, lasts: Places) -> Int32s:
        """Each page's largest products, of its first row to the one after its last: (pages, t)."""
        ...

    def products(self, tokens: Codes, codes: Codes) -> Int32s:
        """All: (n, t)."""
        ...


class Float32Products:
    """By numpy: exact as well, since no sum passes 2^24. For processors without any of the others, and odd dims."""

    def maxima(self, tokens: Codes, codes: Codes, firsts: Places, lasts: Places) -> Int32s:
        right = np.ascontiguousarray(tokens.T, np.float32)
        found = np.empty((len(firsts), len(tokens)), np.float32)
        for page, (first, last) in enumerate(zip(firsts.tolist(), lasts.tolist(), strict=True)):
            blocks = [codes[row : min(row + _FLOATS, last)] for row in range(first, last, _FLOATS)]
            found[page] = np.max([(block.astype(np.float32) @ right).max(axis=0) for block in blocks], axis=0)
        return found.astype(np.int32)

    def products(self, tokens: Codes, codes: Codes) -> Int32s:
        found: Int32s = (codes.astype(np.float32) @ tokens.astype(np.float32).T).astype(np.int32)
        return found


def int8_products(dim: int) -> Int8Products:
    """What this machine compares codes of so many dimensions with."""
    chosen = chosen_instructions()
    if chosen == AMX and dim % _TILED:
        chosen = next((each.lanes.name for each in INT8_LANES if each.lanes.is_available), FLOAT32)
    return _products(FLOAT32 if dim % CODES else chosen)


@once
def available_instructions() -> tuple[str, ...]:
    """The sets that this processor has, `float32` last: each computes what numpy does, or is not among them."""
    names = [each.lanes.name for each in INT8_LANES if each.lanes.is_available and each.agrees()]
    return (*([AMX] if amx.tiles() is not None else []), *names, FLOAT32)


@once
def chosen_instructions() -> str:
    """The name of the set in use."""
    texts = [amx.loop_text(), *(loop_text(each.lanes, "best", each.lanes.registers) for each in INT8_LANES)]
    loops = hashlib.sha256("".join(texts).encode()).hexdigest()
    key = " ".join([processor_name(), *sorted(processor_features()), llvmlite.__version__, loops])
    path = Path(platformdirs.user_cache_dir("colvision", appauthor=False)) / "instructions.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["key"] == key and _products(kept["chosen"]):
            return str(kept["chosen"])
    measured = measure_instructions()
    chosen = min(measured, key=measured.__getitem__)
    if not os.environ.get(INSTRUCTIONS_VARIABLE):
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, [json.dumps({"key": key, "chosen": chosen, "microseconds_a_page": measured}).encode()])
    return chosen


def measure_instructions() -> Mapping[str, float]:
    """Microseconds a page of 700 vectors x 128 for 20 tokens, the least of a few rounds, by the name of the set."""
    rng = np.random.default_rng(0)
    codes = rng.integers(-127, 128, (_PAGES * _VECTORS, _DIM), dtype=np.int8)
    tokens = rng.integers(-127, 128, (_TOKENS, _DIM), dtype=np.int8)
    ends = np.arange(0, len(codes) + 1, _VECTORS, dtype=np.int64)

    def seconds(products: Int8Products) -> float:
        begun = time.perf_counter()
        products.maxima(tokens, codes, ends[:-1], ends[1:])
        return time.perf_counter() - begun

    ways = {name: _products(name) for name in available_instructions()}
    rounds = [{name: seconds(way) for name, way in ways.items()} for _ in range(_ROUNDS + 1)]  # the first compiles
    return {name: round(min(each[name] for each in rounds[1:]) / _PAGES * 1e6, 2) for name in ways}


def _products(name: str) -> Int8Products:
    """Raises `KeyError` for another name."""
    if name == FLOAT32:
        return Float32Products()
    if name == AMX and (tiles := amx.tiles()) is not None:
        return tiles
    return {each.lanes.name: each for each in INT8_LANES}[name]
