"""PDF files as pages, by both renderers."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from colvision.core.page import Box, Page
from colvision.errors import EncryptedFile, InputError, MissingExtra
from colvision.pdf import (
    RENDER_PIXELS,
    FileInfo,
    Limits,
    RendererChoice,
    inspect_file,
    is_supported,
    read_pages,
)
from tests.helpers.pdf_files import (
    BOTH,
    HELVETICA,
    LETTER,
    NEEDS_POPPLER,
    SMALL,
    filled_form,
    locked_file,
    pages_file,
    square,
    text_file,
    words,
    written,
)


@pytest.fixture(params=BOTH)
def renderer(request) -> RendererChoice:
    return request.param


def drawn(path: Path, **options) -> list[Page]:
    """The pages of a file, all of which can be drawn."""
    pages = list(read_pages(path, **{"pixels": SMALL} | options))
    assert all(isinstance(page, Page) for page in pages), pages
    return pages


def ink(page: Page) -> Box:
    """The box of all dark pixels, in fractions of the picture."""
    dark = np.asarray(page.image.convert("L")) < 128
    rows, cols = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    height, width = dark.shape
    return Box(cols[0] / width, rows[0] / height, (cols[-1] + 1) / width, (rows[-1] + 1) / height)


def assert_square_is_at(page: Page, left: float, bottom: float, side: float) -> None:
    height, width = page.shape
    shown_width, shown_height = page.geometry.size
    assert width / height == pytest.approx(shown_width / shown_height, rel=0.01)
    tolerance = 1.5 * shown_width / width  # points in one and a half pixels
    assert page.geometry.to_points(ink(page)) == pytest.approx(
        (left, bottom + side, left + side, bottom), abs=tolerance
    )


def test_every_page_has_the_asked_area_and_its_own_aspect(tmp_path, renderer):
    sizes = [(612, 792), (1191, 842), (200, 3000), (14_400, 14_400), (3, 2)]
    path = written(tmp_path, pages_file(*[(f"/MediaBox [0 0 {w} {h}]", square(0, 0, w / 2)) for w, h in sizes]))
    pages = drawn(path, renderer=renderer, pixels=RENDER_PIXELS)
    for page, (points_wide, points_high) in zip(pages, sizes, strict=True):
        height, width = page.shape
        assert width * height == pytest.approx(RENDER_PIXELS, rel=0.01)
        assert width / height == pytest.approx(points_wide / points_high, rel=0.01)
        assert (page.image.mode, page.source) == ("RGB", "manual.pdf")


@pytest.mark.parametrize("entries", ["", "/UserUnit 2"])
def test_a_square_is_found_back_at_its_points_on_a_turned_and_cropped_page(tmp_path, renderer, entries):
    boxes = f"/MediaBox [0 0 600 800] /CropBox [50 100 450 700] {entries}"
    turns = (0, 90, 180, 270, -90, 450)
    path = written(tmp_path, pages_file(*[(f"{boxes} /Rotate {turn}", square(120, 560, 40)) for turn in turns]))
    pages = drawn(path, renderer=renderer)
    for page, turn in zip(pages, turns, strict=True):
        assert (page.geometry.crop, page.geometry.rotation) == ((50, 100, 450, 700), turn % 360)
        assert_square_is_at(page, 120, 560, 40)


def test_boxes_and_rotation_are_inherited_from_the_page_tree(tmp_path, renderer):
    inherited = "/MediaBox [0 0 900 500] /CropBox [-100 20 800 400] /Rotate 270"
    [page] = drawn(written(tmp_path, pages_file(("", square(600, 50, 60)), inherited=inherited)), renderer=renderer)
    assert page.geometry.crop == (0, 20, 800, 400), "a viewer shows the crop box within the media box"
    assert_square_is_at(page, 600, 50, 60)


def test_a_page_brings_the_text_that_can_be_seen_on_it(tmp_path, renderer):
    broken = b"BT /F1 24 Tf 28 TL 72 600 Td (bleed the hydrau-) Tj T* (lic pump) Tj ET"
    cropped = f"{LETTER} /CropBox [0 0 612 700] {HELVETICA}", words("seen") + b"\n" + words("hidden", 72, 740)
    path = written(tmp_path, pages_file((f"{LETTER} {HELVETICA}", broken), cropped, (LETTER, square(9, 9, 9))))
    texts = [page.text for page in drawn(path, renderer=renderer)]
    assert texts == ["bleed the hydraulic pump", "seen", ""]


def test_a_filled_in_field_is_drawn(tmp_path, renderer):
    [page] = drawn(written(tmp_path, filled_form()), renderer=renderer)
    assert page.geometry.to_points(ink(page)) == pytest.approx((100, 640, 200, 600), abs=3)


def test_pages_come_in_the_order_asked_for(tmp_path, renderer):
    path = written(tmp_path, text_file("one", "two", "three"))
    pages = drawn(path, renderer=renderer, numbers=[3, 1, 3])
    assert [(page.number, page.text) for page in pages] == [(3, "three"), (1, "one"), (3, "three")]
    assert drawn(path, renderer=renderer, numbers=[]) == []


@pytest.mark.parametrize(
    ("data", "limits"),
    [
        (None, Limits()),
        (b"", Limits()),
        (b"<html>", Limits()),
        (b"%PDF-1.7\n", Limits()),
        (text_file("a", "b"), Limits(pages=1)),
        (text_file("a", "b"), Limits(file_bytes=10)),
    ],
)
def test_errors_call_a_file_by_the_name_that_is_given_with_it(tmp_path, data, limits):
    path = tmp_path / "0f3c.bin"
    if data is not None:
        path.write_bytes(data)
    for read in (inspect_file, lambda *given, **options: list(read_pages(*given, **options))):
        with pytest.raises(InputError, match=r"^manual\.pdf\b") as caught:
            read(path, name="manual.pdf", limits=limits)
        assert path.name not in str(caught.value)


def test_pages_have_the_name_that_is_given_with_a_file_as_their_source(tmp_path):
    path = written(tmp_path, text_file("a"), "0f3c.bin")
    assert [page.source for page in read_pages(path, name="manual.pdf", pixels=SMALL)] == ["manual.pdf"]
    assert [page.source for page in read_pages(path, pixels=SMALL)] == ["0f3c.bin"]


def test_numbers_are_read_one_ahead_of_the_caller_and_no_further(tmp_path):
    taken = []

    def numbers():
        for number in (1, 2, 3):
            taken.append(number)
            yield number

    pages = read_pages(written(tmp_path, text_file("a", "b", "c")), numbers=numbers(), pixels=SMALL, renderer="pdfium")
    assert next(pages).number == 1
    assert taken == [1, 2]
    pages.close()


@pytest.mark.parametrize("number", [0, -1, 3])
def test_a_page_that_the_file_does_not_have_is_a_wrong_argument(tmp_path, number):
    with pytest.raises(ValueError, match=rf"page {number} of manual.pdf: it has pages 1 to 2"):
        list(read_pages(written(tmp_path, text_file("a", "b")), numbers=[number], pixels=SMALL, renderer="pdfium"))


def test_inspecting_names_kind_pages_and_renderer(tmp_path, renderer):
    info = inspect_file(written(tmp_path, text_file("a", "b", "c")), renderer=renderer)
    assert info == FileInfo("pdf", 3, info.renderer)
    name, version = info.renderer.split(" ")
    assert name == renderer
    assert all(part.isdigit() for part in version.split(".")[:2])


def test_a_password_is_asked_for_only_where_one_is_needed(tmp_path, renderer):
    assert [page.text for page in drawn(written(tmp_path, locked_file(b"")), renderer=renderer)] == ["secret"]
    path = written(tmp_path, locked_file(b"sesame"), "locked.pdf")
    with pytest.raises(EncryptedFile, match=r"locked\.pdf needs a password; save it without"):
        inspect_file(path, renderer=renderer)
    with pytest.raises(EncryptedFile):
        next(read_pages(path, renderer=renderer))


def test_pdfium_draws_whatever_is_installed(tmp_path):
    path = written(tmp_path, text_file("a"))
    assert inspect_file(path).renderer.startswith("pdfium ")
    assert drawn(path)[0].image == drawn(path, renderer="pdfium")[0].image


def test_poppler_is_asked_for_by_name_where_it_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtra, match=r"poppler \(pdftoppm, pdfinfo\) is not installed, or does not run"):
        inspect_file(written(tmp_path, text_file("a")), renderer="poppler")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for poppler")
def test_a_poppler_that_does_not_run_is_as_none(tmp_path, monkeypatch):
    for program in ("pdftoppm", "pdfinfo"):
        written(tmp_path, b"#!/bin/sh\nexit 127\n", program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtra, match="does not run"):
        read_pages(written(tmp_path, text_file("a")), renderer="poppler")


@NEEDS_POPPLER
def test_both_renderers_draw_the_same_page(tmp_path):
    path = written(tmp_path, text_file("bleed the hydraulic pump"))
    [one], [other] = (drawn(path, renderer=renderer) for renderer in ("poppler", "pdfium"))
    assert (one.geometry, one.text) == (other.geometry, other.text)
    assert np.subtract(one.shape, other.shape) == pytest.approx(0, abs=1)
    assert ink(one) == pytest.approx(ink(other), abs=0.01)


@pytest.mark.parametrize("name", ["-r.pdf", "two words.pdf", "Übergröße ポンプ.pdf", "100%.pdf"])
def test_any_file_name_will_do(tmp_path, renderer, name, monkeypatch):
    written(tmp_path, text_file("a"), name)
    monkeypatch.chdir(tmp_path)
    assert [page.text for page in drawn(Path(name), renderer=renderer)] == ["a"]


def test_nothing_is_imported_from_the_working_folder(tmp_path, monkeypatch):
    for name in ("PIL", "pypdfium2", "colvision"):
        written(tmp_path, b"raise SystemExit('imported from the working folder')", f"{name}.py")
    monkeypatch.chdir(tmp_path)
    assert [page.text for page in drawn(written(tmp_path, text_file("a")), renderer="pdfium")] == ["a"]


@pytest.mark.slow
def test_threads_read_side_by_side(tmp_path, renderer):
    paths = [written(tmp_path, text_file(f"one {n}", f"two {n}"), f"{n}.pdf") for n in range(6)]
    with ThreadPoolExecutor(3) as pool:
        texts = list(pool.map(lambda path: [page.text for page in drawn(path, renderer=renderer)], paths))
    assert texts == [[f"one {n}", f"two {n}"] for n in range(6)]


def test_reading_needs_neither_numpy_nor_torch():
    names = ("sandbox.worker", "backends.pdfium", "backends.poppler", "backends.pillow")
    modules = ", ".join(f"colvision.pdf.{name}" for name in names)
    code = f"import sys, {modules}; print(sorted({{'numpy', 'torch'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_folder_is_walked_by_extension():
    assert all(map(is_supported, [Path("a.pdf"), Path("b.PDF"), Path("c.jpeg"), Path("d.TIF"), Path("e.webp")]))
    assert not any(map(is_supported, [Path("a.txt"), Path("pdf"), Path(".pdf"), Path("b.gif"), Path("c.pdf.part")]))


def test_options_that_make_no_sense_are_refused(tmp_path):
    path = written(tmp_path, text_file("a"))
    for renderer in ("auto", "cairo"):
        with pytest.raises(ValueError, match=f"renderer '{renderer}' is not one of 'pdfium', 'poppler'"):
            read_pages(path, renderer=renderer)
    with pytest.raises(ValueError, match="pixels is 150"):
        read_pages(path, pixels=150)
    for wrong in ({"pages": 0}, {"file_bytes": -1}, {"image_pixels": 0}, {"page_seconds": 0}, {"page_memory_bytes": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Limits(**wrong)
