"""What was not read: its form in the catalogue."""

import pytest

from colvision.core.health import Note, notes_text, parse_notes


def test_notes_come_back_from_their_text():
    notes = (Note("shrunk", "is drawn at 40 dpi"), Note("fonts", "needs “明朝”, which is not here"))
    assert parse_notes(notes_text(notes)) == notes
    assert parse_notes("[]") == ()


@pytest.mark.parametrize(("kind", "text"), [("other", "x"), ("blank", 3), (None, "x")])
def test_no_other_kind_and_no_other_text(kind, text):
    with pytest.raises(ValueError, match="is no note"):
        Note(kind, text)
