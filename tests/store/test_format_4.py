"""A library made at format 4 (commit fbc97b1) opens, answers as it did then, and takes words in.

Its collection "default" holds pump.pdf (page 1 with text, page 2 without, page 3 with a note, page 4 failed) and
half.pdf, which a process of another machine left after one page of two; "archive" holds old.pdf. The encoder is the toy
with dim 64.
"""

import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from colvision.core.page import Box, PrintedWord
from colvision.library import Library
from colvision.store import Store, catalogue
from colvision.store.records import PageText
from colvision.store.schema import FORMAT
from colvision.testing import ToyEncoder

FILE = Path(__file__).with_name("library-format-4.zip")
WIDE = ToyEncoder(dim=64)
WORDS = (PrintedWord("valve", Box(0.1, 0.2, 0.3, 0.25), 0.8),)


@pytest.fixture
def folder(quick_path):
    with zipfile.ZipFile(FILE) as file:
        file.extractall(quick_path / "older")
    return quick_path / "older"


def version_of(folder):
    with closing(sqlite3.connect(folder / catalogue.FILE_NAME)) as raw:
        return raw.execute("PRAGMA user_version").fetchone()[0]


@pytest.mark.parametrize("read_only", [False, True])
def test_it_holds_and_answers_what_it_did(folder, read_only):
    assert version_of(folder) == 4
    with Library(Store(folder, read_only=read_only), WIDE) as library:
        assert {each.name: (each.stored, each.failed) for each in library.documents()} == {
            "pump.pdf": (3, 1),
            "half.pdf": (1, 0),
        }
        assert library.page_text("pump.pdf", 1) == "bleed the pump" and library.page_text("pump.pdf", 2) == ""
        assert library.page_words("pump.pdf", 1) == () and library.text_reader("pump.pdf", 1) == ""
        assert [note.pages for note in library.document("pump.pdf").health.notes] == [(3,)]
        assert library.search("bleed", text_fusion=True)[0].in_text == {"bleed"}
        assert library.collection("archive").search("spare", k=1)[0].document == "old.pdf"
        assert library.verify().found == ()
    assert version_of(folder) == (4 if read_only else FORMAT)


def test_its_pages_take_the_text_that_ocr_reads(folder):
    with Store(folder) as store:
        row = store.find("pump.pdf")
        store.writer.set_texts(row, {2: PageText("valve", WORDS, "engine 1")}, {})
        assert store.page_text(row, 2) == "valve" and store.page(row, 2).reader == "engine 1"
        assert store.page_words(row, 2)[0].text == "valve"
        assert store.verify() == []


def test_a_row_that_was_damaged_before_the_upgrade_is_damaged_after_it(folder):
    with closing(sqlite3.connect(folder / catalogue.FILE_NAME)) as raw:
        raw.execute("UPDATE pages SET width = width + 1 WHERE document = 1 AND number = 2")
        raw.commit()
    with Store(folder) as store:
        assert [(each.kind, each.documents) for each in store.verify()] == [("entry", ("pump.pdf",))]
