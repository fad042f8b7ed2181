"""What is taken before a body comes: places in the queue and bytes of the disk, and never more than there are."""

import shutil
import threading
from collections import Counter
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from colvision.app.services.library import LibraryService
from colvision.app.settings import Busy, Quota, Settings

from colvision.app import budgets as budgets_module
from colvision.errors import DiskFull, LibraryReadOnly, LimitExceeded, QueueFull
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document
from tests.helpers.uploads import send_file

MB = 2**20


@pytest.fixture
def make(service):
    return lambda **quota: LibraryService(service.library, Settings(service.library.path, quota=Quota(**quota)))


@pytest.fixture
def disk(monkeypatch):
    """A disk whose free bytes a test sets, and from which what is written is taken."""
    disk = SimpleNamespace(free=2**40, total=2**41)
    monkeypatch.setattr(budgets_module.shutil, "disk_usage", lambda path: disk)
    return disk


def in_uploads(service):
    return sorted(path.name for path in (service.library.path / "uploads").glob("*"))


def test_of_many_at_once_as_many_are_admitted_as_there_are_places(make, tmp_path):
    limited = make(queue=5)
    path = save_document(tmp_path / "file.tiff", [["oil"]])
    start, outcomes = threading.Barrier(16), Counter()

    def send(number):
        start.wait()
        try:
            with limited.uploads.admit(f"{number}.tiff", path.stat().st_size) as arrival:
                shutil.copyfile(path, arrival.path)
                limited.uploads.upload(arrival)
            outcomes["taken"] += 1
        except Busy as error:
            assert "5 files are waiting, the limit is 5" in str(error)
            outcomes["refused"] += 1

    threads = [threading.Thread(target=send, args=[number]) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {"taken": 5, "refused": 11}
    assert len(in_uploads(limited)) == len(limited.library.jobs.active()) == 5


def test_a_place_and_its_bytes_are_given_back_when_a_body_does_not_come(make, disk):
    limited = make(queue=1, free_bytes=0)
    disk.free = 20 * MB
    for _ in range(3):
        with pytest.raises(ConnectionError), limited.uploads.admit("pump.pdf", 10 * MB) as arrival:
            arrival.count(MB)
            arrival.path.write_bytes(bytes(MB))
            raise ConnectionError
    assert in_uploads(limited) == []


def test_a_place_that_became_a_job_is_counted_once(make, tmp_path):
    limited = make(queue=2)
    path = save_document(tmp_path / "file.tiff", [["oil"]])
    with limited.uploads.admit("one.tiff", 1) as arrival:
        shutil.copyfile(path, arrival.path)
        limited.uploads.upload(arrival)
        with limited.uploads.admit("two.tiff", 1), pytest.raises(Busy, match="2 files are waiting"):
            limited.uploads.admit("three.tiff", 1).__enter__()


def test_what_is_promised_to_one_is_not_promised_to_another(make, disk):
    limited = make()
    disk.free = 2499 * MB
    with ExitStack() as stack:
        admitted = []
        with pytest.raises(DiskFull, match="2,499 MB left, of which 1,024 MB stay free"):
            for number in range(6):
                admitted.append(stack.enter_context(limited.uploads.admit(f"{number}.pdf", 300 * MB)))
        assert len(admitted) == 3  # and 300 MB for the copy that is made of each when it is read
        for arrival in admitted:
            for _ in range(300):
                arrival.count(MB)
                disk.free -= MB
        assert disk.free > 1024 * MB


def test_a_small_disk_keeps_less_free(make, disk):
    limited = make()
    disk.total, disk.free = 2048 * MB, 500 * MB
    with limited.uploads.admit("a.pdf", 150 * MB) as arrival:
        arrival.count(MB)
    with pytest.raises(DiskFull, match="500 MB left, of which 102 MB stay free"):
        limited.uploads.admit("b.pdf", 250 * MB).__enter__()


def test_a_disk_that_another_program_fills_is_looked_at_while_a_body_comes(make, disk):
    limited = make(free_bytes=10 * MB)
    disk.free = 50 * MB
    with limited.uploads.admit("pump.pdf", 10 * MB) as arrival:
        arrival.count(MB)
        disk.free = 11 * MB - 1
        with pytest.raises(DiskFull, match="to take pump.pdf in"):
            arrival.count(MB)


def test_a_body_of_unknown_size_takes_as_it_comes(make, disk):
    limited = make(free_bytes=0, file_bytes=100 * MB)
    disk.free = 100 * MB
    with limited.uploads.admit("long.pdf", None) as arrival, limited.uploads.admit("other.pdf", 20 * MB):
        with pytest.raises(DiskFull):
            for _ in range(100):
                arrival.count(MB)
                disk.free -= MB
        assert disk.free >= 20 * MB


def test_no_body_is_larger_than_the_limit_whatever_it_said(make):
    limited = make(file_bytes=MB, query_image_bytes=MB)
    for service in (limited.uploads, limited.images):
        with pytest.raises(LimitExceeded, match="big is larger than the limit of 1 MB"):
            service.admit("big", MB + 1).__enter__()
        with service.admit("big", 10) as arrival:
            arrival.count(MB)
            with pytest.raises(LimitExceeded):
                arrival.count(1)


def test_images_on_their_way_are_limited_and_take_no_place_in_the_queue(make):
    limited = make(arriving_images=1, queue=1)
    refused = pytest.raises(Busy, match="1 images are on their way")
    with limited.images.admit("a.png", 1), limited.uploads.admit("pump.pdf", 1), refused:
        limited.images.admit("b.png", 1).__enter__()


def test_two_servers_on_one_library_keep_one_limit(make, tmp_path):
    """The second one has filled the queue while a body came to the first."""
    first, second = make(queue=1), make(queue=1)
    path = save_document(tmp_path / "file.tiff", [["oil"]])
    with first.uploads.admit("a.tiff", 1) as arrival:
        shutil.copyfile(path, arrival.path)
        send_file(second, save_document(tmp_path / "b.tiff", [["oil"]]), "b.tiff")
        with pytest.raises(Busy, match="1 files are waiting"):
            first.uploads.upload(arrival)
    assert [job.name for job in first.library.jobs.active()] == ["b.tiff"]
    assert len(in_uploads(first)) == 1


def test_the_queue_itself_counts_what_waits_where_it_is_asked_to(service):
    service.library.jobs.queue("a.pdf", "a.pdf", max_waiting=1)
    with pytest.raises(QueueFull, match="1 jobs wait already: add b.pdf"):
        service.library.jobs.queue("b.pdf", "b.pdf", max_waiting=1)
    service.library.jobs.queue("c.pdf", "c.pdf")


def test_the_sample_and_the_rest_of_a_document_wait_in_the_same_queue(make):
    full = make(queue=0)
    full.library.collection("default").documents()
    with pytest.raises(Busy, match="0 files are waiting"):
        full.uploads.load_sample()
    with pytest.raises(Busy):
        full.uploads.reencode("default")


def test_a_library_that_cannot_be_written_says_so_before_a_body_comes(service, upload):
    upload()
    with open_library(service.library.path, encoder=ToyEncoder(), read_only=True) as library:
        reader = LibraryService(library, Settings(library.path))
        (said,) = reader.overview().warnings
        assert "cannot be written" in said
        for asked in (
            lambda: reader.uploads.admit("pump.pdf", 1).__enter__(),
            lambda: reader.images.admit("photo.png", 1).__enter__(),
            lambda: reader.uploads.load_sample(),
            lambda: reader.uploads.resume("pump.tiff"),
            lambda: reader.uploads.reencode("default"),
            lambda: reader.delete("pump.tiff"),
        ):
            with pytest.raises(LibraryReadOnly, match="cannot be written"):
                asked()


def test_where_the_disk_is_too_full_to_read_the_jobs_that_wait_say_so(service, disk, tmp_path):
    send_file(service, save_document(tmp_path / "file.tiff", [["oil"]]), "pump.tiff")
    before = service.revision()
    disk.free = 3 * MB
    view = service.overview()
    assert "3 MB left" in view.jobs[0].reason
    assert [warning for warning in view.warnings if "make room" in warning]
    assert service.revision() != before
