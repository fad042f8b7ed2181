"""int8 MaxSim in one pass on AMX tiles, against the products that every machine computes."""

import collections
import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colvision import maxsim
from colvision.maxsim import amx, int8
from colvision.maxsim.instructions import Float32Products
from colvision.maxsim.native import assembly_of

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


class NumpyTiles:
    """The instructions that the loop calls, in numpy: what Intel's reference says of each, on any machine."""

    def __init__(self):
        self.tiles, self.config, self.released = np.zeros((8, 16, 64), np.int8), np.zeros(64, np.uint8), 0
        address, number, nothing = ctypes.c_void_p, ctypes.c_int64, None
        kinds = {
            "configure": ctypes.CFUNCTYPE(nothing, address),
            "release": ctypes.CFUNCTYPE(nothing),
            "zero": ctypes.CFUNCTYPE(nothing, number),
            "load": ctypes.CFUNCTYPE(nothing, number, address, number),
            "store": ctypes.CFUNCTYPE(nothing, number, address, number),
            "multiply": ctypes.CFUNCTYPE(nothing, number),
        }
        self.functions = {name: kind(getattr(self, name)) for name, kind in kinds.items()}  # kept while they are called

    def configure(self, address):
        self.config[:] = np.frombuffer(ctypes.string_at(address, 64), np.uint8)

    def release(self):
        self.released += 1

    def shape(self, tile):
        assert self.config[0] == 1
        return int(self.config[48 + tile]), int(self.config[16:32].view(np.uint16)[tile])

    def zero(self, tile):
        self.tiles[tile] = 0

    def load(self, tile, address, stride):
        rows, width = self.shape(tile)
        for row in range(rows):
            self.tiles[tile, row, :width] = np.frombuffer(ctypes.string_at(address + row * stride, width), np.int8)

    def store(self, tile, address, stride):
        rows, width = self.shape(tile)
        for row in range(rows):
            ctypes.memmove(address + row * stride, self.tiles[tile, row].tobytes(), width)

    def multiply(self, tile):
        """tdpbssd: sums[m, n] += rows[m, 4 * k + i] * tokens[k, 4 * n + i], over k and i."""
        rows, tokens = (self.tiles[each].reshape(16, 16, 4).astype(np.int32) for each in amx.PRODUCTS[tile])
        self.tiles[tile].view(np.int32)[:] += np.einsum("mki,kni->mn", rows, tokens)

    def text(self):
        """In LLVM's representation."""
        at = {name: ctypes.cast(each, ctypes.c_void_p).value for name, each in self.functions.items()}
        lines = [
            f"define internal void @{name}({'ptr %at' if name == 'configure' else ''}) {{ "
            f"call void inttoptr (i64 {at[name]} to ptr)({'ptr %at' if name == 'configure' else ''}) ret void }}"
            for name in ("configure", "release")
        ]
        for name, tiles in (("zero", range(4)), ("multiply", range(4)), ("load", range(4, 8)), ("store", range(4))):
            taken = ", ptr %at, i64 %stride" if name in ("load", "store") else ""
            lines += [
                f"define internal void @{name}{tile}({taken[2:]}) {{ "
                f"call void inttoptr (i64 {at[name]} to ptr)(i64 {tile}{taken}) ret void }}"
                for tile in tiles
            ]
        return "\n".join(lines)


@pytest.fixture(scope="module")
def in_numpy():
    made = NumpyTiles()
    return made, amx.Tiles.compiled(made.text(), features=())


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 70) | st.sampled_from([31, 32, 33, 64]), min_size=1, max_size=4),
    tokens=st.integers(1, 70),
    dim=st.sampled_from([64, 128, 320]),
    seed=st.integers(0, 99),
)
def test_the_loop_over_tiles_compares_what_it_should(in_numpy, lengths, tokens, dim, seed):
    """The same loop that AMX runs, here with its instructions in numpy: on every machine."""
    made, loop = in_numpy
    rng = np.random.default_rng(seed)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    codes = rng.integers(-128, 128, (ends[-1], dim), dtype=np.int8)
    codes.setflags(write=False)  # as a mapped shard is
    query = rng.integers(-127, 128, (tokens, dim), dtype=np.int8)
    before = made.released
    found = loop.maxima(query, codes, ends[:-1], ends[1:])
    products = codes.astype(np.int32) @ query.T.astype(np.int32)
    np.testing.assert_array_equal(found, np.maximum.reduceat(products, ends[:-1], axis=0))
    assert made.released == before + 1


def test_the_loop_over_tiles_takes_chosen_pages_and_none(in_numpy):
    _, loop = in_numpy
    rng = np.random.default_rng(5)
    codes, query = (rng.integers(-127, 128, (n, 64), dtype=np.int8) for n in (200, 3))
    firsts, lasts = np.array([150, 0]), np.array([200, 7])
    products = codes.astype(np.int32) @ query.T.astype(np.int32)
    expected = [products[150:].max(axis=0), products[:7].max(axis=0)]
    np.testing.assert_array_equal(loop.maxima(query, codes, firsts, lasts), expected)
    assert loop.maxima(query, codes, firsts[:0], lasts[:0]).shape == (0, 3)


def test_what_multiplies_wrongly_does_not_agree(in_numpy, monkeypatch):
    made, loop = in_numpy
    assert loop.agrees()
    monkeypatch.setattr(amx, "PRODUCTS", ((4, 6), (4, 7), (5, 6), (5, 6)))  # those in numpy look it up
    assert not loop.agrees()


def test_the_loop_over_tiles_compiles_for_a_processor_that_has_them():
    code = assembly_of(amx.loop_text(), features=amx.FEATURES, triple="x86_64-unknown-linux-gnu")
    instructions = collections.Counter(line.split()[0] for line in code.splitlines() if line.startswith("\t"))
    assert [instructions[name] for name in ("tileloadd", "tdpbssd", "tilezero", "tilestored")] == [4] * 4
    assert [instructions[name] for name in ("ldtilecfg", "tilerelease")] == [1] * 2
    assert instructions["prefetcht0"] == 32
    assert instructions["vpmaxsd"] == 64  # 32 rows of 32 tokens, as registers of 512 bits
