"""int8 MaxSim in one pass on AMX tiles, against the products that every machine computes."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colvision import maxsim
from colvision.maxsim import amx, int8
from colvision.maxsim.instructions import Float32Products

needs_tiles = pytest.mark.skipif(amx.tiles() is None, reason="this processor has no AMX")


def by_products(monkeypatch, *given, **options):
    with monkeypatch.context() as patch:
        patch.setattr(int8, "int8_products", lambda _: Float32Products())
        return maxsim.token_maxima(*given, **options)


@needs_tiles
@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 100) | st.sampled_from([31, 32, 33, 64]), min_size=1, max_size=8),
    tokens=st.integers(1, 70) | st.just(200),
    dim=st.sampled_from([64, 128, 192, 1024]),
    seed=st.integers(0, 99),
)
def test_tiles_give_the_numbers_of_products(lengths, tokens, dim, seed):
    rng = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    codes = rng.integers(-127, 128, (starts[-1], dim), dtype=np.int8)
    query = rng.standard_normal((tokens, dim)).astype(np.float32)
    found = maxsim.token_maxima(query, codes, starts, 0.5)
    with pytest.MonkeyPatch.context() as monkeypatch:
        np.testing.assert_array_equal(found, by_products(monkeypatch, query, codes, starts, 0.5))


@needs_tiles
def test_the_largest_codes_overflow_nothing(monkeypatch):
    codes = np.full((40, 1024), -127, np.int8)
    query = np.full((3, 1024), 0.5, np.float32)
    found = maxsim.token_maxima(query, codes, np.array([0, 40]), 1.0)
    np.testing.assert_allclose(found, -512, rtol=1e-6)
    np.testing.assert_array_equal(found, by_products(monkeypatch, query, codes, np.array([0, 40]), 1.0))


@needs_tiles
def test_missing_tokens_and_rows_of_a_tile_win_nothing():
    query = np.ones((1, 64), np.float32)
    codes = np.full((5, 64), -7, np.int8)
    assert maxsim.token_maxima(query, codes, np.array([0, 1, 5]), 1.0).max() < 0


@needs_tiles
def test_chosen_pages_and_many_blocks_give_the_same_numbers(monkeypatch):
    rng = np.random.default_rng(1)
    starts = np.concatenate([[0], np.cumsum(rng.integers(1, 90, 60))]).astype(np.int64)
    codes = rng.integers(-127, 128, (starts[-1], 128), dtype=np.int8)
    codes.setflags(write=False)  # as a mapped shard is
    query = rng.standard_normal((21, 128)).astype(np.float32)
    monkeypatch.setattr(int8, "_BLOCK", 100)
    whole = maxsim.token_maxima(query, codes, starts, 0.5)
    np.testing.assert_array_equal(whole, by_products(monkeypatch, query, codes, starts, 0.5))
    pages = np.array([0, 1, 2, 30, 59])
    np.testing.assert_array_equal(maxsim.token_maxima(query, codes, starts, 0.5, pages=pages), whole[pages])


@needs_tiles
def test_a_dim_that_fills_no_tile_is_multiplied_as_elsewhere():
    rng = np.random.default_rng(2)
    codes = rng.integers(-127, 128, (9, 96), dtype=np.int8)
    query = rng.standard_normal((2, 96)).astype(np.float32)
    found = maxsim.token_maxima(query, codes, np.array([0, 9]), 0.5)
    np.testing.assert_allclose(found[0], maxsim.similarities(query, codes, 0.5).max(axis=1))


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="LLVM compiles AMX for x86-64 alone")
def test_the_loop_over_tiles_compiles_for_a_processor_that_has_them(tmp_path):
    code = "from colvision.maxsim import amx; print(*amx._compiled().inspect_asm().values())"
    target = {"NUMBA_CPU_NAME": "sapphirerapids", "NUMBA_CPU_FEATURES": "+amx-tile,+amx-int8,+avx512f,+avx512vl"}
    environment = os.environ | target | {"NUMBA_CACHE_DIR": str(tmp_path)}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "tdpbssd" in answer.stdout, answer.stderr
    assert "tileloadd" in answer.stdout
