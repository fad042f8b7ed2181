"""A library made at format 5 (commit 997c3d7) opens, answers as it did then, and gets inverted lists when compacted.

Its collection "default" holds pump.tiff, fan.tiff and crane.tiff, eight pages of a word each, with metadata; the first
pages of pump.tiff and crane.tiff have text, that of pump.tiff a word with its place. Its encoder is the toy with
probabilities; another such, "other", has read all of it.
"""

import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from colvision.library import Library
from colvision.maxsim import inverted_lists
from colvision.store import Store, catalogue, rows
from colvision.store.schema import FORMAT
from tests.helpers.further_encoders import Sharp, all_pages, read_by_other

FILE = Path(__file__).with_name("library-format-5.zip")
BLEED = ("pump.tiff", 1), ("crane.tiff", 2)


@pytest.fixture
def folder(quick_path):
    with zipfile.ZipFile(FILE) as file:
        file.extractall(quick_path / "older")
    return quick_path / "older"


def version_of(folder):
    with closing(sqlite3.connect(folder / catalogue.FILE_NAME)) as raw:
        return raw.execute("PRAGMA user_version").fetchone()[0]


def similarities(library, mode):
    """{(document, page): similarity of "bleed"} of all pages, and how they were found."""
    answer = library.search("bleed", k=100, mode=mode, encoders=["main"])
    return {(hit.document, hit.page): float(hit.similarity[0]) for hit in answer}, answer.mode


@pytest.mark.parametrize("read_only", [False, True])
def test_it_holds_and_answers_what_it_did(folder, read_only):
    assert version_of(folder) == 5
    with Library(Store(folder, read_only=read_only), Sharp()) as library:
        library.add_encoder("other", Sharp(seed=1))
        assert [(each.name, each.stored, each.metadata) for each in library.documents()] == [
            ("crane.tiff", 2, {"year": 2021}),
            ("fan.tiff", 3, {"year": 2021}),
            ("pump.tiff", 3, {"year": 2021}),
        ]
        assert library.page_text("crane.tiff", 1) == "hook of the crane" and library.page_text("fan.tiff", 1) == ""
        (word,) = library.page_words("pump.tiff", 1)
        assert word.text == "bleed" and word.box == pytest.approx((0.1, 0.2, 0.3, 0.25), abs=1e-4)
        found = library.search("bleed", k=2)
        assert {(hit.document, hit.page) for hit in found} == set(BLEED) and {hit.in_text for hit in found} == {
            frozenset(),
            frozenset({"bleed"}),
        }
        assert found.mode == "exact" and found.retrievers == ("maxsim", "bm25", "other")
        assert read_by_other(library) == all_pages(library)
        assert library.verify().found == ()
    assert version_of(folder) == (5 if read_only else FORMAT)


def test_compacting_gives_its_shards_lists_and_changes_no_similarity(folder, monkeypatch):
    with Library(Store(folder), Sharp()) as library:
        library.add_encoder("other", Sharp(seed=1))
        before, _ = similarities(library, "exact")
        monkeypatch.setattr(inverted_lists, "LISTS_PAGES", 4)
        assert similarities(library, "auto") == (before, "exact")
        library.compact()
        assert similarities(library, "exact") == (before, "exact")
        found, mode = similarities(library, "auto")
        assert mode == "lists" and found == before
        assert all(shard.centroids for shard in rows.shards.select(library._store._db))  # those of "other", too
        assert {(hit.document, hit.page) for hit in library.search("bleed", k=2)} == set(BLEED)
        assert library.verify().found == ()
