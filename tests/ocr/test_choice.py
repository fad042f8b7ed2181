"""Which engine reads, and what is said where there is none."""

import subprocess

import pytest

from colvision.errors import EncoderError, MissingExtra
from colvision.ocr import check_ocr
from colvision.ocr.choice import choose_engine
from colvision.ocr.tesseract import Tesseract, _Program, find_tesseract

FRESH = choose_engine.__wrapped__


def test_an_engine_is_named_with_its_languages():
    assert check_ocr("auto") == ("auto", ()) and check_ocr("rapidocr") == ("rapidocr", ())
    assert check_ocr("tesseract") == ("tesseract", ())
    assert check_ocr("tesseract:deu+chi_sim") == ("tesseract", ("deu", "chi_sim"))


@pytest.mark.parametrize("name", ["", "easyocr", "tesseract:", "tesseract:-l", "rapidocr:deu", "tesseract:a b"])
def test_another_name_is_refused(name):
    with pytest.raises(ValueError, match="give auto, rapidocr, tesseract"):
        check_ocr(name)


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("colvision.ocr.choice.find_spec", lambda name: None)


@pytest.mark.parametrize("name", ["auto", "rapidocr", "tesseract"])
def test_where_no_engine_is_installed_the_message_says_how_to_get_one(nothing_installed, name):
    with pytest.raises(MissingExtra, match="pip install 'colvision|apt install tesseract-ocr"):
        FRESH(name)


def test_a_tesseract_that_does_not_run_is_none(monkeypatch, tmp_path):
    program = tmp_path / "tesseract"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_tesseract() is None


def test_a_language_that_is_not_installed_is_refused():
    program = _Program("/usr/bin/tesseract", "5.3.0", ("deu", "eng"))
    assert Tesseract(program, ("deu", "eng")).name == "tesseract 5.3.0 deu+eng"
    assert Tesseract(program).name == "tesseract 5.3.0 eng"
    with pytest.raises(EncoderError, match="no data for fra, only for deu, eng"):
        Tesseract(program, ("fra",))


def test_engines_are_imported_by_who_asks_for_them(monkeypatch):
    code = (
        "import sys, colvision.cli.ingest, colvision.library; "
        "print([name for name in ('rapidocr', 'cv2', 'colvision.ocr.rapidocr', 'colvision.ocr.tesseract') "
        "if name in sys.modules])"
    )
    done = subprocess.run([__import__("sys").executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
