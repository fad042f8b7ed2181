"""What is found in folders: what is left out is named, and one bad name or file never ends the rest."""

import os
import shutil
import sys

import pytest

from colvision.ingest import Callbacks, IngestOptions, LeftOut, find_files, ingest_files
from colvision.ingest.sources import Unreadable
from colvision.store import Store
from colvision.testing import ToyEncoder, save_document
from tests.helpers.pdf_files import pages_file

POSIX = pytest.mark.skipif(sys.platform != "linux", reason="names of bytes that are no text: Linux alone has them")


def ingest(folder, library):
    with Store(library) as store:
        found = find_files([folder])
        return ingest_files(store, ToyEncoder(), found, options=IngestOptions(), callbacks=Callbacks())


def test_a_folder_says_what_of_it_was_left_out(quick_path):
    folder = quick_path / "manuals"
    (folder / "real").mkdir(parents=True)
    save_document(folder / "a.tiff", [["bleed"]])
    shutil.copy(save_document(folder / "x.tiff", [["valve"]]), folder / "Bulletin")
    (folder / "x.tiff").unlink()
    for name in ("x.docx", "y.bmp", "z.HEIC", "empty"):
        (folder / name).write_bytes(b"PK" * (name != "empty"))
    (folder / "linked").symlink_to(folder / "real", target_is_directory=True)
    (folder / "gone").symlink_to(folder / "nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")  # opening it would wait for ever
    report = ingest(folder, quick_path / "library")
    assert [file.name for file in report.files] == ["Bulletin", "a.tiff"], "content decides where the name says nothing"
    assert report.failed == ()
    kinds = {each.kind: [] for each in report.left_out}
    for each in report.left_out:
        kinds[each.kind].append(os.path.basename(each.path))
    assert kinds["link"] == ["linked"]
    assert set(kinds["format"]) - {"pipe"} == {"empty", "gone", "x.docx", "y.bmp", "z.HEIC"}
    assert "1 linked folder (linked)" in str(report) and "files that are no PDF or image (empty, gone," in str(report)
    assert report.to_dict()["left_out"][0].keys() == {"path", "kind"}


def test_a_folder_of_other_things_alone_is_named_too(quick_path):
    (quick_path / "papers").mkdir()
    (quick_path / "papers" / "x.docx").write_bytes(b"PK")
    report = ingest(quick_path / "papers", quick_path / "library")
    assert (report.files, len(report.left_out)) == ((), 1)
    assert "left out: 1 file that is no PDF or image (x.docx)" in str(report)


def test_another_librarys_page_images_are_no_documents(quick_path):
    ingest(save_document(quick_path / "a.tiff", [["bleed"]]), quick_path / "shelf" / "old")
    found = list(find_files([quick_path / "shelf"]))
    assert found == [LeftOut(str(quick_path / "shelf" / "old"), "library")]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_a_failure(quick_path):
    save_document(quick_path / "a.tiff", [["bleed"]])
    (quick_path / "locked").mkdir(mode=0o000)
    report = ingest(quick_path, quick_path.parent / "library")
    assert [file.name for file in report.new] == ["a.tiff"]
    assert "Permission denied" in report.failed[0].reason and report.failed[0].source.endswith("locked")


def test_a_folder_that_cannot_be_listed_is_named_with_the_reason(store_path=None):
    def refuse(error):
        raise error

    from colvision.ingest.sources import _unreadable

    error = PermissionError(13, "Permission denied", "/manuals/locked")
    assert [(str(each.path), each.reason) for each in _unreadable([error])] == [
        ("/manuals/locked", "Permission denied")
    ]
    assert isinstance(next(_unreadable([error])), Unreadable)


@POSIX
def test_names_that_are_no_text_are_read_under_a_clean_name(quick_path):
    folder = os.fsencode(quick_path / "manuals")
    for place in (b"a.pdf", b"f\xe9/q.pdf", b"m\xe9c.pdf", b"z.pdf"):
        path = os.path.join(folder, place)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(pages_file(("/MediaBox [0 0 612 792]", b"%" + place.hex().encode())))
    report = ingest(quick_path / "manuals", quick_path / "library")
    assert [file.outcome for file in report.files] == ["new"] * 4
    assert [file.name for file in report.files] == ["a.pdf", "mc.pdf", "z.pdf", "q.pdf"]
    assert report.files[1].source.endswith("/m\\xe9c.pdf") and report.files[3].source.endswith("/f\\xe9/q.pdf")
    assert str(report).encode(), "it can be printed"
    assert {file.outcome for file in ingest(quick_path / "manuals", quick_path / "library").files} == {"same"}


@POSIX
def test_a_damaged_file_with_such_a_name_fails_alone(quick_path):
    (quick_path / "manuals").mkdir()
    with open(os.path.join(os.fsencode(quick_path), b"manuals", b"\xff\xfe.pdf"), "wb") as file:
        file.write(b"%PDF-1.7\nnothing more")
    save_document(quick_path / "manuals" / "z.tiff", [["valve"]])
    report = ingest(quick_path / "manuals", quick_path / "library")
    assert [file.outcome for file in report.files] == ["new", "failed"]
    assert "not expected" not in report.failed[0].reason and str(report).encode()
