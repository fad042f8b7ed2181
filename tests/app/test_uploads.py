"""What comes in, over a real library with the toy encoder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from colvision.app.services import uploads as intake_module
from colvision.app.services.library import LibraryService
from colvision.app.services.search import SearchRequest
from colvision.app.services.uploads import AlreadyHere
from colvision.app.settings import LimitReached, Quota, Settings

from colvision.errors import ColvisionError, UnsupportedFile
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document
from tests.helpers.uploads import send_file

PUMP = [["bleed", "valve"], ["spare", "parts"], ["oil", "filter"]]


def ask(service, text, *, k=10, **limits):
    return service.search.search(SearchRequest(text, **limits), k=k)


def test_an_upload_is_queued_under_its_name(service, tmp_path):
    path = save_document(tmp_path / "file.tiff", PUMP)
    job = send_file(service, path, "../../etc/pump\u202e.tiff")
    assert (job.name, job.state) == ("pump.tiff", "queued")
    assert service.overview().jobs == (job,)


def test_the_same_file_again_is_said_to_be_there_already_and_waits_for_nothing(service, upload):
    upload()
    with pytest.raises(AlreadyHere, match=r"here already, as pump\.tiff"):
        upload("copy of pump.tiff")
    view = service.overview()
    assert ([each.name for each in view.documents], view.jobs) == (["pump.tiff"], ())
    assert list((service.library.path / "uploads").iterdir()) == []


def test_a_cancelled_upload_leaves_no_file_behind(service, tmp_path):
    job = send_file(service, save_document(tmp_path / "file.tiff", PUMP), "pump.tiff")
    assert service.uploads.cancel(job.key).state == "cancelled"
    assert list((service.library.path / "uploads").iterdir()) == []
    service.uploads.dismiss(job.key)
    assert service.overview().jobs == ()


_RECEIVES = """
import sys
from pathlib import Path
from colvision.app.services.spool import Spool
spool = Spool(Path(sys.argv[1]))
path = spool.new("pump.pdf")
with spool.arriving(path):
    path.write_bytes(b"half")
    print(path, flush=True)
    sys.stdin.read()
"""


def test_what_a_kill_left_behind_is_swept_at_the_next_start_and_nothing_that_arrives(service, tmp_path):
    send_file(service, save_document(tmp_path / "file.tiff", PUMP), "pump.tiff")
    folder = service.library.path / "uploads"
    command = [sys.executable, "-c", _RECEIVES, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        half = Path(other.stdout.readline().strip())
        LibraryService(service.library, service.settings)
        assert half.exists()
        other.kill()
    LibraryService(service.library, service.settings)
    assert list(folder.iterdir()) == [service.library.jobs.all()[0].path]


@pytest.mark.parametrize("name", ["", " ", "a\u202eb", "a\x00b"])
def test_a_collections_name_is_printable(service, tmp_path, name):
    path = save_document(tmp_path / "file.tiff", PUMP)
    with pytest.raises(ValueError, match="cannot be the name of a collection"):
        send_file(service, path, "pump.tiff", collection=name)


def test_a_refusal_names_the_file_as_its_sender_does(service, tmp_path):
    path = tmp_path / "0f3a.pdf"
    path.write_bytes(b"<html>not a PDF</html>")
    with pytest.raises(UnsupportedFile, match="^manual.pdf"):
        send_file(service, path, "manual.pdf")


def test_a_collection_of_another_encoder_is_told_and_queued_to_be_encoded_again_once(service, upload):
    upload()
    with open_library(service.library.path, encoder=ToyEncoder(seed=3)) as other:
        changed = LibraryService(other, Settings(other.path))
        assert changed.overview().collections[0].needs_reencoding
        jobs = [changed.uploads.reencode("default") for _ in range(2)]
        assert jobs[0] == jobs[1] and jobs[0].kind == "reencode"
        other.run_job(other.jobs.claim("test"))
        view = changed.overview()
        assert (view.jobs, view.collections[0].needs_reencoding) == ((), False)
        assert ask(changed, "valve").hits[0].page == 1


@pytest.mark.parametrize(
    ("quota", "sentence"),
    [
        (Quota(file_bytes=2**20), "the limit of 1 MB: make it smaller, or split it"),
        (Quota(queue=0), "0 files are waiting, the limit is 0: add"),
        (Quota(free_bytes=2**60), "make room first"),
    ],
)
def test_an_upload_beyond_a_quota_is_refused_with_the_limit(service, tmp_path, quota, sentence):
    path = save_document(tmp_path / "file.tiff", PUMP)
    with pytest.raises(ColvisionError, match=sentence):
        limited = LibraryService(service.library, Settings(service.library.path, quota=quota))
        send_file(limited, path, "pump.tiff")


def test_a_file_that_is_no_document_is_refused_at_once(service, tmp_path):
    path = tmp_path / "page.pdf"
    path.write_bytes(b"<html>not a PDF</html>")
    with pytest.raises(UnsupportedFile, match="not a PDF"):
        send_file(service, path, "page.pdf")


def test_the_sample_manual_is_loaded_once_and_stays_deleted(service, tmp_path, monkeypatch):
    path = save_document(tmp_path / "sample-manual.tiff", PUMP)
    monkeypatch.setattr(intake_module, "sample_files", lambda: (path,))
    assert [job.name for job in service.uploads.load_sample_once()] == ["sample-manual.tiff"]
    service.library.run_job(service.library.jobs.claim("test"))
    assert path.exists()
    service.delete("sample-manual.tiff")
    assert service.uploads.load_sample_once() == []
    assert [job.name for job in service.uploads.load_sample()] == ["sample-manual.tiff"]


def test_what_is_noted_with_an_upload_is_known_of_its_document_and_filters_a_search(service, upload):
    upload("pump.tiff", machine="pump", year=2010)
    upload("press.tiff", [["bleed", "press"]], machine="press")
    assert {each.name: each.metadata for each in service.overview().documents} == {
        "pump.tiff": {"machine": "pump", "year": 2010},
        "press.tiff": {"machine": "press"},
    }
    assert {hit.document for hit in service.search.search(SearchRequest("bleed", where="machine=press")).hits} == {
        "press.tiff"
    }
    assert list((service.library.path / "uploads").iterdir()) == []


def test_the_same_file_again_with_other_facts_takes_them_on(service, upload):
    upload(machine="pump")
    upload("copy.tiff", machine="press")
    view = service.overview()
    assert [each.metadata for each in view.documents] == [{"machine": "press"}]
    assert view.jobs[0].reason.endswith("already here, pump.tiff; machine: pump -> press")


def test_an_upload_waits_for_the_next_start_also_in_a_library_that_was_moved(service, tmp_path, quick_path):
    send_file(service, save_document(tmp_path / "file.tiff", PUMP), "pump.tiff", metadata={"year": 2010})
    for path in (service.library.path / "uploads").iterdir():
        os.utime(path, (0, 0))  # so old that it is swept if nothing waits for it
    service.library.close()
    moved = service.library.path.rename(quick_path / "moved")
    with open_library(moved, encoder=ToyEncoder()) as library:
        again = LibraryService(library, Settings(moved))
        assert library.run_job(library.jobs.claim("test")).state == "ready"
        (document,) = again.overview().documents
        assert (document.stored, document.metadata) == (3, {"year": 2010})
        assert list((moved / "uploads").iterdir()) == []


def test_facts_beyond_the_limit_are_refused(service):
    with pytest.raises(LimitReached, match="the limit is 500"):
        service.uploads.check_metadata({"remark": "x" * 500})
