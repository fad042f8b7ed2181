"""A searchable PDF shows the page images, and its words are found where they stand."""

import io
import shutil
import subprocess

import pytest
from PIL import Image

import colvision
from colvision.core.page import Box, PrintedWord
from colvision.errors import PageNotFound
from colvision.library import Library
from colvision.pdf import read_pages
from colvision.pdf.searchable import SearchablePage, write_searchable
from colvision.store import Store
from colvision.testing import ToyEncoder
from tests.helpers.ocr import scan
from tests.helpers.pdf_files import HELVETICA, pages_file, words, written
from tests.helpers.stores import TOY, begin, write

WORDS = (
    PrintedWord("Prüfstand", Box(0.1, 0.1, 0.3, 0.13)),
    PrintedWord("油泵", Box(0.32, 0.1, 0.4, 0.13)),
    PrintedWord("(0.5)", Box(0.1, 0.8, 0.2, 0.82)),
)


def jpeg(image):
    data = io.BytesIO()
    image.save(data, "JPEG", quality=90)
    return data.getvalue()


@pytest.fixture(params=["RGB", "L"])
def path(request, tmp_path):
    page = SearchablePage(jpeg(scan().convert(request.param)), WORDS, (500.0, 300.0))
    blank = SearchablePage(jpeg(Image.new("L", (500, 300), 255)), (), (500.0, 300.0))
    assert list(write_searchable([page, blank], tmp_path / "out.pdf")) == [1, 2]
    return tmp_path / "out.pdf"


def test_its_words_are_read_where_they_stand(path):
    page, blank = read_pages(path)
    assert page.text.split() == [word.text for word in WORDS] and blank.text == ""
    assert page.geometry.size == (500.0, 300.0) and page.notes == ()
    for found, word in zip(page.words, WORDS, strict=True):
        assert found.text == word.text
        assert (found.box.left, found.box.right) == pytest.approx((word.box.left, word.box.right), abs=0.02)
        middle = (word.box.top + word.box.bottom) / 2
        assert found.box.top < middle < found.box.bottom


def test_the_page_looks_as_its_image_does(path):
    page = next(iter(read_pages(path)))
    image = scan().resize(page.image.size).convert("L")
    difference = Image.frombytes("L", image.size, bytes(
        abs(a - b) for a, b in zip(image.tobytes(), page.image.convert("L").tobytes(), strict=True)
    ))  # fmt: skip
    assert sum(value > 96 for value in difference.tobytes()) < 0.01 * image.width * image.height


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="no pdftotext is installed: apt install poppler-utils")
def test_another_program_finds_them_too(path):
    done = subprocess.run(["pdftotext", path, "-"], capture_output=True, text=True, check=True)
    assert done.stderr == "" and set(done.stdout.split()) == {word.text for word in WORDS}


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_page_that_is_turned_and_cropped_is_exported_as_it_is_seen(quick_path, tmp_path, rotation):
    entries = f"/MediaBox [0 0 612 792] /CropBox [50 400 562 742] /Rotate {rotation} {HELVETICA}"
    source = written(tmp_path, pages_file((entries, words("bleed the hydraulic pump", 100, 600))))
    with colvision.open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        library.ingest(source)
        assert library.export_pdf("manual.pdf", tmp_path / "out.pdf") == 1
        before = library.page_words("manual.pdf", 1)
    (page,) = read_pages(tmp_path / "out.pdf")
    (original,) = read_pages(source)
    assert page.image.size == original.image.size and page.geometry.rotation == 0
    assert [word.text for word in original.words] == ["bleed", "the", "hydraulic", "pump"]
    assert [word.text for word in before] == [word.text for word in original.words]
    grey = original.image.convert("L")
    for word in original.words:  # in the boxes there is ink, and beside them there is none
        left, top, right, bottom = map(round, word.box.scaled(grey.size))
        assert grey.crop((left, top, right + 1, bottom + 1)).getextrema()[0] < 64
        grey.paste(255, (left - 1, top - 1, right + 2, bottom + 2))
    assert grey.getextrema()[0] > 128
    if rotation == 0:
        assert page.text.split() == ["bleed", "the", "hydraulic", "pump"]


def test_a_document_without_a_stored_page_has_nothing_to_export(quick_path, tmp_path):
    with Library(Store(quick_path / "library"), TOY) as library:
        begin(library._store, write(tmp_path, "scan.pdf", "S"))
        with pytest.raises(PageNotFound, match="no page of 'scan.pdf' is stored"):
            library.export_pdf("scan.pdf", tmp_path / "out.pdf")
        assert not (tmp_path / "out.pdf").exists()
