"""Estimates for what is too large to try follow what was measured, and a library that there is."""

import pytest

from colvision.ingest.costs import COSTS, Cost
from colvision.ingest.scale_estimate import estimate_scale
from tests.helpers.made_pages import MadeEncoder, made_library, random_documents


def test_the_bytes_of_shards_and_catalogue_are_those_of_a_library_that_there_is(tmp_path):
    documents, queries = random_documents(4, 100, vectors=350, dim=128)
    with made_library(tmp_path / "library", MadeEncoder(queries), documents) as library:
        status = library.status()
    expected = estimate_scale(400, kind="vlm", vectors=350)
    [collection] = status.collections
    held = collection.shard_bytes
    assert held.bits == expected.first_stage
    assert held.codes + held.grids == pytest.approx(expected.int8, rel=0.01)
    assert status.catalogue < expected.catalogue  # these pages have no text


def test_a_cost_is_a_part_that_is_fixed_and_one_that_grows():
    assert Cost(1.0, 2.0)(3) == 7.0
    assert Cost(1.0, 2.0, 0.5)(9) == 7.0


@pytest.mark.parametrize(
    ("kind", "pages", "seconds"), [("vlm", 5_000, 0.0126), ("vlm", 50_000, 0.092), ("mini", 168_784, 0.149)]
)
def test_a_question_takes_what_was_measured(kind, pages, seconds):
    assert estimate_scale(pages, kind=kind).seconds == pytest.approx(seconds, rel=0.02)


def test_nodes_share_the_pages_and_replicas_take_their_place():
    one, many = (estimate_scale(10_000_000, nodes=nodes, replicas=2, kind="vlm") for nodes in (2, 20))
    assert one.first_stage == many.first_stage == 2 * estimate_scale(10_000_000, kind="vlm").first_stage
    assert many.bytes_a_node == pytest.approx(one.bytes_a_node / 10, rel=0.01)
    fixed = COSTS["vlm"].search.fixed
    assert many.seconds - fixed == pytest.approx((one.seconds - fixed) / 10)
    assert many.memory < one.memory / 9


def test_reading_is_told_in_hours_of_what_does_it():
    assert estimate_scale(36_000).core_hours == pytest.approx(36_000 * COSTS["mini"].read / 3600)
    assert estimate_scale(36_000).gpu_hours is None
    assert estimate_scale(36_000, kind="vlm").gpu_hours is None  # nobody has said how fast it is
    assert estimate_scale(36_000, kind="vlm", gpu_pages_a_second=10).gpu_hours == 1.0


@pytest.mark.parametrize(("given", "said"), [({"nodes": 2, "replicas": 3}, "3 replicas"), ({"nodes": 0}, "at least 1")])
def test_what_cannot_be_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        estimate_scale(100, **given)
