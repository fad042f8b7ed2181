"""What a file is, its content decides: never its name."""

import io
from pathlib import Path

import pytest
from PIL import Image

import colvision
from colvision.pdf import inspect_file, media_type
from colvision.testing import ToyEncoder
from tests.helpers.pdf_files import text_file, written


def image(kind: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (200, 150), "red").save(data, kind)
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "kind", "ending", "media"),
    [
        ("plate.pdf", image("JPEG"), "image", "jpg", "image/jpeg"),
        ("drawing.jpg", text_file("a"), "pdf", "pdf", "application/pdf"),
        ("download.jfif", image("JPEG"), "image", "jpg", "image/jpeg"),
        ("Operators Manual", text_file("a"), "pdf", "pdf", "application/pdf"),
        ("scan.JPEG", image("TIFF"), "image", "tif", "image/tiff"),
        ("photo", image("WEBP"), "image", "webp", "image/webp"),
        ("drawing.bin", image("PNG"), "image", "png", "image/png"),
    ],
)
def test_the_content_decides_in_a_library_as_well(tmp_path, name, data, kind, ending, media):
    path = written(tmp_path, data, name)
    info = inspect_file(path)
    assert (info.kind, info.ending, media_type(path)) == (kind, ending, media)
    with colvision.open_library(tmp_path / "library", encoder=ToyEncoder()) as library:
        library.ingest([path])
        [document] = library.documents()
        kept = library.original_path(document.id)
        assert (document.name, document.kind) == (name, kind)
        assert (kept.suffix, media_type(kept)) == (f".{ending}", media)


@pytest.mark.parametrize("data", [b"", b"<html>", b"PK\3\4", b"GIF89a"])
def test_what_has_no_pages_has_no_media_type(tmp_path, data):
    assert media_type(written(tmp_path, data, "manual.pdf")) is None


def test_a_document_keeps_the_ending_that_it_has(tmp_path):
    path, library_path = written(tmp_path, text_file("a")), tmp_path / "library"
    with colvision.open_library(library_path, encoder=ToyEncoder()) as library:
        library.ingest([path])
    path = path.rename(Path(tmp_path, "drawing.png"))
    with colvision.open_library(library_path, encoder=ToyEncoder()) as library:
        library.ingest([path])
        assert [file.suffix for file in (library_path / "files").iterdir()] == [".pdf"]
