"""MaxSim against a brute-force oracle, and the traps of padded implementations."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colvision import maxsim
from colvision.maxsim import int8

RANGE = 0.6


def unit(rng, rows, dim=128):
    vectors = rng.standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def corpus(rng, lengths, dim=128):
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return maxsim.quantise(unit(rng, starts[-1], dim), RANGE), starts


def oracle(query, codes, starts):
    """Five lines of float64: each page by itself, each token by itself."""
    rows = maxsim.dequantise(codes, RANGE).astype(np.float64)
    steps = 127 / np.abs(query).max(axis=1, keepdims=True)
    tokens = np.rint(query * steps).astype(np.float64) / steps
    pages = [rows[a:b] for a, b in zip(starts[:-1], starts[1:], strict=True)]
    return np.array([[max(token @ row for row in page) for token in tokens] for page in pages])


def test_maxima_equal_the_brute_force_ones():
    rng = np.random.default_rng(1)
    codes, starts = corpus(rng, [1, 7, 3, 1, 12])
    query = unit(rng, 5)
    np.testing.assert_allclose(
        maxsim.token_maxima(query, codes, starts, RANGE), oracle(query, codes, starts), atol=1e-5
    )


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=12), tokens=st.integers(1, 70), seed=st.integers(0, 99)
)
def test_a_page_has_the_same_maxima_alone_in_a_batch_and_in_any_shard(lengths, tokens, seed):
    rng = np.random.default_rng(seed)
    codes, starts = corpus(rng, lengths)
    query = unit(rng, tokens)
    together = maxsim.token_maxima(query, codes, starts, RANGE)
    for page, (first, last) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
        alone = maxsim.token_maxima(query, codes[first:last], np.array([0, last - first]), RANGE)
        np.testing.assert_array_equal(alone[0], together[page])
    order = rng.permutation(len(lengths))
    mixed = np.concatenate([codes[starts[i] : starts[i + 1]] for i in order])
    mixed_starts = np.concatenate([[0], np.cumsum([lengths[i] for i in order])]).astype(np.int64)
    np.testing.assert_array_equal(maxsim.token_maxima(query, mixed, mixed_starts, RANGE), together[order])


def test_a_page_that_dislikes_the_query_keeps_its_negative_score_beside_longer_pages():
    rng = np.random.default_rng(2)
    query = unit(rng, 3)
    opposite = maxsim.quantise(np.repeat(-query.mean(axis=0, keepdims=True), 2, axis=0), RANGE)
    long, _ = corpus(rng, [300])
    codes, starts = np.concatenate([opposite, long]), np.array([0, 2, 302])
    assert (maxsim.token_maxima(query, codes, starts, RANGE)[0] < 0).all()


def test_an_empty_page_is_refused_instead_of_taking_its_neighbours_value():
    rng = np.random.default_rng(3)
    codes, _ = corpus(rng, [4])
    with pytest.raises(ValueError, match="page 1 of the shard has no vector"):
        maxsim.token_maxima(unit(rng, 2), codes, np.array([0, 2, 2, 4]), RANGE)


def test_many_blocks_in_threads_give_what_one_block_gives(monkeypatch):
    rng = np.random.default_rng(4)
    codes, starts = corpus(rng, rng.integers(1, 60, 200))
    query = unit(rng, 33)
    whole = maxsim.token_maxima(query, codes, starts, RANGE)
    monkeypatch.setattr(int8, "_BLOCK", 100)
    np.testing.assert_array_equal(maxsim.token_maxima(query, codes, starts, RANGE), whole)


def test_the_map_holds_the_numbers_that_the_score_compared():
    rng = np.random.default_rng(6)
    codes, starts = corpus(rng, [50, 20])
    query = unit(rng, 8)
    maxima = maxsim.token_maxima(query, codes, starts, RANGE)
    table = maxsim.similarities(query, codes[50:], RANGE)
    np.testing.assert_array_equal(table.max(axis=1), maxima[1])


def test_read_only_and_strided_codes_are_read_as_they_are():
    rng = np.random.default_rng(7)
    codes, starts = corpus(rng, [64])
    query = unit(rng, 4)
    expected = maxsim.token_maxima(query, codes, starts, RANGE)
    frozen = codes.copy()
    frozen.setflags(write=False)
    np.testing.assert_array_equal(maxsim.token_maxima(query, frozen, starts, RANGE), expected)
    np.testing.assert_array_equal(maxsim.token_maxima(query, np.asfortranarray(codes), starts, RANGE), expected)


def test_quantising_loses_half_a_step_at_most_and_clips_what_is_beyond():
    rng = np.random.default_rng(8)
    vectors = unit(rng, 100)
    back = maxsim.dequantise(maxsim.quantise(vectors, RANGE), RANGE)
    assert np.abs(back - vectors).max() <= RANGE / 127 / 2 + 1e-6
    assert maxsim.quantise(np.array([[2.0, -2.0, 0.0]], np.float32), RANGE).tolist() == [[127, -127, 0]]
    assert maxsim.clipped_share(np.array([[0.7, 0.1, -0.9, 0.2]], np.float32), RANGE) == 0.5


def test_no_pages_and_no_tokens_give_empty_tables():
    rng = np.random.default_rng(9)
    codes, starts = corpus(rng, [3])
    assert maxsim.token_maxima(unit(rng, 2), codes[:0], np.array([0]), RANGE).shape == (0, 2)
    assert maxsim.token_maxima(np.zeros((0, 128), np.float32), codes, starts, RANGE).shape == (1, 0)


def test_a_dim_that_float32_could_not_add_exactly_is_refused():
    with pytest.raises(ValueError, match="exact up to 1024"):
        maxsim.similarities(np.ones((1, 2048), np.float32), np.ones((1, 2048), np.int8), RANGE)


def test_chosen_pages_have_the_maxima_they_have_among_all():
    rng = np.random.default_rng(10)
    codes, starts = corpus(rng, rng.integers(1, 9, 50))
    query = unit(rng, 6)
    vectors = maxsim.dequantise(codes, RANGE)
    for pages in ([0], [49], [3, 4, 5, 20, 21, 48], list(range(50)), []):
        wanted = np.array(pages, np.int64)
        for maxima in (
            lambda pages: maxsim.token_maxima(query, codes, starts, RANGE, pages=pages),
            lambda pages: maxsim.bit_maxima(query, maxsim.sign_bits(codes), starts, pages=pages),
        ):
            np.testing.assert_array_equal(maxima(wanted), maxima(None)[wanted])
        np.testing.assert_allclose(
            maxsim.exact_maxima(query, vectors, starts, pages=wanted),
            maxsim.exact_maxima(query, vectors, starts)[wanted],
            atol=1e-6,
        )


@pytest.mark.parametrize("pages", [[2, 1], [1, 1], [-1], [3]])
def test_pages_that_are_not_sorted_rows_of_the_shard_are_refused(pages):
    codes, starts = corpus(np.random.default_rng(11), [2, 2, 2])
    with pytest.raises(ValueError, match="pages must be sorted, each once, from 0 to 2"):
        maxsim.token_maxima(unit(np.random.default_rng(0), 1), codes, starts, RANGE, pages=np.array(pages))


def test_starts_that_do_not_cover_the_vectors_are_refused():
    codes, _ = corpus(np.random.default_rng(12), [6])
    with pytest.raises(ValueError, match="starts must run from 0 to 6"):
        maxsim.token_maxima(unit(np.random.default_rng(0), 1), codes, np.array([0, 5]), RANGE)


@pytest.mark.parametrize("tokens", [1, 33, 200])
def test_several_queries_at_once_have_the_columns_they_have_alone(tokens):
    rng = np.random.default_rng(13)
    codes, starts = corpus(rng, rng.integers(1, 80, 40))
    queries = [unit(rng, tokens), unit(rng, 20), unit(rng, 1)]
    bits = maxsim.sign_bits(codes)
    together = maxsim.token_maxima(np.concatenate(queries), codes, starts, RANGE)
    alone = [maxsim.token_maxima(query, codes, starts, RANGE) for query in queries]
    np.testing.assert_array_equal(together, np.concatenate(alone, axis=1))
    together_bits = maxsim.bit_maxima(np.concatenate(queries), bits, starts)
    alone_bits = [maxsim.bit_maxima(query, bits, starts) for query in queries]
    np.testing.assert_array_equal(together_bits, np.concatenate(alone_bits, axis=1))


def test_searches_from_many_threads_do_not_disturb_each_other():
    rng = np.random.default_rng(14)
    codes, starts = corpus(rng, rng.integers(1, 80, 200))
    bits = maxsim.sign_bits(codes)
    queries = [unit(rng, tokens) for tokens in range(1, 17)]
    expected = [maxsim.token_maxima(query, codes, starts, RANGE) for query in queries]
    expected_bits = [maxsim.bit_maxima(query, bits, starts) for query in queries]
    with ThreadPoolExecutor(16) as clients:
        found = clients.map(lambda query: maxsim.token_maxima(query, codes, starts, RANGE), queries)
        found_bits = clients.map(lambda query: maxsim.bit_maxima(query, bits, starts), queries)
        for ours, theirs in zip([*found, *found_bits], [*expected, *expected_bits], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_page_has_the_same_similarities_alone_and_in_a_long_table():
    rng = np.random.default_rng(8)
    codes = rng.integers(-127, 128, (1300, 128), dtype=np.int8)
    query = rng.standard_normal((5, 128)).astype(np.float32)
    parts = [maxsim.similarities(query, part, RANGE) for part in (codes[:100], codes[100:612], codes[612:])]
    np.testing.assert_array_equal(maxsim.similarities(query, codes, RANGE), np.concatenate(parts, axis=1))
