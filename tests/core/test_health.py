"""What was not read: its form in the catalogue."""

import pytest

from colvision.core.health import (
    Health,
    Note,
    PagesNote,
    UnreadPage,
    group_notes,
    notes_text,
    page_numbers,
    parse_notes,
)


def test_notes_come_back_from_their_text():
    notes = (Note("shrunk", "is drawn at 40 dpi"), Note("fonts", "needs “明朝”, which is not here"))
    assert parse_notes(notes_text(notes)) == notes
    assert parse_notes("[]") == ()


@pytest.mark.parametrize(("kind", "text"), [("other", "x"), ("blank", 3), (None, "x")])
def test_no_other_kind_and_no_other_text(kind, text):
    with pytest.raises(ValueError, match="is no note"):
        Note(kind, text)


def test_a_note_of_many_pages_is_told_once():
    shrunk, form = Note("shrunk", "is drawn at 40 dpi"), Note("form", "is a form")
    assert group_notes([form], [(2, shrunk), (3, shrunk), (7, shrunk)]) == (
        PagesNote("form", "is a form"),
        PagesNote("shrunk", "is drawn at 40 dpi", (2, 3, 7)),
    )
    assert PagesNote("shrunk", "is drawn at 40 dpi", (2, 3, 7)).sentence("") == (
        "each of pages 2-3, 7 is drawn at 40 dpi"
    )
    assert PagesNote("form", "is a form").sentence("pump.pdf") == "pump.pdf is a form"
    assert (page_numbers([4]), page_numbers([])) == ("page 4", "")


def test_health_in_a_few_words():
    assert Health().is_whole and Health().summary == ""
    notes = group_notes([Note("attachments", "holds 2 files")], [(1, Note("shrunk", "a")), (2, Note("shrunk", "b"))])
    failed = (UnreadPage(3, "is damaged"), UnreadPage(4, "is damaged"))
    assert Health(failed, notes).summary == "2 pages failed, attachments, 2 shrunk"
    assert Health((), notes[1:]).summary == "2 pages shrunk"
    assert Health(failed, notes).to_dict()["failed"][0] == {"page": 3, "reason": "is damaged", "tried": None}
    assert not Health(failed).is_whole and not Health((), notes).is_whole
