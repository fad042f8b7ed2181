"""OCR, and PDFs that can be searched, on the command line."""

import json

import pytest
from typer.testing import CliRunner

import colvision
from colvision.cli import main
from colvision.ocr import choice
from colvision.pdf import read_pages
from colvision.testing import ToyEncoder
from tests.helpers.ocr import ENGINES, LINES, WORDS, save_scan


@pytest.fixture
def run(quick_path, monkeypatch):
    monkeypatch.setattr("colvision.encoders.spec.load", lambda *given, **options: ToyEncoder())

    def run(*words, code=0):
        answer = CliRunner().invoke(main, [*map(str, words), "--library", str(quick_path / "library")])
        assert answer.exit_code == code, answer.output
        return answer

    return run


@pytest.mark.parametrize("engine", ENGINES)
def test_scans_are_read_while_they_are_ingested_or_later_and_exported(run, tmp_path, engine):
    scan = save_scan(tmp_path / "scan.tiff", LINES, ())
    other = save_scan(tmp_path / "other.tiff", LINES[:1])
    assert "the text of 2 pages read by OCR" in run("ingest", scan, "--ocr-engine", engine).stdout
    run("ingest", other)
    told = json.loads(run("ocr", "other.tiff", "--ocr-engine", engine, "--json").stdout)
    assert [(file["name"], file["pages"], file["words"]) for file in told["files"]] == [("other.tiff", 1, 4)]
    assert told["engine"].startswith(engine)
    assert "no page is without text" in run("ocr", "--ocr-engine", engine).stdout
    assert "3 pages read by" in run("ocr", "--again", "--ocr-engine", engine).stdout
    assert "2 pages" in run("export-pdf", "scan.tiff", tmp_path / "out.pdf").stdout
    first, blank = read_pages(tmp_path / "out.pdf")
    assert first.text.split() == WORDS and blank.text == ""


def test_ocr_without_a_name_takes_the_best_engine_there_is(run, tmp_path, monkeypatch):
    asked = []
    real = choice.check_ocr
    monkeypatch.setattr("colvision.ingest.options.check_ocr", lambda name: asked.append(name) or real(name))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    choice.choose_engine.cache_clear()
    answer = run("ingest", save_scan(tmp_path / "scan.tiff", LINES), "--ocr", code=1)
    assert asked == ["auto"] and "no OCR engine is installed here: pip install 'colvision[ocr]'" in answer.stderr


def test_an_engine_that_there_is_not_is_refused_before_anything_is_read(run, quick_path, tmp_path):
    answer = run("ingest", save_scan(tmp_path / "scan.tiff", LINES), "--ocr-engine", "easyocr", code=2)
    assert "there is no OCR engine 'easyocr'; give auto, rapidocr, tesseract" in answer.stderr
    with colvision.open_library(quick_path / "library") as library:
        assert library.documents() == []
