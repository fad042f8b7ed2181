"""Centroids are trained, kept, replaced and lost; answers are right whatever there is of them."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from colvision.core.encoder import Calibration
from colvision.library import Library
from colvision.maxsim import inverted_lists
from colvision.search.execute import search_pages
from colvision.store import Store, centroids, rows
from colvision.store.catalogue import FILE_NAME
from colvision.testing import ToyEncoder, save_document
from tests.helpers.stores import add, write

SURE = ToyEncoder(calibration=Calibration(slope=20.0, midpoint=0.8))
OTHER = ToyEncoder(seed=1, calibration=Calibration(slope=20.0, midpoint=0.8))
FILES = {"pump": ["bleed", "valve", "motor"], "fan": ["blade", "fuse", "valve"], "crane": ["hook", "bleed"]}


@pytest.fixture(autouse=True)
def few_pages_have_lists(monkeypatch):
    monkeypatch.setattr(inverted_lists, "LISTS_PAGES", 4)


@pytest.fixture
def filled(store, quick_path):
    """Eight pages: centroids were trained with the second document, and serve the third as well."""
    for name, words in FILES.items():
        add(store, write(quick_path, f"{name}.pdf", name), *words, encoder=SURE)
    return store


def keys(store, collection=1):
    return [
        key for (key,) in store._db.all("SELECT key FROM centroids WHERE collection = ? ORDER BY key", [collection])
    ]


def search(store, word="bleed", encoder=SURE, **options):
    """{(document, page): similarity} of all pages, and how they were found."""
    answer = Library(store, encoder).search(word, k=100, text_fusion=False, **options)
    return {(hit.document, hit.page): hit.similarity.tolist() for hit in answer}, answer.mode


def assert_answers(store, mode):
    """Both modes find the same pages with the same similarities."""
    (found, by), (exact, _) = search(store), search(store, mode="exact")
    assert by == mode and len(exact) == store.snapshot("default").pages
    assert found == {page: pytest.approx(values, abs=1e-6) for page, values in exact.items()}


def flip_centroids(store):
    with closing(sqlite3.connect(store.path / FILE_NAME)) as raw:
        raw.execute("UPDATE centroids SET vectors = vectors + 1")
        raw.commit()


@pytest.mark.parametrize("repair", [False, True])
def test_damaged_centroids_are_named_and_searched_around_until_new_ones_are_trained(filled, repair):
    assert_answers(filled, "lists")
    flip_centroids(filled)
    with Store(filled.path) as store:
        assert_answers(store, "exact")
        (damage,) = store.verify()
        assert damage.kind == "entry" and "entry of the centroids 1 is damaged" in damage.reason
        assert damage.documents == ()
        if repair:
            library = Library(store, SURE)
            assert library.verify(repair=True).is_intact and keys(store) == []
            assert_answers(store, "exact")
        store.compact()
        assert store.verify() == [] and keys(store) == [2]
        assert_answers(store, "lists")


def test_a_small_collection_whose_centroids_are_damaged_is_compacted_without_lists(filled, monkeypatch):
    flip_centroids(filled)
    monkeypatch.setattr(inverted_lists, "LISTS_PAGES", 100)
    with Store(filled.path) as store:
        store.compact()
        assert [row.centroids for row in store.shards("default")] == [0]
        assert_answers(store, "exact")
        assert [damage.kind for damage in store.verify()] == ["entry"]
        assert Library(store, SURE).verify(repair=True).is_intact and keys(store) == []


def test_a_library_all_of_whose_shards_are_damaged_takes_pages(store, quick_path, monkeypatch):
    monkeypatch.setattr(inverted_lists, "LISTS_PAGES", 100)
    add(store, write(quick_path, "a.pdf", "A"), "one", "two", "three", "four", encoder=SURE)
    (shard,) = store.shards("default")
    store.files.shard_path(shard.file_name).write_bytes(b"gone")
    assert len(store.verify()) == 1
    monkeypatch.setattr(inverted_lists, "LISTS_PAGES", 4)
    store.compact()
    add(store, write(quick_path, "b.pdf", "B"), "five", encoder=SURE)
    assert search(store, "five")[0].keys() == {("b.pdf", 1)}


def test_a_reader_goes_on_by_centroids_that_a_compaction_has_replaced(filled, monkeypatch):
    with Store(filled.path, read_only=True) as reader:
        before = reader.snapshot("default")
        monkeypatch.setattr(centroids, "GROWTH", 1.2)
        filled.compact()
        assert keys(filled) == [2] and {part.shard.centroids for part in before.shards} == {1}
        query = SURE.encode_queries(["bleed"])[0]
        answer = search_pages(before, query, info=SURE.info)
        assert answer.mode == "lists" and answer[0].similarity.max() > 0.9
        assert_answers(reader, "lists")


def test_a_collection_that_has_shrunk_keeps_its_lists_and_an_empty_one_is_filled_again(filled, quick_path):
    for name in ("pump.pdf", "fan.pdf"):
        filled.writer.delete(filled.find(name))
    filled.compact()
    assert_answers(filled, "lists")
    filled.writer.delete(filled.find("crane.pdf"))
    filled.compact()
    assert search(filled)[0] == {} and filled.verify() == []
    add(filled, write(quick_path, "new.pdf", "N"), "bleed", encoder=SURE)
    assert_answers(filled, "lists")


def test_a_collection_that_is_encoded_again_gets_centroids_of_its_own(quick_path):
    files = [save_document(quick_path / f"{name}.tiff", [[word] for word in words]) for name, words in FILES.items()]
    with Library(Store(quick_path / "library"), SURE) as library:
        library.ingest(files)
        assert search(library._store)[1] == "lists"
        library.add_encoder("other", OTHER)
        (companion,) = rows.collections.companions(library._store._db)
        assert keys(library._store, companion.key)
        before = keys(library._store)
    with Library(Store(quick_path / "library"), OTHER) as library:
        library.remove_encoder("other")
        assert keys(library._store, companion.key) == []
        library.reencode()
        store = library._store
        assert keys(store) and not set(before) & set(keys(store))
        found, mode = search(store, encoder=OTHER)
        exact, _ = search(store, encoder=OTHER, mode="exact")
        assert mode == "lists" and np.allclose([found[page] for page in exact], list(exact.values()), atol=1e-6)
        assert store.verify() == []
        library.delete_collection("default")
        assert store._db.all("SELECT key FROM centroids") == []


def test_a_similarity_a_little_above_one_is_taken_as_one(filled):
    """Centroids are quantised: one that a word equals may be longer than 1."""
    query = SURE.encode_queries(["bleed"])[0]
    longer = replace(query, vectors=query.vectors * np.float32(1.009))
    answer = search_pages(filled.snapshot("default"), longer, info=SURE.info)
    assert answer.mode == "lists" and answer[0].similarity.max() > 1
