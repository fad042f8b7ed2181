"""Simulated scans: the same on every run, and the same as those that opponents read."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colvision.errors import DamagedFile
from colvision.evaluation.corpus import Corpus, CorpusDocument
from colvision.evaluation.scans import SCAN_SETTINGS, scan_page, simulate_scan, write_scan
from colvision.pdf import inspect_file, read_pages
from colvision.pdf.trusted import TrustedPdf
from tests.helpers.pdf_files import text_file

pytestmark = pytest.mark.slow


@pytest.fixture
def manual(tmp_path):
    path = tmp_path / "manual.pdf"
    path.write_bytes(text_file("bleed the pump", "close the valve", "order the parts"))
    return path


def scanned(source, target, **options):
    pages = list(write_scan(source, target, **options))
    return pages, target.read_bytes()


@pytest.fixture(scope="module")
def drawn():
    """A page with strokes of every grey, the same everywhere: no font and no renderer has a say in it."""
    rows, cols = np.mgrid[0:120, 0:90]
    return Image.fromarray(((rows * 7 + cols * 13) % 256).astype(np.uint8))


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("light", [[52, 49, 56], [113, 113, 111], [171, 182, 184], [130, 47, 65]]),
        ("heavy", [[54, 70, 69], [106, 127, 126], [162, 150, 171], [35, 29, 51]]),
    ],
)
def test_the_draws_and_their_order_are_those_of_the_evaluation_sets(drawn, level, expected):
    scan = simulate_scan(drawn, SCAN_SETTINGS[level], rng=np.random.default_rng(7), back=drawn.resize((30, 40)))
    found = np.asarray(scan, dtype=int)[40:80:10, 20:80:20]
    assert np.abs(found - expected).max() <= 2  # grey levels: another Pillow may round otherwise, other draws differ


@pytest.mark.parametrize("level", ["light", "heavy"])
def test_a_page_is_scanned_alike_alone_and_with_its_neighbours(manual, tmp_path, level):
    with TrustedPdf(manual) as pdf:
        alone = scan_page(pdf, 2, level=level, document="manual")
    _, whole = scanned(manual, tmp_path / "whole.pdf", level=level)
    _, part = scanned(manual, tmp_path / "part.pdf", level=level, numbers=[2])
    assert alone in whole
    assert alone in part


def test_another_document_page_or_level_is_scanned_otherwise(manual):
    with TrustedPdf(manual) as pdf:
        scans = {
            scan_page(pdf, 1, level="light", document="manual"),
            scan_page(pdf, 1, level="heavy", document="manual"),
            scan_page(pdf, 1, level="light", document="other"),
            scan_page(pdf, 2, level="light", document="manual"),
        }
    assert len(scans) == 4


def test_the_back_of_a_sheet_shows_through_and_the_last_page_may_have_none(manual):
    with TrustedPdf(manual) as pdf:
        page, back = pdf.grey(1, dpi=150), pdf.grey(2, dpi=50)
    scans = [
        np.asarray(simulate_scan(page, SCAN_SETTINGS["heavy"], rng=np.random.default_rng(0), back=behind), dtype=float)
        for behind in (None, back)
    ]
    darker = scans[0] - scans[1]
    print_behind = np.asarray(back.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize(page.size)) < 128
    assert darker[print_behind].mean() > 2  # grey levels, of 6 % of about 200
    assert abs(darker[~print_behind].mean()) < 1


def test_a_scan_is_a_pdf_without_text_of_the_same_pages_and_size(manual, tmp_path):
    pages, _ = scanned(manual, tmp_path / "scan.pdf", level="heavy")
    assert pages == [1, 2, 3]
    assert inspect_file(tmp_path / "scan.pdf").pages == 3
    drawn = list(read_pages(tmp_path / "scan.pdf"))
    assert [page.text for page in drawn] == ["", "", ""]
    assert drawn[0].geometry.size == pytest.approx((612, 792), abs=0.5)
    assert np.asarray(drawn[0].image).std() > 5  # there is something on it


def test_a_listed_part_of_a_manual_is_scanned_in_the_order_asked_for(manual, tmp_path):
    with TrustedPdf(manual) as pdf:
        expected = [scan_page(pdf, number, level="light", document="manual") for number in (3, 1)]
    _, part = scanned(manual, tmp_path / "part.pdf", level="light", numbers=[3, 1])
    assert 0 < part.index(expected[0]) < part.index(expected[1])
    for jpeg in expected:
        assert Image.open(io.BytesIO(jpeg)).size == pytest.approx((1275, 1650), abs=1)  # PDFium rounds up


def test_a_page_of_the_scan_is_filled_by_its_jpeg(manual, tmp_path):
    scanned(manual, tmp_path / "scan.pdf", level="heavy")
    with TrustedPdf(manual) as pdf, TrustedPdf(tmp_path / "scan.pdf") as scan:
        for number in (1, 2, 3):
            jpeg = np.asarray(Image.open(io.BytesIO(scan_page(pdf, number, level="heavy", document="manual"))))
            drawn = np.asarray(scan.grey(number, dpi=150))
            assert drawn.shape == jpeg.shape
            assert np.corrcoef(drawn.ravel(), jpeg.ravel())[0, 1] > 0.9  # mirrored or upside down: 0.7 at most


def test_the_digests_of_earlier_versions_name_the_same_scans():
    document = CorpusDocument("manual", Path("manual.pdf"), "0" * 64, (1, 2), is_complete=False)
    assert document.folder_name("light") == "e41bbeb45b0c442a"
    assert document.folder_name("heavy") == "8b60d2b5ccaa957d"
    assert Corpus("heavy", (document,)).digest == "e9f34f252e8148c5"


def test_a_scan_is_the_same_to_the_byte_on_every_run(manual, tmp_path):
    (_, once), (_, again) = (scanned(manual, tmp_path / name, level="light") for name in ("one.pdf", "two.pdf"))
    assert once == again


def test_an_excerpt_keeps_the_pages_as_they_are(manual, tmp_path):
    with TrustedPdf(manual) as pdf:
        pdf.write_excerpt([2, 3], tmp_path / "part.pdf")
    assert [page.text for page in read_pages(tmp_path / "part.pdf")] == ["close the valve", "order the parts"]


def test_a_file_that_is_no_pdf_is_named(tmp_path):
    (tmp_path / "letter.pdf").write_text("Dear Sir or Madam")
    with pytest.raises(DamagedFile, match=r"letter\.pdf cannot be opened"):
        TrustedPdf(tmp_path / "letter.pdf")
