"""An ingest that is stopped, or finds the disk full, keeps what it has read, says so, and goes on later."""

import shutil
from collections import namedtuple

import pytest

from colvision.errors import DiskFull, LibraryLocked
from colvision.ingest import Callbacks, IngestOptions, ingest_files
from colvision.library import open_library
from colvision.store import Store, disk
from colvision.testing import ToyEncoder, save_document

WORDS = [["bleed"], ["valve"], ["oil"], ["hook"]]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def manual(tmp_path):
    return save_document(tmp_path / "pump.tiff", WORDS)


@pytest.fixture
def library(quick_path):
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        yield library


def stop_at(page, error):
    def stop(progress):
        if progress.page == page:
            raise error

    return stop


@pytest.fixture
def free(monkeypatch):
    """Sets what the disk of 100 GiB has free."""

    def setting(count):
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: Usage(100 << 30, 0, count))

    return setting


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit(1)])
def test_ctrl_c_keeps_every_page_that_was_read_and_the_next_run_goes_on(library, manual, error):
    with pytest.raises(type(error) if isinstance(error, SystemExit) else error):
        library.ingest(manual, progress=stop_at(3, error))
    (document,) = library.documents()
    assert (document.state, document.stored) == ("interrupted", 3)
    (file,) = library.ingest(manual).files
    assert (file.before, file.pages, library.document("pump.tiff").state) == (3, 1, "ready")


def test_ctrl_c_keeps_what_was_encoded_again_and_the_old_codes_serve(library, manual):
    library.ingest(manual)
    with open_library(library.path, encoder=ToyEncoder(seed=3)) as other:
        with pytest.raises(KeyboardInterrupt):
            other.reencode(progress=stop_at(2, KeyboardInterrupt))
        assert library.search("hook", k=1)[0].page == 4
        (file,) = other.reencode().files
        assert (file.before, file.pages) == (2, 2) and other.search("hook", k=1)[0].page == 4


def test_a_job_that_is_stopped_waits_again(library, manual):
    library.jobs.queue(manual, "pump.tiff")
    job = library.jobs.claim()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library.jobs, "report_progress", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            library.run_job(job)
    assert library.jobs.get(job.key).state == "queued"
    assert library.run_job(library.jobs.claim()).state == "ready"


def test_reading_stops_before_the_disk_has_less_free_than_is_kept_and_goes_on_later(library, manual, free):
    def fill(progress):
        if progress.page == 2:
            free(1 << 29)

    with pytest.raises(DiskFull, match="512 MB left; 1,024 MB are to stay free"):
        library.ingest(manual, progress=fill)
    (document,) = library.documents()
    assert (document.state, document.stored) == ("interrupted", 4) and "make room" in document.reason
    with pytest.raises(DiskFull):
        library.ingest(manual)
    free(2 << 30)
    assert library.ingest(manual).new[0].before == 4
    assert library.document("pump.tiff").state == "ready"


def test_less_is_kept_free_of_a_small_disk_or_if_that_is_asked_for(quick_path, free):
    free(400 << 20)
    disk.check_room(quick_path, keep_free=300 << 20)
    with pytest.raises(DiskFull, match="300 MB are to stay free"):
        disk.check_room(quick_path, keep_free=300 << 20, needed=200 << 20)
    small = shutil.disk_usage(quick_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk.shutil, "disk_usage", lambda _: Usage(1 << 30, small.used, 100 << 20))
        disk.check_room(quick_path, keep_free=1 << 30)


def test_a_job_that_meets_a_full_disk_keeps_its_upload_and_is_tried_again(library, manual, free):
    library.jobs.uploads.mkdir()
    upload = shutil.copy(manual, library.jobs.uploads / "1.tiff")
    key = library.jobs.queue(upload, "pump.tiff").key
    free(1 << 20)
    with pytest.raises(DiskFull):
        library.run_job(library.jobs.claim())
    failed = library.jobs.get(key)
    assert (failed.state, failed.can_retry) == ("failed", True) and "make room" in failed.reason
    free(2 << 30)
    assert library.jobs.retry(key).state == "queued"
    ended = library.run_job(library.jobs.claim())
    assert (ended.state, ended.can_retry, upload.exists()) == ("ready", False, False)
    with pytest.raises(ValueError, match="cannot be tried again"):
        library.jobs.retry(key)


def test_a_job_whose_document_another_process_reads_is_tried_again_later(library, manual):
    library.jobs.uploads.mkdir()
    upload = shutil.copy(manual, library.jobs.uploads / "1.tiff")
    key = library.jobs.queue(upload, "pump.tiff").key
    tried = []

    def claim(progress):
        if not tried and progress.page:
            with pytest.raises(LibraryLocked):
                library.run_job(library.jobs.claim())
            tried.append(library.jobs.get(key).can_retry)

    with Store(library.path) as other:
        ingest_files(other, ToyEncoder(), [manual], options=IngestOptions(), callbacks=Callbacks(claim))
    assert tried == [True]
    library.jobs.dismiss(key)
    assert not upload.exists()


def test_a_job_that_could_not_be_ended_is_claimed_again_by_the_same_worker(library, monkeypatch):
    """On a full disk not even that it failed can be written."""
    library.jobs.queue("/a.pdf", "a.pdf")
    job = library.jobs.claim()
    with monkeypatch.context() as patch:
        patch.setattr(library.jobs, "_end", lambda *_, **__: (_ for _ in ()).throw(DiskFull("full")))
        with pytest.raises(DiskFull):
            library.jobs.finish(job, "failed")
    assert library.jobs.claim().key == job.key and library.jobs.claim() is None
