"""A library made at format 4 (commit fbc97b1) opens, answers as it did then, and takes words in.

Its collection "default" holds pump.pdf (page 1 with text, page 2 without, page 3 with a note, page 4 failed) and
half.pdf, which a process of another machine left after one page of two; "archive" holds old.pdf. The encoder is the toy
with dim 64. That of `reencoded` holds pump.pdf and fan.pdf (two pages each, with metadata), of which one was encoded
again by another encoder when that was stopped; "archive" holds fan.pdf.
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
REENCODING = Path(__file__).with_name("library-format-4-reencoding.zip")
WIDE = ToyEncoder(dim=64)
WORDS = (PrintedWord("valve", Box(0.1, 0.2, 0.3, 0.25), 0.8),)


@pytest.fixture
def folder(quick_path):
    return extracted(FILE, quick_path)


@pytest.fixture
def reencoded(quick_path):
    return extracted(REENCODING, quick_path)


def extracted(path, folder):
    with zipfile.ZipFile(path) as file:
        file.extractall(folder / "older")
    return folder / "older"


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


@pytest.mark.parametrize("read_only", [False, True])
def test_a_half_reencoded_one_holds_and_answers_what_it_did(reencoded, read_only):
    assert version_of(reencoded) == 4
    with Library(Store(reencoded, read_only=read_only), ToyEncoder()) as library:
        assert [(each.name, each.stored, each.metadata) for each in library.documents()] == [
            ("fan.pdf", 2, {"year": 2021}),
            ("pump.pdf", 2, {"year": 2021}),
        ]
        found = library.search("bleed pump", where="year=2021", k=1)[0]
        assert (found.document, found.page) == ("pump.pdf", 1)
        assert library.collection("archive").search("fuse", k=1)[0].page == 2
        assert library.verify().found == () and library.encoders() == ()
    assert version_of(reencoded) == (4 if read_only else FORMAT)


def test_a_reencoding_of_then_goes_on_and_its_collection_can_have_further_encoders(reencoded):
    with Library(Store(reencoded), ToyEncoder(seed=1)) as library:
        assert len(library.reencode().files) == 1
        library.add_encoder("first", ToyEncoder())
        assert library.search("blade", k=1).retrievers == ("maxsim", "first")
        assert library.verify().found == ()


def test_a_damaged_entry_of_a_collection_is_not_believed_after_the_upgrade_either(reencoded):
    with closing(sqlite3.connect(reencoded / catalogue.FILE_NAME)) as raw:
        raw.execute("UPDATE collections SET encoder = replace(encoder, 'toy-0', 'toy-9') WHERE name = 'archive'")
        raw.commit()
    with Store(reencoded) as store:
        assert {damage.kind for damage in store.verify()} == {"catalogue"}
