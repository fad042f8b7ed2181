"""MaxSim over floats, against brute force in float64 and what other projects compute."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from colvision import maxsim

RANGE = 0.6


def unit(rng, rows, dim=128):
    vectors = rng.standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def corpus(rng, lengths, dim=128):
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return unit(rng, starts[-1], dim), starts


def oracle(query, vectors, starts):
    """Each page by itself, each token by itself, in float64."""
    pages = [vectors[a:b].astype(np.float64) for a, b in zip(starts[:-1], starts[1:], strict=True)]
    return np.array([[max(row @ token for row in page) for token in query.astype(np.float64)] for page in pages])


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    tokens=st.sampled_from([1, 2, 20, 200]),
    dim=st.sampled_from([16, 64, 128]),
    seed=st.integers(0, 99),
)
def test_maxima_equal_the_brute_force_ones(lengths, tokens, dim, seed):
    rng = np.random.default_rng(seed)
    vectors, starts = corpus(rng, lengths, dim)
    query = unit(rng, tokens, dim)
    found = maxsim.exact_maxima(query, vectors, starts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, oracle(query, vectors, starts), atol=1e-6)


def test_a_page_whose_similarities_are_all_negative_stays_negative_beside_a_longer_page():
    rng = np.random.default_rng(1)
    query = np.repeat(unit(rng, 1), 3, axis=0)
    long, _ = corpus(rng, [300])
    vectors, starts = np.concatenate([-query[:2], long]), np.array([0, 2, 302])
    for maxima in (
        maxsim.exact_maxima(query, vectors, starts),
        maxsim.token_maxima(query, maxsim.quantise(vectors, RANGE), starts, RANGE),
    ):
        np.testing.assert_allclose(maxima[0], -1, atol=0.01)


def test_codes_rank_pages_as_floats_do_but_for_near_ties():
    rng = np.random.default_rng(2)
    vectors, starts = corpus(rng, [20] * 100)
    query = vectors[starts[:-1]][:10] + 0.05 * unit(rng, 10)
    exact = maxsim.exact_maxima(query, vectors, starts)
    codes = maxsim.token_maxima(query, maxsim.quantise(vectors, RANGE), starts, RANGE)
    assert np.abs(codes - exact).max() < 0.01
    np.testing.assert_array_equal(codes.argmax(axis=0), np.arange(10))


def test_sentence_transformers_scores_pages_of_one_length_alike():
    similarity = pytest.importorskip("sentence_transformers.util.similarity", reason="an oracle, not a dependency")
    rng = np.random.default_rng(5)
    vectors, starts = corpus(rng, [30] * 7)
    query = unit(rng, 9)
    theirs = similarity.maxsim(torch.from_numpy(query)[None], torch.from_numpy(vectors.reshape(7, 30, 128)))
    ours = maxsim.exact_maxima(query, vectors, starts).sum(axis=1)
    np.testing.assert_allclose(ours, theirs.numpy()[0], atol=1e-5)


def test_late_interaction_kernels_score_pages_of_one_length_alike():
    reference = pytest.importorskip("late_interaction_kernels.reference", reason="an oracle, not a dependency")
    rng = np.random.default_rng(6)
    vectors, starts = corpus(rng, [30] * 7)
    query = unit(rng, 9)
    pages = torch.from_numpy(vectors.reshape(7, 30, 128))
    theirs = reference.maxsim_reference(torch.from_numpy(query)[None], pages)
    ours = maxsim.exact_maxima(query, vectors, starts).sum(axis=1)
    np.testing.assert_allclose(ours, theirs.numpy()[0], atol=1e-5)
