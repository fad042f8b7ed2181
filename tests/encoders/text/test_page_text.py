"""A page's words in one string with their places, and long pages in passages."""

import pytest
from PIL import Image

from colvision.core.page import Box, Page, PrintedWord
from colvision.encoders.text.page_text import PageText, cut_into_passages

PAPER = Image.new("L", (10, 10), 255)


def page(*words, text=""):
    placed = tuple(PrintedWord(word, Box(0.1 * n, 0.2, 0.1 * n + 0.08, 0.3)) for n, word in enumerate(words))
    return Page(PAPER, text=text, words=placed)


def words(text):
    return PageText.of(Page(PAPER, text=text)).spans


def test_words_come_before_the_text_and_blank_ones_are_none():
    found = PageText.of(page("oil", " ", "hand pump", text="something else"))
    assert found.text == "oil hand pump"
    assert [found.text[slice(*span)] for span in found.spans] == ["oil", "hand pump"]
    assert found.boxes == (Box(0.0, 0.2, 0.08, 0.3), Box(0.2, 0.2, pytest.approx(0.28), 0.3))


def test_a_text_without_places_has_words_and_no_boxes():
    found = PageText.of(Page(PAPER, text=" bleed\n the  pump "))
    assert (found.text, found.boxes) == ("bleed the pump", ())
    assert found.share((0, 5)) is None
    assert PageText.of(Page(PAPER)).text == ""


def test_a_token_takes_up_its_letters_of_the_word():
    found = PageText.of(page("oil", "pump"))
    assert found.share((4, 8)) == pytest.approx(Box(0.1, 0.2, 0.18, 0.3))
    assert found.share((6, 8)) == pytest.approx(Box(0.14, 0.2, 0.18, 0.3))
    assert found.share((3, 6)) == pytest.approx(Box(0.1, 0.2, 0.14, 0.3))  # with the blank before it
    assert found.share((2, 6)) == pytest.approx(Box(0.08 * 2 / 3, 0.2, 0.08, 0.3))  # of two words the first
    assert (
        found.share((-5, 0)) is found.share((4, 4)) is found.share((8, 9)) is None
    )  # a prompt, a marker, what is behind


@pytest.mark.parametrize("capacity", [1, 3, 7, 50])
def test_passages_are_whole_words_in_order_none_left_out_and_none_longer_than_fits(capacity):
    text = " ".join("x" * (1 + number % 3) for number in range(40))
    passages = [text[slice(*span)] for span in cut_into_passages(words(text), lambda span: span[1] - span[0], capacity)]
    assert all(len(passage) <= capacity for passage in passages)
    if capacity >= 3:
        assert " ".join(passages) == text
    assert "".join(passages).replace(" ", "") == text.replace(" ", "")


def test_passages_are_of_about_one_length():
    text = " ".join(["word"] * 101)
    spans = list(cut_into_passages(words(text), lambda span: (span[1] - span[0] + 1) // 5, 50))
    assert [(end - start + 1) // 5 for start, end in spans] == [33, 34, 34]


def test_a_text_that_fits_is_one_passage_and_no_text_is_none():
    assert list(cut_into_passages(words("oil pump"), lambda _: 5, 5)) == [(0, 8)]
    assert list(cut_into_passages((), lambda _: 5, 5)) == []


def test_a_word_that_is_longer_than_a_passage_is_cut_among_its_letters():
    spans = list(cut_into_passages([(0, 10)], lambda span: span[1] - span[0], 4))
    assert spans == [(0, 2), (2, 5), (5, 7), (7, 10)]
