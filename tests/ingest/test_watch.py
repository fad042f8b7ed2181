"""A watched folder: what of it is ready, and what becomes of its files."""

import os
import shutil

import pytest

import colvision
from colvision.ingest.watch import FolderWatch
from colvision.testing import ToyEncoder, save_document


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    return tmp_path / "in"


@pytest.fixture
def library(quick_path):
    with colvision.open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        yield library


def names(paths):
    return [path.name for path in paths]


def test_a_file_is_ready_when_two_looks_have_found_it_the_same(folder):
    watch = FolderWatch(folder)
    growing = save_document(folder / "pump.tiff", [["bleed"]])
    save_document(folder / "deep" / "fan.tiff", [["belt"]])
    first = watch.look()
    assert (first.ready, first.files, first.waiting) == ((), 2, 2)
    with growing.open("ab") as file:
        file.write(b"more")
    second = watch.look()
    assert (names(second.ready), second.waiting) == (["fan.tiff"], 1)
    watch.note_read(second.ready[0])
    assert names(watch.look().ready) == ["pump.tiff"]
    os.utime(second.ready[0], (1, 1))
    watch.look()
    assert names(watch.look().ready) == ["pump.tiff", "fan.tiff"]  # one was not read yet, one has changed


def test_a_file_that_failed_is_tried_again_later_and_one_that_is_gone_is_told_once(folder):
    now = [0.0]
    watch = FolderWatch(folder, retry_seconds=60, clock=lambda: now[0])
    path = save_document(folder / "pump.tiff", [["bleed"]])
    watch.look()
    (ready,) = watch.look().ready
    watch.note_read(ready, failed=True)
    assert watch.look().ready == ()
    now[0] = 60.0
    assert watch.look().ready == (path,)
    watch.note_read(path)
    path.unlink()
    assert watch.look().gone == (path,)
    assert watch.look().gone == ()


def test_a_folder_that_is_away_is_told_and_forgets_nothing(folder):
    watch = FolderWatch(folder)
    save_document(folder / "pump.tiff", [["bleed"]])
    (folder / "notes.txt").write_text("no page")
    assert watch.look().left_out == 1
    (ready,) = watch.look().ready
    watch.note_read(ready)
    away = folder.rename(folder.with_name("away"))
    look = watch.look()
    assert look.trouble.startswith("there is no folder") and look.gone == ()
    away.rename(folder)
    watch.look()
    assert watch.look() == (((), 1, 0, (), 1, ""))


def is_ready(library):
    return [each.state for each in library.documents()] == ["ready"]


def watch_until(library, folder, done, **options):
    """The reports until `done` holds of the library."""
    reports = []
    for report in library.watch(folder, every=0.01, cancel=lambda: done(library), **options):
        reports.append(report)
    return [str(file).partition(",")[0] for report in reports for file in report.files]


def test_what_comes_into_a_folder_is_read_and_what_has_changed_takes_its_place(library, folder):
    path = save_document(folder / "pump.tiff", [["bleed"]])
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    told = watch_until(library, folder, is_ready, metadata={"shelf": "north"})
    assert told[1] == "pump.tiff: new" and told[0].startswith("broken.pdf: failed")
    (document,) = library.documents()
    assert (document.source, document.metadata) == (str(path), {"shelf": "north"})
    save_document(path, [["bleed"], ["valve"]])
    told = watch_until(library, folder, lambda library: library.documents()[0].pages == 2)
    assert "pump.tiff: replaced" in told and library.documents()[0].id == document.id


def test_a_second_run_reads_nothing_twice(library, folder):
    save_document(folder / "pump.tiff", [["bleed"]])
    watch_until(library, folder, is_ready)
    shutil.copy(folder / "pump.tiff", folder / "deep" / "copy.tiff")
    looks = []
    told = watch_until(library, folder, lambda _: len(looks) == 4, on_look=looks.append)
    assert sorted(each.partition(":")[2] for each in told) == [
        " the same bytes as before",
        " the same bytes as pump.tiff",
    ]
