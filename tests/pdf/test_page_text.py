"""The text layer is taken apart as pypdfium2 does it, in fewer steps."""

from itertools import chain, islice
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium

from colvision.pdf.backends import pdfium_calls as calls
from colvision.pdf.backends.page_text import _LetterBoxes, _PageText, _runs
from tests.helpers.pdf_files import HELVETICA, LETTER, pages_file

MANUAL = Path(__file__).parents[2] / "data" / "sample-manual.pdf"
ODD = rb"BT /F1 12 Tf 72 700 Td (a\001\002b\003) Tj 0 -20 Td (\003c  d-) Tj 0 -20 Td (\001) Tj ET"


def layers():
    odd = pages_file((f"{LETTER} {HELVETICA}", ODD), (f"{LETTER} {HELVETICA}", b""))
    for page in chain(pdfium.PdfDocument(odd), islice(pdfium.PdfDocument(MANUAL), 4)):
        yield page.get_textpage()


def test_any_range_of_letters_has_the_text_that_pdfium_gives_it():
    rng = np.random.default_rng(0)
    texts = []
    for layer in layers():
        text, count = _PageText(layer), layer.count_chars()
        starts = [int(rng.integers(count)) for _ in range(200)] if count else []
        for start in starts:
            length = int(rng.integers(1, count - start + 1))
            texts.append(text.range(start, length))
            assert texts[-1] == layer.get_text_range(start, length), (start, length)
    assert {"ab", "c"} & set(texts) and max(map(len, texts)) > 1000


def test_runs_are_the_letters_of_one_object():
    for layer in layers():
        objects = [layer.get_textobj(number) for number in range(layer.count_chars())]
        expected = [each and calls.address(each.raw) or 0 for each in objects]
        runs = list(_runs(layer))
        assert [run.raw for run in runs for _ in range(run.length)] == expected
        assert all(one.raw != other.raw for one, other in zip(runs, runs[1:], strict=False))


def test_the_box_of_a_letter_is_that_of_its_strokes_or_of_its_place():
    for layer in layers():
        boxes = _LetterBoxes(layer)
        for number in range(layer.count_chars()):
            strict, loose = layer.get_charbox(number), layer.get_charbox(number, loose=True)
            has_strokes = strict[2] - strict[0] >= 0.1 and strict[3] - strict[1] >= 0.1
            assert boxes.bounds(number) == (strict if has_strokes else loose)
