"""Names that come from outside."""

import pytest

from colvision.store.identity import clean_document_name, extension_of, new_id


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("pump.pdf", "pump.pdf"),
        ("../../etc/pump.pdf", "pump.pdf"),
        ("C:\\manuals\\pump.pdf", "pump.pdf"),
        ("pump\n\x00.pdf", "pump.pdf"),
        ("Bedienungsanleitung für Öl.pdf", "Bedienungsanleitung für Öl.pdf"),
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


def test_ids_differ():
    assert len({new_id() for _ in range(1000)}) == 1000
