"""The compiled loops by themselves, against numpy; where a processor lacks AMX, its loop is compiled and not run."""

import logging
import os
import platform
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colvision.maxsim import amx, kernels

SHAPES = {
    "lengths": st.lists(st.integers(1, 40), min_size=1, max_size=8),
    "tokens": st.integers(1, 40),
    "seed": st.integers(0, 99),
}


@settings(max_examples=40, deadline=None)
@given(kind=st.sampled_from([np.int32, np.float32]), **SHAPES)
def test_segment_maxima_are_those_of_reduceat(kind, lengths, tokens, seed):
    ends = np.concatenate([[0], np.cumsum(lengths)])
    products = np.random.default_rng(seed).integers(-(2**24), 2**24, (ends[-1], tokens)).astype(kind)
    found = kernels.segment_maxima(products, ends)
    assert found.dtype == kind
    np.testing.assert_array_equal(found, np.maximum.reduceat(products, ends[:-1], axis=0))


@settings(max_examples=40, deadline=None)
@given(words=st.integers(1, 3), **SHAPES)
def test_least_distances_are_those_of_bits_counted_one_by_one(words, lengths, tokens, seed):
    rng = np.random.default_rng(seed)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    bits, query = (rng.integers(0, 2**64, (n, words), dtype=np.uint64) for n in (ends[-1], tokens))
    found = np.empty((len(lengths), tokens), np.int32)
    kernels.least_distances(words)(query, bits, ends[:-1], ends[1:], found)
    differing = np.unpackbits((bits[:, None] ^ query).view(np.uint8), axis=2).sum(axis=2, dtype=np.int32)  # (n, t)
    np.testing.assert_array_equal(found, np.minimum.reduceat(differing, ends[:-1], axis=0))


def test_threads_that_ask_together_wait_for_one_that_compiles():
    made, barrier = [], threading.Barrier(8)

    @kernels.once
    def make(words: int) -> object:
        made.append(words)
        return object()

    def ask(_: int) -> object:
        barrier.wait()
        return make(2)

    with ThreadPoolExecutor(8) as clients:
        assert len(set(clients.map(ask, range(8)))) == 1
    assert made == [2]


def test_an_llvm_that_names_its_intrinsics_otherwise_is_reported_and_not_used(monkeypatch, caplog):
    def refuse() -> object:
        raise RuntimeError("unknown intrinsic")

    monkeypatch.setattr(amx, "_is_available", lambda: True)
    monkeypatch.setattr(amx, "_compiled", refuse)
    with caplog.at_level(logging.WARNING):
        assert amx.tiles.__wrapped__() is None
    assert "AMX cannot be used (unknown intrinsic)" in caplog.text


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="LLVM compiles AMX for x86-64 alone")
def test_the_loop_over_tiles_compiles_for_a_processor_that_has_them(tmp_path):
    code = "from colvision.maxsim import amx; print(*amx._compiled().inspect_asm().values())"
    target = {"NUMBA_CPU_NAME": "sapphirerapids", "NUMBA_CPU_FEATURES": "+amx-tile,+amx-int8,+avx512f,+avx512vl"}
    environment = os.environ | target | {"NUMBA_CACHE_DIR": str(tmp_path)}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "tdpbssd" in answer.stdout, answer.stderr
    assert "tileloadd" in answer.stdout
