"""What the engines that are installed read on a page, and where."""

import numpy as np
import pytest
from PIL import Image

from colvision.core.page import Box, PrintedWord, text_of
from colvision.ocr import OcrFailure, choose_engine
from colvision.ocr import tesseract as module
from colvision.ocr.tesseract import Tesseract, _Program, find_tesseract
from tests.helpers.ocr import ENGINES, LINES, WORDS, scan


@pytest.mark.parametrize("engine", ENGINES)
class TestEngine:
    def test_words_are_read_in_order_where_they_stand(self, engine):
        image = scan()
        words = choose_engine(engine).read(image)
        assert [word.text for word in words] == WORDS
        assert text_of(words).splitlines() == list(LINES)
        grey = np.asarray(image.convert("L"))
        for word in words:
            left, top, right, bottom = word.box.scaled(image.size)
            inside = grey[round(top) : round(bottom) + 1, round(left) : round(right) + 1]
            assert inside.min() < 100 and word.confidence > 0.7
            assert 60 + 100 * row_of(word.text) - 15 <= (top + bottom) / 2 <= 60 + 100 * row_of(word.text) + 75
        assert words[0].box.right < words[1].box.left + 0.01

    def test_a_blank_page_has_no_words(self, engine):
        assert choose_engine(engine).read(Image.new("L", (800, 600), 255)) == ()

    def test_the_name_tells_the_version(self, engine):
        name = choose_engine(engine).name
        assert name.startswith(f"{engine} ") and any(map(str.isdigit, name))


def row_of(word):
    return next(row for row, line in enumerate(LINES) if word in line.split())


def fake_tesseract(tmp_path, script):
    program = tmp_path / "tesseract"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Tesseract(_Program(str(program), "5", ("eng",)))


def test_a_page_that_keeps_tesseract_busy_costs_its_text_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 0.5)
    with pytest.raises(OcrFailure, match="took tesseract longer than"):
        fake_tesseract(tmp_path, "exec sleep 30").read(scan())


def test_a_tesseract_that_fails_says_so(tmp_path):
    with pytest.raises(OcrFailure, match="ended with code 3"):
        fake_tesseract(tmp_path, "exit 3").read(scan())
    with pytest.raises(OcrFailure, match="does not run"):
        Tesseract(_Program(str(tmp_path / "gone"), "5", ("eng",))).read(scan())


@pytest.mark.skipif(find_tesseract() is None, reason="no tesseract is installed: apt install it")
def test_the_installed_tesseract_knows_its_version_and_languages():
    program = find_tesseract()
    assert program.version[0].isdigit() and "osd" not in program.languages


def test_lines_end_where_the_next_word_stands_lower_or_further_back():
    def word(text, left, top):
        return PrintedWord(text, Box(left, top, left + 0.1, top + 0.05))

    words = [word("a", 0.1, 0.1), word("b", 0.3, 0.11), word("c", 0.1, 0.2), word("d", 0.05, 0.2)]
    assert text_of(words) == "a b\nc\nd" and text_of([]) == ""
