"""A library made at format 4 (commit fbc97b1) opens, answers as it did then, and goes on.

Its collection "default" holds pump.pdf and fan.pdf (two pages each, with metadata), of which one was encoded again by
another encoder when that was stopped; "archive" holds fan.pdf. The encoder is the toy.
"""

import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from colvision.library import Library
from colvision.store import Store, catalogue
from colvision.store.schema import FORMAT
from colvision.testing import ToyEncoder

FILE = Path(__file__).with_name("library-format-4.zip")


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
    with Library(Store(folder, read_only=read_only), ToyEncoder()) as library:
        assert [(each.name, each.stored, each.metadata) for each in library.documents()] == [
            ("fan.pdf", 2, {"year": 2021}),
            ("pump.pdf", 2, {"year": 2021}),
        ]
        found = library.search("bleed pump", where="year=2021", k=1)[0]
        assert (found.document, found.page) == ("pump.pdf", 1)
        assert library.collection("archive").search("fuse", k=1)[0].page == 2
        assert library.verify().found == () and library.encoders() == ()
    assert version_of(folder) == (4 if read_only else FORMAT)


def test_a_reencoding_of_then_goes_on_and_its_collection_can_have_further_encoders(folder):
    with Library(Store(folder), ToyEncoder(seed=1)) as library:
        assert len(library.reencode().files) == 1
        library.add_encoder("first", ToyEncoder())
        assert library.search("blade", k=1).retrievers == ("maxsim", "first")
        assert library.verify().found == ()


def test_a_damaged_entry_of_a_collection_is_not_believed_after_the_upgrade_either(folder):
    with closing(sqlite3.connect(folder / catalogue.FILE_NAME)) as raw:
        raw.execute("UPDATE collections SET encoder = replace(encoder, 'toy-0', 'toy-9') WHERE name = 'archive'")
        raw.commit()
    with Store(folder) as store:
        assert {damage.kind for damage in store.verify()} == {"catalogue"}
