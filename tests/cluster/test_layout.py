"""`cluster.json`, and where a document belongs."""

import json

import pytest

import colvision
from colvision.cluster.layout import ClusterLayout, is_cluster
from colvision.cluster.placement import even_node
from colvision.errors import LibraryFormat
from colvision.store.identity import new_id
from tests.helpers.stores import TOY


def test_a_cluster_is_found_again_as_it_was_made(tmp_path):
    assert not is_cluster(tmp_path)
    made = ClusterLayout.create(tmp_path / "c", 8, 2, "s3://bucket/manuals", "ray://head:10001")
    assert is_cluster(tmp_path / "c") and ClusterLayout.read(tmp_path / "c") == made
    assert (made.folder(3).name, made.namespace) == ("partition-003", f"colvision-{made.id}")


def test_a_folder_that_holds_other_things_becomes_no_cluster(tmp_path):
    colvision.open_library(tmp_path / "library", encoder=TOY).close()
    with pytest.raises(LibraryFormat, match="is a library: give a cluster an empty or a new folder"):
        ClusterLayout.create(tmp_path / "library", 2, 1, None, None)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.txt").touch()
    with pytest.raises(LibraryFormat, match=r"holds 'x.txt'"):
        ClusterLayout.create(tmp_path / "other", 2, 1, None, None)
    with pytest.raises(LibraryFormat, match="give `partitions` to make one"):
        ClusterLayout.read(tmp_path / "nowhere")


def test_another_format_is_refused(tmp_path):
    layout = ClusterLayout.create(tmp_path, 2, 1, None, None)
    known = json.loads((layout.root / "cluster.json").read_text())
    (layout.root / "cluster.json").write_text(json.dumps(known | {"format": 2}))
    with pytest.raises(LibraryFormat, match="another format"):
        ClusterLayout.read(tmp_path)
    (layout.root / "cluster.json").write_text("{")
    with pytest.raises(LibraryFormat, match="cannot be read"):
        ClusterLayout.read(tmp_path)
    with pytest.raises(ValueError, match="0 partitions with 1 replicas"):
        ClusterLayout.create(tmp_path / "none", 0, 1, None, None)


def test_documents_are_spread_evenly_and_stay_where_they_are(tmp_path):
    layout = ClusterLayout.create(tmp_path, 8, 2, None, None)
    assert [layout.partition_of(each) for each in ("0123456789abcdef", "mine")] == [0, 1]
    counts = [0] * 8
    for _ in range(4000):
        counts[layout.partition_of(new_id())] += 1
    assert min(counts) > 400 and max(counts) < 600


def test_a_replica_goes_where_no_sibling_and_the_fewest_are():
    assert even_node(["a", "a", "b"], ["a", "b", "c"], []) == "c"
    assert even_node(["a", "a", "b"], ["a", "b"], ["b"]) == "a"
    assert even_node(["a", "b"], ["a", "b"], ["a", "b"]) == "a"
