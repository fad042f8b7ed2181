"""What is found in folders: what is left out is named, and one bad name or file never ends the rest."""

import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

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
        kinds[each.kind].append(Path(each.path).name)
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


@contextmanager
def another_user():
    """Root may read everything."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="becomes another user, which root may")
def test_what_may_not_be_read_is_a_failure_and_no_end(quick_path):
    folder = quick_path / "manuals"
    for name in ("locked", "under/locked"):
        (folder / name).mkdir(parents=True)
        save_document(folder / name / "hidden.tiff", [["seal"]])
    save_document(folder / "a.tiff", [["bleed"]])
    (folder / "private").write_bytes(b"%PDF-1.7")
    quick_path.chmod(0o755)
    for path in (folder / "private", folder / "locked", folder / "under" / "locked"):
        path.chmod(0o600)
    with another_user():
        found = list(find_files([folder, folder / "locked", folder / "locked" / "hidden.tiff"]))
    shown = [each.path.name if isinstance(each, Unreadable) else each.name for each in found]
    assert shown == ["a.tiff", "private", "locked", "locked", "locked", "hidden.tiff"], "an ingest says why"
    assert {each.reason for each in found if isinstance(each, Unreadable)} == {"Permission denied"}
    with Store(quick_path / "library") as store, another_user():
        options, callbacks = IngestOptions(), Callbacks()
        report = ingest_files(store, ToyEncoder(), found[1:], options=options, callbacks=callbacks)
    assert [file.outcome for file in report.files] == ["failed"] * 5
    assert all("Permission denied" in file.reason for file in report.files)


@POSIX
def test_names_that_are_no_text_are_read_under_a_clean_name(quick_path):
    for place in (b"a.pdf", b"f\xe9/q.pdf", b"m\xe9c.pdf", b"z.pdf"):
        path = quick_path / "manuals" / os.fsdecode(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pages_file(("/MediaBox [0 0 612 792]", b"%" + place.hex().encode())))
    report = ingest(quick_path / "manuals", quick_path / "library")
    assert [file.outcome for file in report.files] == ["new"] * 4
    assert [file.name for file in report.files] == ["a.pdf", "mc.pdf", "z.pdf", "q.pdf"]
    assert report.files[1].source.endswith("/m\\xe9c.pdf") and report.files[3].source.endswith("/f\\xe9/q.pdf")
    assert str(report).encode(), "it can be printed"
    assert {file.outcome for file in ingest(quick_path / "manuals", quick_path / "library").files} == {"same"}


@POSIX
def test_a_damaged_file_with_such_a_name_fails_alone(quick_path):
    (quick_path / "manuals").mkdir()
    (quick_path / "manuals" / os.fsdecode(b"\xff\xfe.pdf")).write_bytes(b"%PDF-1.7\nnothing more")
    save_document(quick_path / "manuals" / "z.tiff", [["valve"]])
    report = ingest(quick_path / "manuals", quick_path / "library")
    assert [file.outcome for file in report.files] == ["new", "failed"]
    assert "not expected" not in report.failed[0].reason and str(report).encode()
