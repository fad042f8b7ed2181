"""The words of a text layer are those of its text, each where it stands; what is not seen has none."""

from io import BytesIO
from pathlib import Path

import pytest

from colvision.core.page import Box, PrintedWord
from colvision.pdf import read_pages
from colvision.pdf.sandbox.protocol import PageImage, receive, send
from tests.helpers.pdf_files import BOTH, HELVETICA, LETTER, pages_file, words, written

MANUAL = Path(__file__).parents[2] / "data" / "sample-manual.pdf"


def read(folder, content, renderer="pdfium"):
    (page,) = read_pages(written(folder, pages_file((f"{LETTER} {HELVETICA}", content))), renderer=renderer)
    return page


def test_they_are_those_of_the_text():
    for page in read_pages(MANUAL, numbers=range(1, 7)):
        assert [word.text for word in page.words] == page.text.split()
        assert len(page.words) > 20 and all(word.confidence == 1 for word in page.words)


@pytest.mark.parametrize("renderer", BOTH)
def test_each_stands_on_its_ink(tmp_path, renderer):
    page = read(tmp_path, words("bleed the pump", 72, 600), renderer)
    grey = page.image.convert("L")
    for word in page.words:
        left, top, right, bottom = map(round, word.box.scaled(grey.size))
        assert grey.crop((left, top, right + 1, bottom + 1)).getextrema()[0] < 64
        grey.paste(255, (left - 1, top - 1, right + 2, bottom + 2))
    assert len(page.words) == 3 and grey.getextrema()[0] > 200


def test_text_that_is_not_seen_and_text_beside_the_page_has_none(tmp_path):
    content = words("seen") + b" 1 g " + words("white words", 72, 400) + b" 0 g " + words("outside", 700, 300)
    page = read(tmp_path, content)
    assert [word.text for word in page.words] == ["seen"] and [note.kind for note in page.notes] == ["hidden"]


def test_words_that_are_not_on_the_page_are_not_believed():
    def answer(*word):
        pipe = BytesIO()
        send(pipe, PageImage((1, 1), "L", b".", words=(PrintedWord(word[0], Box(*word[1:])),)))
        pipe.seek(0)
        return receive(pipe, 1)

    assert answer("pump", 0.1, 0.2, 0.3, 0.4).words == (PrintedWord("pump", Box(0.1, 0.2, 0.3, 0.4)),)
    for text, *box in (("", 0, 0, 1, 1), ("a", 0, 0, 2, 1), ("a", 0.5, 0, 0.1, 1), ("\ud800", 0, 0, 1, 1)):
        assert answer(text, *box) is None
    assert answer("a", 0.0, float("nan"), 1.0, 1.0) is None
