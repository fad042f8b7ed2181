"""Inverted lists: centroids, assignment, building and joining, and what entries say of similarities."""

import numpy as np
import pytest

from colvision.core.encoder import Calibration, EncoderInfo
from colvision.maxsim import dequantise, quantise
from colvision.maxsim.clustering import cluster, nearest, unit_means
from colvision.maxsim.inverted_lists import (
    AXES,
    MAX_PAGES,
    Centroids,
    assign,
    build_lists,
    centroid_count,
    entry_similarities,
    has_lists,
    join_lists,
    probe,
    train_centroids,
)

DIM, RANGE = 64, 0.6


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors():
    """12,000 vectors about 300 directions."""
    rng = np.random.default_rng(0)
    directions = unit(rng.standard_normal((300, DIM)))
    return unit(directions[rng.integers(0, 300, 12_000)] + 0.06 * rng.standard_normal((12_000, DIM)))


@pytest.fixture(scope="module")
def centroids(vectors):
    return train_centroids(vectors, 512)


def pages_of(vectors, counts):
    starts = np.cumsum([0, *counts], dtype=np.int64)
    return quantise(vectors[: starts[-1]], RANGE), starts


def entries(lists):
    """{(list, page, residual)}, with how often."""
    numbers = np.repeat(lists.lists, np.diff(lists.starts))
    return sorted(zip(numbers.tolist(), lists.pages.tolist(), map(bytes, lists.residuals), strict=True))


def test_centroids_are_as_many_as_fourteen_times_the_root_a_power_of_two():
    sizes = {0: 256, 1: 256, 1000: 512, 880_000: 16384, 21_000_000: 65536, 10**10: 131072}
    assert {size: centroid_count(size) for size in sizes} == sizes


def test_collections_of_probabilities_have_lists_when_they_are_large():
    plain = EncoderInfo("a", "a", 128, 0.5)
    likely = EncoderInfo("a", "a", 128, 0.5, Calibration(40.0, 0.5))
    assert has_lists(likely, 2000) and not has_lists(likely, 1999) and not has_lists(plain, 10**6)
    assert not has_lists(EncoderInfo("a", "a", 100, 0.5, Calibration(40.0, 0.5)), 2000)


def test_training_is_the_same_every_time_and_finds_the_directions(vectors, centroids):
    again = train_centroids(vectors, 512)
    assert np.array_equal(again.codes, centroids.codes) and np.array_equal(again.axes, centroids.axes)
    assert 400 < len(centroids) <= 560
    own = (vectors * centroids.vectors[assign(centroids, vectors)]).sum(axis=1)
    assert own.mean() > 0.88
    assert centroids.starts[-1] == len(centroids) and len(centroids.starts) == len(centroids.groups) + 1


def test_a_vector_is_assigned_to_the_nearest_centroid_as_a_rule(vectors, centroids):
    found, best = assign(centroids, vectors), nearest(vectors, centroids.vectors)
    assert (found == best).mean() > 0.97


def test_centroids_survive_their_bytes(centroids):
    found = Centroids.from_bytes(centroids.to_bytes())
    for name in ("codes", "starts", "groups", "axes", "covariance"):
        assert np.array_equal(getattr(found, name), getattr(centroids, name))
    assert (found.quantisation_range, found.residual_range) == (centroids.quantisation_range, centroids.residual_range)
    for harmed in (b"", b"nothing", centroids.to_bytes()[:-200]):
        with pytest.raises(ValueError):
            Centroids.from_bytes(harmed)


def test_every_vector_stands_in_one_list_in_the_order_of_pages(vectors, centroids):
    codes, starts = pages_of(vectors, [5, 1, 40, 3, 200])
    lists = build_lists(centroids, codes, starts, RANGE)
    assert len(lists.pages) == starts[-1] and lists.page_count == 5
    assert np.bincount(lists.pages, minlength=5).tolist() == [5, 1, 40, 3, 200]
    assert (np.diff(lists.lists) > 0).all() and (np.diff(lists.starts) > 0).all()
    for first, last in zip(lists.starts[:-1], lists.starts[1:], strict=True):
        assert (np.diff(lists.pages[first:last].astype(int)) >= 0).all()
    numbers = np.repeat(lists.lists, np.diff(lists.starts))
    assert sorted(numbers.tolist()) == sorted(assign(centroids, dequantise(codes, RANGE)).tolist())


def test_lists_of_several_shards_are_joined_as_if_they_were_built_together(vectors, centroids):
    counts = [5, 1, 40, 3, 200, 17]
    codes, starts = pages_of(vectors, counts)
    whole = build_lists(centroids, codes, starts, RANGE)
    cut = int(starts[3])
    one = build_lists(centroids, codes[:cut], starts[:4], RANGE)
    other = build_lists(centroids, codes[cut:], starts[3:] - cut, RANGE)
    joined = join_lists([(one, np.arange(3)), (other, np.arange(3))])
    assert entries(joined) == entries(whole) and np.array_equal(joined.starts, whole.starts)
    kept = join_lists([(one, np.array([0, 2])), (other, np.array([1]))])
    wanted = {0: 0, 2: 1, 4: 2}
    assert entries(kept) == sorted((n, wanted[p], r) for n, p, r in entries(whole) if p in wanted)


def test_more_pages_than_an_entry_can_name_are_refused(centroids):
    many = MAX_PAGES + 1
    with pytest.raises(ValueError, match="at most 65536"):
        build_lists(centroids, np.ones((many, DIM), np.int8), np.arange(many + 1), RANGE)


def test_entries_tell_similarities_up_to_the_axes_that_are_left_out(vectors, centroids):
    codes, starts = pages_of(vectors, [200, 300])
    lists = build_lists(centroids, codes, starts, RANGE)
    query = vectors[[3, 450]]
    found = probe(centroids, query, len(centroids))
    assert np.array_equal(found.lists, np.arange(len(centroids)))
    place = np.searchsorted(found.lists, np.repeat(lists.lists, np.diff(lists.starts)))
    told = entry_similarities(found, place, lists.residuals, centroids.residual_range)
    numbers = assign(centroids, dequantise(codes, RANGE))
    pages = np.repeat(np.arange(2), np.diff(starts))
    order = np.lexsort((pages, numbers))
    exact = query @ dequantise(codes, RANGE)[order].T
    assert np.abs(told - exact).max() < 0.12 and np.abs(told - exact).std() < 0.025  # AXES of 64 are kept
    assert centroids.axes.shape == (AXES, DIM)
    assert np.abs(centroids.axes @ centroids.axes.T - np.eye(AXES)).max() < 1e-5


def test_a_query_reads_the_lists_nearest_to_each_token(vectors, centroids):
    query = vectors[[3, 450, 7000]]
    found = probe(centroids, query, 4)
    wanted = {int(each) for row in query @ centroids.vectors.T for each in np.argsort(-row)[:4]}
    assert len(set(found.lists.tolist()) ^ wanted) <= 2  # codes of the query may exchange neighbours
    assert np.abs(found.similarities - (query @ centroids.vectors.T)[:, found.lists]).max() < 0.01
    residuals = vectors - centroids.vectors[assign(centroids, vectors)]
    assert np.allclose(found.spread, np.sqrt(((residuals @ query.T) ** 2).mean(axis=0)), rtol=0.02)


def test_means_are_of_unit_length_also_where_members_cancel_out():
    vectors = unit(np.array([[1, 0], [0, 1], [-1, 0], [1, 0], [0, -1.0]]))
    means = unit_means(vectors, np.array([0, 0, 1, 1, 2]))
    assert np.allclose(means, [[2**-0.5, 2**-0.5], [-1, 0], [0, -1]])


def test_clusters_are_no_more_than_vectors():
    rng = np.random.default_rng(1)
    vectors = unit(rng.standard_normal((5, 8)))
    assert len(cluster(vectors, 9, rounds=2, rng=rng)) <= 5
    assert np.array_equal(nearest(vectors, vectors[:1]), np.zeros(5))
