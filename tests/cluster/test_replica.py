"""A replica in this process, without Ray: what it serves, and how it follows a mirror."""

import json
from pathlib import Path

import pytest

pytest.importorskip("fsspec", reason="a mirror needs fsspec: pip install 'colvision[ray]'")

from colvision.cluster.layout import ClusterLayout
from colvision.cluster.mirror import Manifest, Mirror
from colvision.cluster.replica import NEWEST, Replica, ReplicaOptions
from colvision.cluster.sent import IngestWork, SentQueries, pack, unpack
from colvision.errors import LibraryError, LibraryLocked, SnapshotOutdated
from colvision.search import SearchOptions
from colvision.search.partial import merge_answers
from tests.helpers.answers import write_documents
from tests.helpers.stores import TOY


@pytest.fixture
def layout(tmp_path):
    return ClusterLayout.create(tmp_path / "c", 1, 2, (tmp_path / "store").as_uri(), None)


@pytest.fixture
def replicas(layout, tmp_path):
    options = ReplicaOptions(TOY, local=tmp_path / "disk")
    replicas = [Replica(layout, 0, number, options) for number in range(2)]
    yield replicas
    for replica in replicas:
        replica.close()


def ingest(replica, path: Path):
    work = IngestWork("default", path.name, str(path), "", replace=False)
    return replica.ingest(work, path.read_bytes())


def sent(token, text="valve"):
    return SentQueries(token, tuple(TOY.encode_queries([text])), "default", SearchOptions(), TOY.info)


def call(replica, method, version, *given):
    return unpack(replica.call(pack((method, version, given))))


def begin(replica, token, version=0):
    """What there is to give to `finish` then."""
    packed = pack(sent(token))
    [begun] = call(replica, "begin", version, packed)
    return token, packed, [begun.generation], [begun.statistics]


def found(replica, version=0):
    [part] = call(replica, "finish", version, *begin(replica, "t", version))
    return [(hit.document, hit.page, hit.score) for hit in merge_answers([part], 10)]


def test_a_follower_serves_what_the_writer_has_stored(replicas, tmp_path):
    writer, follower = replicas
    one, two = write_documents(tmp_path, 2)
    report, version = ingest(writer, one)
    assert (report.outcome, report.name, version) == ("new", "d000.tiff", 1)
    assert found(follower) == []
    assert found(follower, version) == found(writer) != []
    assert ingest(writer, one)[0].outcome == "same"
    _, version = ingest(writer, two)
    assert found(follower, NEWEST) == found(writer)
    assert {each[0] for each in found(writer)} == {"d000.tiff", "d001.tiff"}
    name, image = call(follower, "read_file", version, "page_image_path", "d001.tiff", 1)
    assert (name, image[:2]) == ("0001.jpg", b"\xff\xd8")


def test_a_follower_becomes_the_writer_and_what_the_first_one_did_after_that_is_refused(replicas, tmp_path):
    first, second = replicas
    one, two, three = write_documents(tmp_path, 3)
    ingest(first, one)
    assert ingest(second, two)[0].outcome == "new"  # the first was thought to be dead
    report, version = ingest(first, three)  # it is not: it takes over what the second has stored
    assert (report.outcome, version) == ("new", 3)
    names = ["d000.tiff", "d001.tiff", "d002.tiff"]
    assert [each.name for each in call(second, "documents", version, "default")] == names
    assert second.status()["is_writer"] is False


def test_two_who_push_from_the_same_state_are_not_both_believed(layout, replicas, tmp_path):
    writer, _ = replicas
    [path] = write_documents(tmp_path, 1)
    ingest(writer, path)
    mirror = Mirror(f"{layout.mirror}/partition-000")
    with pytest.raises(LibraryLocked, match="written by another replica"):
        mirror.push(Path(writer.status()["folder"]), Manifest(0, {}))
    assert mirror.read().version == 1


def test_a_damaged_object_is_no_library(layout, replicas, tmp_path):
    writer, follower = replicas
    [path] = write_documents(tmp_path, 1)
    ingest(writer, path)
    store = tmp_path / "store" / "partition-000"
    shard = next(
        sha for name, sha in json.loads((store / "manifest.json").read_text())["files"].items() if "shards" in name
    )
    (store / "objects" / shard).write_bytes(b"other bytes")
    with pytest.raises(LibraryError, match="is damaged: put it back from a copy"):
        follower.follow()
    assert found(follower) == []  # what it had


def test_the_second_half_of_a_question_is_answered_by_a_sibling_of_the_same_state(replicas, tmp_path):
    writer, follower = replicas
    one, two = write_documents(tmp_path, 2)
    _, version = ingest(writer, one)
    begun = begin(writer, "q")
    [own] = call(writer, "finish", 0, *begun)
    [theirs] = call(follower, "finish", version, *begun)
    assert theirs.ranked.scores.tolist() == own.ranked.scores.tolist()
    _, version = ingest(writer, two)
    with pytest.raises(SnapshotOutdated):
        call(follower, "finish", version, *begun)
