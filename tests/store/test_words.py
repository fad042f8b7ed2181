"""The words of pages in the store: as they were, checked, deleted with their pages, and given to pages later."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from colvision.core.health import Note
from colvision.core.page import Box, PrintedWord, text_of
from colvision.errors import LibraryDamaged
from colvision.store import Store, catalogue, rows
from colvision.store.fulltext import OCR_SHARE
from colvision.store.records import PageText
from tests.helpers.stores import add, text_scores, write

ENGINE = "engine 1"


def some_words(count, seed=0):
    rng = np.random.default_rng(seed)
    for number in range(count):
        left, top = rng.uniform(0, 0.9, 2)
        width, height = rng.uniform(0, 0.1, 2)
        yield PrintedWord(f"wörd{number}", Box(left, top, left + width, top + height), float(rng.uniform()))


@pytest.fixture
def store(quick_path):
    with Store(quick_path / "library") as store:
        yield store


@pytest.fixture
def row(store, quick_path):
    return add(store, write(quick_path, "scan.pdf", "S"), "one", "two", "three")


def read(store, row, number=2, words=None):
    words = tuple(some_words(30)) if words is None else words
    store.writer.set_texts(row, {number: PageText(text_of(words), words, ENGINE)}, {})
    return words


@pytest.mark.parametrize("count", [0, 1, 2, 700])
def test_words_come_back_as_they_were_packed(count):
    words = tuple(some_words(count))
    packed = rows.words.pack(words)
    found = rows.words.unpack(packed)
    assert [word.text for word in found] == [word.text for word in words]
    if count:
        np.testing.assert_allclose([word.box for word in found], [word.box for word in words], atol=1e-5)
        np.testing.assert_allclose([word.confidence for word in found], [w.confidence for w in words], atol=1 / 500)
    assert rows.words.pack(found) == packed  # what is read from one document is written to another


def test_words_at_the_edges_stay_on_the_page():
    (found,) = rows.words.unpack(rows.words.pack((PrintedWord("all", Box(0.0, 0.0, 1.0, 1.0)),)))
    assert found == PrintedWord("all", Box(0.0, 0.0, 1.0, 1.0), 1.0)


def test_the_text_of_a_page_is_replaced_with_its_words_and_found_by_them(store, row):
    assert text_scores(store, "two") and store.page_words(row, 2) == ()
    words = read(store, row)
    assert store.page_text(row, 2) == text_of(words) and store.page(row, 2).reader == ENGINE
    assert [word.text for word in store.page_words(row, 2)] == [word.text for word in words]
    assert not text_scores(store, "two")
    assert set(text_scores(store, "wörd7")) == {("scan.pdf", 2)}
    assert store.page_words(row, 1) == () and store.verify() == []


def test_one_file_in_two_collections_is_read_once(store, row, quick_path):
    other = add(store, quick_path / "scan.pdf", "one", "two", "three", collection="other")
    read(store, row)
    assert store.page_text(other, 2) == store.page_text(row, 2)
    assert set(text_scores(store, "wörd7", collection="other")) == {("scan.pdf", 2)}
    assert store.read_by_ocr(other, 2).reader == ENGINE and store.read_by_ocr(other, 1) is None


def test_pages_without_text_are_those_that_nobody_has_read(store, row):
    assert store.pages_without_text(row) == [1, 2, 3]  # a word a page: no more than a stamp
    read(store, row)
    read(store, row, 3, ())  # blank
    assert store.pages_without_text(row) == [1] and store.pages_without_text(row, again=True) == [1, 2, 3]


def test_a_note_says_where_ocr_failed_until_it_does_not(store, row):
    note = Note("ocr", "could not be read")
    store.writer.set_texts(row, {}, {2: note})
    (health,) = store.health([row])
    assert [(each.kind, each.pages) for each in health.notes] == [("ocr", (2,))]
    assert health.summary == "1 page without text: OCR failed" and store.page_text(row, 2) == "two"
    read(store, row)
    assert store.health([row])[0].notes == () and store.verify() == []


def test_words_that_have_changed_are_found_and_not_shown(store, row, quick_path):
    read(store, row)
    with closing(sqlite3.connect(quick_path / "library" / catalogue.FILE_NAME)) as raw:
        (packed,) = raw.execute("SELECT words FROM page_words").fetchone()
        raw.execute("UPDATE page_words SET words = ?", [packed[:-1] + bytes([packed[-1] ^ 1])])
        raw.commit()
    with pytest.raises(LibraryDamaged, match="words of page 2"):
        store.page_words(row, 2)
    assert store.read_by_ocr(row, 2) is None
    (damage,) = store.verify()
    assert damage.kind == "entry" and damage.documents == ("scan.pdf",)


def test_words_are_deleted_with_their_page(store, row, quick_path):
    read(store, row)
    store.writer.delete(row)
    with closing(sqlite3.connect(quick_path / "library" / catalogue.FILE_NAME)) as raw:
        assert raw.execute("SELECT count(*) FROM page_words").fetchone() == (0,)


def test_a_page_that_ocr_has_read_counts_a_little_less(store, quick_path):
    row = add(store, write(quick_path, "pump.pdf", "P"), "valve", "other", "words", "here")
    before = text_scores(store, "valve")[("pump.pdf", 1)]
    store.writer.set_texts(row, {1: PageText("valve", (), ENGINE)}, {})
    assert text_scores(store, "valve")[("pump.pdf", 1)] == pytest.approx(before * OCR_SHARE)
