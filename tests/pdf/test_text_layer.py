"""Text layers that were not made for reading are told from those that were."""

import numpy as np
import pytest

import colvision
from colvision.pdf import read_pages
from colvision.pdf.text_layer import is_legible
from tests.helpers.pdf_files import unmapped_file, written
from tests.helpers.stores import TOY

PROSE = (
    "Before the engine is started, check the level of the oil in the pump and close the valve. Read this manual with "
    "care and keep it near the machine. The warranty covers no damage that comes from other spare parts. "
) * 2


def shifted(text):
    """What a font without ToUnicode gives whose glyphs are numbered from 'space' = 3, as Word's subsets are."""
    return "".join(chr(ord(each) - 29) for each in text)


def in_another_alphabet(text, seed=0):
    letters = "abcdefghijklmnopqrstuvwxyz"
    drawn = "".join(np.random.default_rng(seed).permutation(list(letters)))
    return text.lower().translate(str.maketrans(letters, drawn))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        PROSE,
        PROSE.upper(),
        "Prüfen Sie den Ölstand der Pumpe und schließen Sie das Ventil, bevor der Motor gestartet wird. " * 5,
        "Zkontrolujte hladinu oleje v čerpadle a zavřete ventil před spuštěním motoru. " * 5,
        "Проверьте уровень масла в насосе и закройте клапан перед запуском двигателя. " * 5,
        "ポンプの油量を点検し、エンジンを始動する前にバルブを閉じてください。" * 5,
        "DIN 912 M8x40 12.9 4711-0815-03 A17/4 3,5 Nm 24 V 0.75 mm2 X1:14 S7-300 6ES7 315-2AG10 " * 10,
        "∫ \ue000 f(x) dx = ∑ a \uf8f4 + b and so on, as is shown in the text above",
    ],
)
def test_what_people_print_is_legible(text):
    assert is_legible(text)


@pytest.mark.parametrize(
    "text",
    [
        shifted(PROSE),
        in_another_alphabet(PROSE),
        "".join(chr(0xE000 + ord(each)) if each != " " else " " for each in PROSE),
        "\ufffd" * 40,
        "Проверьте уровень масла в насосе".encode().decode("latin-1"),
        "ポンプの油量を点検し、エンジンを始動する前に".encode().decode("latin-1"),
    ],
)
def test_a_layer_that_was_not_made_for_reading_is_noticed(text):
    assert not is_legible(text)


def test_few_letters_are_given_the_benefit_of_the_doubt():
    assert is_legible(in_another_alphabet("check the oil"))


def test_the_layer_of_a_font_that_does_not_say_its_letters_is_not_kept(quick_path, tmp_path):
    lines = [PROSE[i : i + 60] for i in range(0, len(PROSE) - 60, 60)]
    path = written(tmp_path, unmapped_file(*lines))
    (page,) = read_pages(path)
    assert len(page.text) > 200  # a layer there is, which says nothing
    with colvision.open_library(quick_path / "library", encoder=TOY) as library:
        assert library.ingest(path).files[0].outcome == "new"
        assert library.page_text("manual.pdf", 1) == ""
