"""1-bit MaxSim against the dot products of signs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colvision import maxsim
from colvision.maxsim import binary


def corpus(rng, lengths, dim):
    vectors = rng.standard_normal((int(np.sum(lengths)), dim)).astype(np.float32)
    return vectors, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def oracle(query, vectors, starts):
    """The dot product of two vectors of signs, where zero counts as minus."""
    signs, tokens = np.where(vectors > 0, 1, -1), np.where(query > 0, 1, -1)
    return np.array([(signs[a:b] @ tokens.T).max(axis=0) for a, b in zip(starts[:-1], starts[1:], strict=True)])


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    tokens=st.integers(1, 11) | st.just(200),
    dim=st.sampled_from([64, 128]),
    seed=st.integers(0, 99),
)
def test_agreement_is_the_dot_product_of_signs(lengths, tokens, dim, seed):
    rng = np.random.default_rng(seed)
    vectors, starts = corpus(rng, lengths, dim)
    query = rng.standard_normal((tokens, dim)).astype(np.float32)
    found = maxsim.bit_maxima(query, maxsim.sign_bits(vectors), starts)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, oracle(query, vectors, starts))


@pytest.mark.parametrize("dim", [192, pytest.param(320, marks=pytest.mark.slow)])  # each compiles a loop
def test_any_number_of_words_a_vector_is_scored(dim):
    rng = np.random.default_rng(1)
    vectors, starts = corpus(rng, [1, 9, 30], dim)
    query = rng.standard_normal((5, dim)).astype(np.float32)
    found = maxsim.bit_maxima(query, maxsim.sign_bits(vectors), starts)
    np.testing.assert_array_equal(found, oracle(query, vectors, starts))


def test_a_page_whose_every_bit_differs_is_worth_minus_its_dim_beside_any_page():
    query = np.ones((3, 128), np.float32)
    vectors = np.concatenate([-np.ones((4, 128)), np.ones((50, 128))]).astype(np.float32)
    found = maxsim.bit_maxima(query, maxsim.sign_bits(vectors), np.array([0, 4, 54]))
    assert found.tolist() == [[-128] * 3, [128] * 3]


def test_bit_i_of_word_w_is_the_sign_of_component_64_w_plus_i():
    vectors = np.full((2, 128), -0.5, np.float32)
    vectors[0, 3] = vectors[1, 64] = 0.5
    assert maxsim.sign_bits(vectors).tolist() == [[8, 0], [0, 1]]
    np.testing.assert_array_equal(maxsim.sign_bits(maxsim.quantise(vectors, 1.0)), maxsim.sign_bits(vectors))
    assert maxsim.sign_bits(vectors[:0]).shape == (0, 2)


def test_a_dim_that_fills_no_words_is_refused():
    with pytest.raises(ValueError, match=r"dim a multiple of 64; got \(3, 96\)"):
        maxsim.sign_bits(np.ones((3, 96), np.float32))


def test_a_query_of_another_dim_than_the_pages_is_refused():
    with pytest.raises(ValueError, match="1 words of bits a token, the pages 2"):
        maxsim.bit_maxima(np.ones((1, 64), np.float32), np.zeros((1, 2), np.uint64), np.array([0, 1]))


def test_an_empty_page_is_refused():
    with pytest.raises(ValueError, match="page 1 of the shard has no vector"):
        maxsim.bit_maxima(np.ones((1, 64), np.float32), np.zeros((3, 1), np.uint64), np.array([0, 2, 2, 3]))


def test_no_pages_and_no_tokens_give_empty_tables():
    bits = np.zeros((2, 1), np.uint64)
    assert maxsim.bit_maxima(np.ones((4, 64), np.float32), bits[:0], np.array([0])).shape == (0, 4)
    assert maxsim.bit_maxima(np.ones((0, 64), np.float32), bits, np.array([0, 2])).shape == (1, 0)


def test_many_blocks_in_threads_give_what_one_block_gives(monkeypatch):
    rng = np.random.default_rng(4)
    vectors, starts = corpus(rng, rng.integers(1, 60, 100), 64)
    query = rng.standard_normal((7, 64)).astype(np.float32)
    whole = maxsim.bit_maxima(query, maxsim.sign_bits(vectors), starts)
    monkeypatch.setattr(binary, "_BLOCK", 100)
    frozen = maxsim.sign_bits(vectors)
    frozen.setflags(write=False)  # as a mapped shard is
    np.testing.assert_array_equal(maxsim.bit_maxima(query, frozen, starts), whole)
