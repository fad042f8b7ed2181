"""The compiled loops by themselves, against numpy: those of every instruction set that this processor has.

Those that it lacks are compiled, and not run.
"""

import platform

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colvision.maxsim import native
from colvision.maxsim.bit_lanes import BIT_LANES
from colvision.maxsim.int8_lanes import INT8_LANES
from colvision.maxsim.loops import loop_text

SHAPES = {
    "lengths": st.lists(st.integers(1, 40), min_size=1, max_size=8),
    "tokens": st.integers(1, 60),
    "seed": st.integers(0, 99),
}
X86 = platform.machine() in ("x86_64", "AMD64")


def those_here(name, every, lanes_of):
    """A parameter that is skipped, with the reason, for what this processor lacks."""
    params = []
    for each in every:
        lanes = lanes_of(each)
        lacks = pytest.mark.skipif(not lanes.is_available, reason=f"this processor has no {', '.join(lanes.features)}")
        params.append(pytest.param(each, id=lanes.name, marks=lacks))
    return pytest.mark.parametrize(name, params)


each_int8 = those_here("int8_lanes", INT8_LANES, lambda each: each.lanes)
each_bits = those_here("bit_lanes", BIT_LANES, lambda each: each)


def made(rng, lengths, dim):
    ends = np.concatenate([[0], np.cumsum(lengths)])
    return rng.integers(-127, 128, (ends[-1], dim), dtype=np.int8), ends


@each_int8
@settings(max_examples=40, deadline=None)
@given(dim=st.sampled_from([4, 64, 100, 128, 1024]), **SHAPES)
def test_products_and_their_maxima_are_those_of_whole_numbers(int8_lanes, dim, lengths, tokens, seed):
    rng = np.random.default_rng(seed)
    codes, ends = made(rng, lengths, dim)
    query = rng.integers(-127, 128, (tokens, dim), dtype=np.int8)
    products = codes.astype(np.int32) @ query.T.astype(np.int32)
    np.testing.assert_array_equal(int8_lanes.products(query, codes), products)
    np.testing.assert_array_equal(
        int8_lanes.maxima(query, codes, ends[:-1], ends[1:]), np.maximum.reduceat(products, ends[:-1], axis=0)
    )


@each_int8
@pytest.mark.parametrize("code", [-128, -127, 127])
@pytest.mark.parametrize("token", [-127, 127])
def test_the_largest_codes_overflow_nothing(int8_lanes, code, token):
    codes, query = np.full((5, 1024), code, np.int8), np.full((3, 1024), token, np.int8)
    assert set(int8_lanes.products(query, codes).ravel().tolist()) == {1024 * code * token}


@each_int8
def test_codes_that_lie_at_an_odd_address_are_read(int8_lanes):
    codes, ends = made(np.random.default_rng(3), [3, 9], 64)
    memory = np.empty(codes.nbytes + 1, np.int8)
    odd = memory[1:].reshape(codes.shape)
    odd[:] = codes
    odd.setflags(write=False)  # as a mapped shard is
    query = codes[:2]
    np.testing.assert_array_equal(
        int8_lanes.maxima(query, odd, ends[:-1], ends[1:]), int8_lanes.maxima(query, codes, ends[:-1], ends[1:])
    )


@each_bits
@settings(max_examples=40, deadline=None)
@given(words=st.integers(1, 3), **SHAPES)
def test_least_distances_are_those_of_bits_counted_one_by_one(bit_lanes, words, lengths, tokens, seed):
    rng = np.random.default_rng(seed)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    bits, query = (rng.integers(0, 2**64, (n, words), dtype=np.uint64) for n in (ends[-1], tokens))
    found = bit_lanes.sums("best", query, bits, ends[:-1], ends[1:])
    differing = np.unpackbits((bits[:, None] ^ query).view(np.uint8), axis=2).sum(axis=2, dtype=np.int32)  # (n, t)
    np.testing.assert_array_equal(found, np.minimum.reduceat(differing, ends[:-1], axis=0))


@each_int8
def test_no_page_and_no_row_are_no_sums(int8_lanes):
    codes, query = np.zeros((0, 64), np.int8), np.ones((2, 64), np.int8)
    nothing = np.zeros(0, np.int64)
    assert int8_lanes.maxima(query, codes, nothing, nothing).shape == (0, 2)
    assert int8_lanes.products(query, codes).shape == (0, 2)


ELSEWHERE = {
    "avx512-vnni": ("x86_64-unknown-linux-gnu", "vpdpbusd"),
    "avx512-vnni-256": ("x86_64-unknown-linux-gnu", "vpdpbusd"),
    "avx-vnni": ("x86_64-unknown-linux-gnu", "vpdpbusd"),
    "avx2": ("x86_64-unknown-linux-gnu", "vpmaddubsw"),
    "neon-dot": ("aarch64-unknown-linux-gnu", "sdot"),
}


@pytest.mark.parametrize("int8_lanes", INT8_LANES, ids=lambda each: each.lanes.name)
def test_each_set_compiles_to_its_own_instruction_for_a_processor_that_has_it(int8_lanes):
    triple, instruction = ELSEWHERE[int8_lanes.lanes.name]
    for registers in range(1, int8_lanes.lanes.registers + 1):
        text = loop_text(int8_lanes.lanes, "best", registers)
        code = native.assembly_of(text, features=int8_lanes.lanes.features, triple=triple)
        assert (
            code.count(instruction) == int8_lanes.lanes.rows * registers
        )  # one for each row and register: sums stay where they are


def test_a_text_that_is_none_is_refused():
    with pytest.raises(RuntimeError, match="parsing error"):
        native.compile_loop("define void @loop( {", "loop", ())
