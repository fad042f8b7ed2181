"""Files that are broken or made to do harm: one clear error or one failed page each, never a hang."""

import os
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from colvision.core.page import Page
from colvision.errors import DamagedFile, InputError, LimitExceeded, UnsupportedFile
from colvision.pdf import FailedPage, Limits, RendererChoice, inspect_file, read_pages
from colvision.pdf.sandbox import reader
from tests.helpers.pdf_files import (
    BOTH,
    LETTER,
    NEEDS_POPPLER,
    SLOW,
    SMALL,
    black_file,
    content_bomb,
    cut_file,
    forms_bomb,
    pages_file,
    pages_objects,
    pdf_file,
    picture_bomb,
    square,
    text_file,
    written,
)

pytestmark = pytest.mark.slow

HASTY = Limits(page_seconds=2.0)


def processor_seconds() -> float:
    """Of the processes that have read files, which the machine may have let wait for longer."""
    times = os.times()
    return times.children_user + times.children_system


@pytest.fixture(params=BOTH)
def renderer(request) -> RendererChoice:
    return request.param


def outcomes(path: Path, **options) -> list[str]:
    """What became of each page: its text, or why it failed."""
    pages = read_pages(path, **{"pixels": SMALL} | options)
    return [page.text if isinstance(page, Page) else page.reason for page in pages]


@pytest.mark.parametrize(
    ("name", "data", "error", "message"),
    [
        ("zero.pdf", b"", DamagedFile, r"zero\.pdf is empty"),
        ("holes.pdf", bytes(5000), DamagedFile, r"holes\.pdf is empty \(it has 5,000 bytes"),
        ("page.pdf", b"<!DOCTYPE html><html>", UnsupportedFile, r"not a PDF, .* \(it begins with '<!DOCTYPE html>"),
        ("late.pdf", b"x" * 1024 + text_file("a"), UnsupportedFile, "not a PDF"),
        ("head.pdf", b"%PDF-1.7\n", DamagedFile, r"head\.pdf is a PDF that is damaged or cut short; copy"),
        ("half.pdf", text_file("a", "b")[:500], DamagedFile, "damaged or cut short"),
        ("none.pdf", pages_file(), DamagedFile, r"none\.pdf is a PDF without pages"),
        ("half.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR", DamagedFile, r"half\.png is a damaged PNG file"),
        ("half.tif", b"II*\x00\xff\xff\xff\xff", DamagedFile, r"half\.tif is a damaged TIFF file"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, name, data, error, message):
    path = written(tmp_path, data, name)
    with pytest.raises(error, match=message):
        inspect_file(path)
    with pytest.raises(error, match=message):
        list(read_pages(path))


def test_what_is_not_a_file_is_never_opened(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_pages(tmp_path / "missing.pdf")
    with pytest.raises(UnsupportedFile, match="is not a file"):
        inspect_file(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.pdf")
        with pytest.raises(UnsupportedFile, match="is not a file"):
            inspect_file(tmp_path / "pipe.pdf")


def test_the_content_decides_what_a_file_is(tmp_path):
    picture = BytesIO()
    Image.new("RGB", (300, 200), "red").save(picture, "PNG")
    assert inspect_file(written(tmp_path, picture.getvalue(), "red.pdf")).kind == "image"
    assert inspect_file(written(tmp_path, b"\n" * 1000 + text_file("a"), "text.png")).kind == "pdf"


def test_limits_name_their_numbers_and_their_setting(tmp_path):
    path = written(tmp_path, text_file("a", "b", "c"))
    with pytest.raises(LimitExceeded, match="has 3 pages, the limit pages is 2"):
        inspect_file(path, limits=Limits(pages=2))
    with pytest.raises(LimitExceeded, match=r"has 3 pages, the limit pages is 2"):
        next(read_pages(path, numbers=[1], limits=Limits(pages=2)))
    with pytest.raises(LimitExceeded, match=rf"has {path.stat().st_size:,} bytes, the limit file_bytes is 100"):
        read_pages(path, limits=Limits(file_bytes=100))


def test_a_page_that_takes_too_long_costs_only_itself(tmp_path, renderer):
    path = written(tmp_path, SLOW[renderer](before=1, after=2))
    begin = processor_seconds()
    late = "took longer than 2 s (limit page_seconds)"
    assert outcomes(path, limits=HASTY, renderer=renderer) == ["good", late, "good", "good"]
    assert processor_seconds() - begin < 25


@pytest.mark.parametrize(
    ("renderer", "bomb"), [("pdfium", picture_bomb), pytest.param("poppler", forms_bomb, marks=NEEDS_POPPLER)]
)
def test_a_page_that_unfolds_without_end_ends_in_time(tmp_path, renderer, bomb):
    begin = processor_seconds()
    [page] = read_pages(written(tmp_path, bomb()), limits=HASTY, renderer=renderer, pixels=SMALL)
    assert processor_seconds() - begin < 25
    assert isinstance(page, FailedPage) or min(page.shape) > 200


def test_a_page_that_needs_too_much_memory_costs_only_itself(tmp_path, renderer):
    limits = Limits(page_memory_bytes=256 * 2**20)
    outcome = outcomes(written(tmp_path, content_bomb()), limits=limits, renderer=renderer)
    assert outcome[0].startswith("ended the renderer (")
    assert outcome[0].endswith("it is damaged, or needs more than 256 MiB (limit page_memory_bytes)")
    assert outcome[1:] == ["good"]


@NEEDS_POPPLER
def test_what_poppler_leaves_blank_for_want_of_memory_is_drawn(tmp_path):
    path = written(tmp_path, black_file())
    [page] = read_pages(path, limits=Limits(page_memory_bytes=256 * 2**20), renderer="poppler", pixels=SMALL)
    assert page.image.getextrema() == ((0, 0), (0, 0), (0, 0))


@pytest.mark.long
def test_a_page_that_ends_the_renderer_costs_only_itself_however_many_there_are(tmp_path):
    path = written(tmp_path, forms_bomb(before=1, bombs=4, after=1))
    first, *lost, last = outcomes(path, limits=Limits(page_seconds=1.0), renderer="pdfium")
    assert (first, last) == ("good", "good")
    assert lost == ["took longer than 1 s (limit page_seconds)"] * 4


def test_pages_without_end_are_not_tried_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "_MAX_LOST_TIMES", 3)
    path = written(tmp_path, forms_bomb(before=1, bombs=5, after=1))
    first, *lost, last = outcomes(path, limits=Limits(page_seconds=1.0), renderer="pdfium")
    assert first == "good"
    tried = "took longer than 1 s (limit page_seconds)"
    left = "was not tried: pages before it that could not be drawn had taken 3 s"
    assert lost[0] == tried and set(lost) == {tried, left}  # after one to three, as busy as the machine is
    assert last == lost[-1]


def test_a_file_that_can_no_longer_be_opened_is_left_soon(tmp_path):
    path = written(tmp_path, forms_bomb(before=1, bombs=1, after=5))
    pages = read_pages(path, limits=Limits(page_seconds=1.0), renderer="pdfium", pixels=SMALL)
    assert isinstance(next(pages), Page)
    path.unlink()
    path.write_bytes(b"%PDF-1.7\n")
    late, *rest = [page.reason for page in pages]
    assert late.startswith("took longer than")
    assert all(reason.startswith("was not tried: manual.pdf is a PDF that is damaged") for reason in rest)


def test_a_page_tree_that_lies_or_goes_round_in_circles_gives_the_pages_it_has(tmp_path, renderer):
    objects = pages_objects([(LETTER, square(100, 100, 200))])
    for tree in ("/Kids [3 0 R] /Count 3", "/Kids [3 0 R 2 0 R 2 0 R] /Count 3"):
        path = written(tmp_path, pdf_file({**objects, 2: f"<< /Type /Pages {tree} >>"}))
        assert outcomes(path, renderer=renderer) == ["", *["is damaged: it cannot be loaded"] * 2]
    path = written(tmp_path, pdf_file({**objects, 2: "<< /Type /Pages /Kids [3 0 R] /Count 2000000000 >>"}))
    assert len(outcomes(path, renderer=renderer)) == 1


def test_what_a_cut_took_away_is_not_taken_for_a_blank_page(tmp_path, renderer):
    assert outcomes(written(tmp_path, cut_file()), renderer=renderer) == [
        "alpha",
        "is blank, and the end of the file is missing: its content is probably lost",
        "is damaged: it cannot be loaded",
    ]


def test_a_page_that_shows_nothing_is_not_made_an_image_of_one_pixel(tmp_path, renderer):
    ribbon = "/MediaBox [0 0 14400 1]", b""
    nowhere = "/MediaBox [0 0 100 100] /CropBox [200 200 300 300]", b""
    reasons = outcomes(written(tmp_path, pages_file(ribbon, nowhere, (LETTER, b""))), renderer=renderer)
    assert reasons[0].startswith("measures 14400 x 1 points: more than 100 times as long as wide")
    assert reasons[1:] == ["measures 0 x 0 points: there is nothing to see", ""]


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for poppler")
def test_what_poppler_cannot_draw_is_drawn(tmp_path, monkeypatch):
    script = b"#!/bin/sh\n[ $1 = -v ] && echo pdftoppm version 22.12.0 >&2"
    for program in ("pdftoppm", "pdfinfo"):
        written(tmp_path, script, program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert outcomes(written(tmp_path, text_file("a")), renderer="poppler") == ["a"]
