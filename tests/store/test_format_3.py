"""A library made at format 3 (commit e923256) opens, answers as it did then, and goes on.

Its collection "default" holds texts.pdf (Chinese, full width letters with a soft hyphen, English), "Prüfstand.pdf"
(its name and its metadata decomposed, as a Mac writes them), lost.pdf (page 2 failed) and half.pdf, which a process of
another machine left after one page of three; "archive" holds old.pdf, and an upload that waits. Three pages are judged,
in judgements.jsonl. The encoder is the toy with dim 64.
"""

import sqlite3
import unicodedata
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from colvision.library import Library
from colvision.store import Store, catalogue
from colvision.store.schema import FORMAT
from colvision.store.table import row_checksum
from colvision.testing import ToyEncoder

FILE = Path(__file__).with_name("library-format-3.zip")
WIDE = ToyEncoder(dim=64)


@pytest.fixture
def folder(quick_path):
    with zipfile.ZipFile(FILE) as file:
        file.extractall(quick_path / "older")
    return quick_path / "older"


def version_of(folder):
    with closing(sqlite3.connect(folder / catalogue.FILE_NAME)) as raw:
        return raw.execute("PRAGMA user_version").fetchone()[0]


def test_it_holds_and_answers_what_it_did(folder):
    assert version_of(folder) == 3
    with Library(Store(folder), WIDE) as library:
        listed = {each.name: (each.pages, each.stored, each.failed) for each in library.documents()}
        assert {name: listed[name] for name in ("lost.pdf", "half.pdf", "texts.pdf")} == {
            "lost.pdf": (3, 2, 1),
            "half.pdf": (3, 1, 0),
            "texts.pdf": (3, 3, 0),
        }
        assert library.search("bleed the pump", k=1)[0].page == 3
        assert library.collection("archive").search("rotor", k=1)[0].document == "old.pdf"
        assert library.verify().found == ()
        assert [(job.name, job.state) for job in library.jobs.all()] == [("next.pdf", "queued")]
    assert version_of(folder) == FORMAT


@pytest.mark.parametrize("read_only", [False, True])
def test_its_texts_are_found_in_the_form_of_today_and_shown_as_they_were(folder, read_only):
    with Library(Store(folder, read_only=read_only), WIDE) as library:
        assert library.page_text("texts.pdf", 2) == "ＶＡＬＶＥ ser\xadvice"
        for query, page in (("油泵", 1), ("service", 2), ("bleed", 3)):
            answer = library.search(query, text_fusion=True)
            assert [hit.page for hit in answer if query in hit.in_text] == [page], query
            assert answer[0].page == page


def test_a_damaged_text_is_no_reason_not_to_open(folder):
    with closing(sqlite3.connect(folder / catalogue.FILE_NAME)) as raw:
        raw.execute("UPDATE page_text_content SET c0 = CAST(x'ff62' AS TEXT) WHERE id = 3")
        raw.commit()
    with Library(Store(folder), WIDE) as library:
        assert {damage.kind for damage in library.verify().found} == {"entry"}
        assert library.search("油泵", text_fusion=True)[0].page == 1


def test_its_names_have_one_form_now(folder):
    with Library(Store(folder), WIDE) as library:
        (found,) = (each for each in library.documents() if each.name.startswith("Pr"))
        assert found.name == unicodedata.normalize("NFC", found.name)
        assert found == library.document(found.name) == library.document(unicodedata.normalize("NFD", found.name))
        ((name, value),) = ((name, value) for name, value in found.metadata.items() if isinstance(value, str))
        for form in ("NFC", "NFD"):
            answer = library.search("pump", where=unicodedata.normalize(form, f'{name}="{value}"'))
            assert {hit.document for hit in answer} == {found.name}
        assert library.verify().found == ()


def test_where_both_forms_of_a_name_are_taken_both_stay(folder):
    with closing(sqlite3.connect(folder / catalogue.FILE_NAME)) as raw:
        raw.create_function("row_checksum", -1, row_checksum)
        raw.execute("UPDATE documents SET name = 'Prüfstand.pdf', seal = NULL WHERE name = 'texts.pdf'")
        columns = (
            "id collection name source upload sha256 extension bytes pages renderer visible replaces added metadata"
        )
        text = {"id", "name", "source", "sha256", "extension", "renderer", "added", "metadata"}
        cast = [f"CAST({each} AS BLOB)" if each in text else each for each in columns.split()]
        raw.execute(f"UPDATE documents SET seal = row_checksum({', '.join(cast)}) WHERE seal IS NULL")
        raw.commit()
    with Library(Store(folder), WIDE) as library:
        composed, decomposed = (library.document(unicodedata.normalize(f, "Prüfstand.pdf")) for f in ("NFC", "NFD"))
        assert composed.id != decomposed.id and composed.pages == 3
        assert library.verify().found == ()


def test_it_is_read_where_it_cannot_be_written(folder):
    before = (folder / catalogue.FILE_NAME).read_bytes()
    with Library(Store(folder, read_only=True), WIDE) as library:
        assert library.search("hook", k=1)[0].document == "lost.pdf"
        assert library.verify().found == ()
    assert (folder / catalogue.FILE_NAME).read_bytes() == before


def test_what_another_machine_left_half_read_and_what_readers_said_of_pages_is_taken_over(folder):
    with Library(Store(folder), WIDE) as library:
        half = library.document("half.pdf")
        assert (half.state, half.reason) == ("interrupted", "")
        file = library.ingest_again("half.pdf")  # nobody is waited for; its kept file is no PDF, only a letter
        assert file.before == 1 and "is not a PDF" in file.reason
        assert library.judgements.take_over() == "" and len(library.judgements) == 3
        assert not (folder / "judgements.jsonl").exists()
        assert library.verify().found == ()
