"""Centroids and the lists of shards: when they are made, that merging copies them, and that damage is noticed."""

import numpy as np
import pytest

from colvision.core.encoder import EncoderInfo
from colvision.errors import LibraryDamaged
from colvision.maxsim import inverted_lists
from colvision.search import SearchOptions, search_pages
from colvision.store import Store, rows
from colvision.store import centroids as centroids_module
from tests.helpers.word_vectors import DIM, INFO, PAGES_A_DOCUMENT, add, query_about


@pytest.fixture
def store(quick_path, monkeypatch):
    monkeypatch.setattr(inverted_lists, "LISTS_PAGES", 100)
    with Store(quick_path / "library") as store:
        yield store


def keys(store):
    with store._db.read():
        return [key for (key,) in store._db.all("SELECT key FROM centroids ORDER BY key")]


def lists_of(store):
    return [row.centroids for row in store.shards("default")]


def assert_lists_are_as_built(store):
    """Every shard's lists are those that would be built anew from its codes."""
    for part in store.snapshot("default").shards:
        found = part.shard.lists().entries
        built = inverted_lists.build_lists(part.centroids, part.shard.codes, part.shard.starts, INFO.quantisation_range)
        for name in ("lists", "starts", "pages", "residuals"):
            assert np.array_equal(getattr(found, name), getattr(built, name)), name


def ask(store, document=3, page=5):
    def search(snapshot):
        return search_pages(snapshot, query_about(document, page), info=INFO, options=SearchOptions())

    return store.serve("default", search)


def test_lists_are_made_once_a_collection_is_large_enough(store, quick_path):
    for document in range(4):
        add(store, quick_path, document)
    assert keys(store) == [] and set(lists_of(store)) == {0} and ask(store).mode == "exact"
    add(store, quick_path, 4)
    (key,) = keys(store)
    assert ask(store).mode == "lists" and lists_of(store).count(key) == 1  # a commit brings them to one shard more
    add(store, quick_path, 5)
    assert lists_of(store).count(key) == 3  # its own has them from the first
    store.compact()
    assert lists_of(store) == [key]
    assert_lists_are_as_built(store)
    assert store.verify() == []


def test_merged_shards_have_their_lists_copied_without_what_is_dead(store, quick_path, monkeypatch):
    added = [add(store, quick_path, document) for document in range(9)]
    store.compact()
    more = [add(store, quick_path, document) for document in range(9, 12)]
    assert 0 not in lists_of(store)
    store.writer.delete(added[2])
    store.writer.delete(more[1])
    monkeypatch.setattr(centroids_module, "build_lists", None)  # nothing is built again
    store.compact()
    assert len(lists_of(store)) == 1
    assert_lists_are_as_built(store)
    assert store.snapshot("default").pages == 10 * PAGES_A_DOCUMENT


def test_centroids_are_trained_again_as_a_collection_grows_and_old_ones_go(store, quick_path, monkeypatch):
    monkeypatch.setattr(centroids_module, "GROWTH", 2)
    for document in range(6):
        add(store, quick_path, document)
    (first,) = keys(store)
    answers = {ask(store).mode}
    for document in range(6, 14):
        add(store, quick_path, document)
        answers.add(ask(store).mode)
    assert keys(store)[-1] > first and answers == {"lists"}
    store.compact()
    add(store, quick_path, 14)
    assert set(lists_of(store)) == {keys(store)[-1]}
    for document in range(15, 30):
        add(store, quick_path, document)
    assert first not in keys(store)


def test_plain_collections_have_none(quick_path, monkeypatch):
    monkeypatch.setattr(inverted_lists, "LISTS_PAGES", 10)
    plain = EncoderInfo("plain", "plain", DIM, 0.6)
    with Store(quick_path / "plain") as store:
        add(store, quick_path, 0, info=plain)
        add(store, quick_path, 1, info=plain)
        assert keys(store) == [] and set(lists_of(store)) == {0}
        assert all(part.shard.bits is not None for part in store.snapshot("default").shards)


def harm(store, name):
    """Changes a byte in the middle of an array of the only shard's file."""
    (part,) = store.snapshot("default").shards
    location = part.shard._locations[name]
    path = part.shard.path
    data = bytearray(path.read_bytes())
    data[(location.begin + location.end) // 2] ^= 1
    store.close()
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["residuals", "list_pages", "lists", "list_starts", "list_sums"])
def test_damaged_lists_are_noticed_named_and_mended_from_the_codes(quick_path, monkeypatch, name):
    monkeypatch.setattr(inverted_lists, "LISTS_PAGES", 100)
    monkeypatch.setattr("colvision.search.lists.LISTS_A_TOKEN", 10_000)  # every list is read
    with Store(quick_path / "library") as store:
        for document in range(6):
            add(store, quick_path, document)
        store.compact()
        whole = ask(store)
        harm(store, name)
    with Store(quick_path / "library") as store:
        snapshot = store.snapshot("default")
        with pytest.raises(LibraryDamaged, match="inverted lists do not match"):
            search_pages(snapshot, query_about(3, 5), info=INFO, options=SearchOptions())
        assert ask(store).pages == 0  # its only shard is quarantined
        (damage,) = [each for each in store.verify() if each.kind == "shard"]
        assert len(damage.documents) == 6
        store.repair.recover_shards()
        assert store.verify() == []
        again = ask(store)
        assert [(hit.document, hit.page, hit.score) for hit in again] == [
            (hit.document, hit.page, hit.score) for hit in whole
        ]
        assert_lists_are_as_built(store)


def test_a_collection_that_goes_takes_its_centroids_with_it(store, quick_path):
    for document in range(6):
        add(store, quick_path, document)
    assert keys(store)
    store.writer.delete_collection("default")
    assert keys(store) == [] and store.verify() == []


def test_shards_whose_centroids_are_gone_are_scanned_and_get_new_lists(store, quick_path):
    for document in range(6):
        add(store, quick_path, document)
    store.compact()
    exact = [(hit.document, hit.page) for hit in ask(store)]
    gone = keys(store)
    with store._db.write():
        rows.centroids.delete_keys(store._db, gone)
        rows.collections.next_generation(store._db, 1)
    with Store(quick_path / "library") as again:
        found = ask(again)
        assert found.mode == "exact" and [(hit.document, hit.page) for hit in found][:3] == exact[:3]
        again.compact()
        assert ask(again).mode == "lists" and lists_of(again) == keys(again)
