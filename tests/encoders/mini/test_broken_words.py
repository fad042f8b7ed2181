"""Words that are broken at a line's end, in training: they lie on both of their parts."""

import numpy as np
import pytest

from colvision.encoders.mini.training import documents
from colvision.encoders.mini.training.labelled_page import broken_word
from colvision.encoders.mini.training.synthesis import DPI, PageGenerator, find_fonts
from tests.encoders.mini.test_mini import _FONTS, needs_fonts
from tests.helpers.pdf_files import HELVETICA, LETTER, pages_file, words, written

LETTERS = np.array([[8 * n, 0, 8 * n + 8, 16] for n in range(6)] + [[8 * n, 20, 8 * n + 8, 36] for n in range(5)])


def test_a_broken_word_lies_on_each_part_that_says_enough_of_it():
    boxes = LETTERS.astype(np.float32)
    assert [word[:3] for word in broken_word("Hydrau", "lisch", boxes)] == [
        ("hydraulisch", 0, 0),
        ("hydraulisch", 0, 20),
    ]
    assert [word.text for word in broken_word("ab", "normal", boxes[4:])] == ["abnormal"]
    assert broken_word("HA24", "GA", boxes) == []


def test_a_hyphen_at_a_lines_end_is_known_in_a_pdf(tmp_path):
    lines = [
        "The filter of the hydra-",
        "ulic pump is changed after 1000 hours.",
    ]
    page = b"\n".join(words(line, bottom=600 - 30 * number) for number, line in enumerate(lines))
    path = written(tmp_path, pages_file((f"{LETTER} {HELVETICA}", page)))
    found = documents.labelled_page(documents.DocumentPage(path, 0), 100)
    assert found is not None
    parts = [word for word in found.words if word.text == "hydraulic"]
    assert [(word.left > 200, word.left < 120) for word in parts] == [(True, False), (False, True)]


@pytest.mark.slow
@needs_fonts
def test_generated_lines_break_words():
    generator = PageGenerator(find_fonts(_FONTS)[:4], ["Dichtungsring"], [])
    rng = np.random.default_rng(1)
    for _ in range(6):
        whole = [word for word in generator.labelled_page(rng).words if word.text == "dichtungsring"]
        widths = np.array([word.right - word.left for word in whole])
        if len(widths) and (widths < 0.7 * widths.max()).any():
            return
    pytest.fail(f"no word was broken on six pages of {DPI} dpi")
