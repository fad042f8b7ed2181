"""Names that come from outside."""

import pytest

from colvision.errors import InputError
from colvision.store.identity import (
    SourceFile,
    clean_collection_name,
    clean_document_name,
    comes_from,
    decide,
    extension_of,
    lies_in,
    new_id,
    shown_folders,
)
from tests.helpers.stores import document_row


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("pump.pdf", "pump.pdf"),
        ("../../etc/pump.pdf", "pump.pdf"),
        ("C:\\manuals\\pump.pdf", "pump.pdf"),
        ("pump\n\x00.pdf", "pump.pdf"),
        ("Bedienungsanleitung für Öl.pdf", "Bedienungsanleitung für Öl.pdf"),
        ("Bedienungsanleitung fu\u0308r O\u0308l.pdf", "Bedienungsanleitung für Öl.pdf"),
        ("\u1112\u1161\u11ab.pdf", "한.pdf"),
        ("pump\\7.pdf", "pump\\7.pdf"),
        ("\\\\server\\manuals\\pump.pdf", "pump.pdf"),
        ("  ", "document"),
        ("", "document"),
        ("/", "document"),
        ("..", "document"),
    ],
)
def test_a_documents_name_is_the_last_part_without_what_cannot_be_shown(given, shown):
    assert clean_document_name(given) == shown


def test_a_very_long_name_is_cut_and_keeps_its_ending():
    name = clean_document_name("x" * 5000 + ".pdf")
    assert len(name) == 200 and name.endswith(".pdf")


@pytest.mark.parametrize(("name", "ending"), [("a.PDF", "pdf"), ("a.tar.gz", "gz"), ("a", "bin"), ("a.p/f", "bin")])
def test_a_kept_files_ending_is_letters_and_digits_only(name, ending):
    assert extension_of(name) == ending


def test_a_collections_name_has_one_form():
    assert clean_collection_name(" Pru\u0308f  stand ") == "Prüf stand"


PRESS, LATHE = (
    document_row(1, "manual.pdf", "/a/press/en/manual.pdf"),
    document_row(2, "2.pdf", "/a/lathe/en/manual.pdf"),
)
CRANE, UPLOAD = document_row(3, "crane.pdf", "/a/press/crane.pdf"), document_row(4, "manual.pdf", "")


def test_a_folder_is_shown_as_far_as_it_tells_files_of_one_name_apart():
    rows = [PRESS, LATHE, CRANE, UPLOAD]
    assert shown_folders(rows) == {1: "press/en", 2: "lathe/en", 3: "press", 4: ""}
    assert shown_folders([PRESS, CRANE]) == {1: "en", 3: "press"}
    assert shown_folders([PRESS, document_row(5, "b.pdf", "/en/manual.pdf")]) == {1: "press/en", 5: "en"}
    assert shown_folders([document_row(6, "b.pdf", "/b.pdf")]) == {6: ""}


def test_a_document_is_meant_by_the_end_of_its_path():
    assert comes_from(LATHE, "en/manual.pdf") and comes_from(LATHE, "lathe/en/2.pdf")
    assert comes_from(LATHE, "/a/lathe/en/manual.pdf") and comes_from(LATHE, "./en/manual.pdf")
    assert not comes_from(LATHE, "manual.pdf") and not comes_from(LATHE, "the/en/manual.pdf")
    assert not comes_from(UPLOAD, "a/manual.pdf") and not comes_from(LATHE, "lathe/manual.pdf")
    assert lies_in(LATHE, "lathe") and lies_in(LATHE, "LATHE/en/") and not lies_in(LATHE, "lat")
    assert not lies_in(LATHE, "") and not lies_in(UPLOAD, "a")


def replaced_by(path, *rows, **named):
    given = SourceFile("default", path.rpartition("/")[2], path, upload="/" not in path, replace=True, **named)
    replaced = decide(given, "f" * 64, rows, lambda name: any(row.name == name for row in rows)).replaced
    return None if replaced is None else replaced.key


def test_a_file_replaces_the_document_of_its_name_and_folder():
    assert replaced_by("/b/crane.pdf", PRESS, LATHE, CRANE) == 3
    assert replaced_by("/b/lathe/en/manual.pdf", PRESS, LATHE, CRANE) == 2
    assert replaced_by("/b/press/en/manual.pdf", PRESS, LATHE, CRANE) == 1
    assert replaced_by("/b/other.pdf", PRESS, LATHE, CRANE) is None
    assert replaced_by("manual.pdf", PRESS, LATHE, CRANE) == 1, "an upload knows names alone"
    assert replaced_by("/b/crane.pdf", CRANE, brought=frozenset({CRANE.id})) is None
    with pytest.raises(InputError, match=r"could replace '2\.pdf' \(from /a/lathe/en/manual\.pdf\), 'manual\.pdf'"):
        replaced_by("/b/drill/manual.pdf", PRESS, LATHE)


def test_ids_differ():
    assert len({new_id() for _ in range(1000)}) == 1000
