"""What the application holds and gives away, over a real library with the toy encoder."""

import io
from pathlib import Path

import pytest
from colvision.app.services.library import LibraryService
from colvision.app.services.search import SearchRequest
from colvision.app.settings import Settings, is_loopback
from PIL import Image

from colvision.errors import DocumentNotFound, PageNotFound
from colvision.ingest import Callbacks, IngestOptions, ingest_files
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document
from tests.helpers.stores import TOO_SMALL, save_with_a_large_page
from tests.helpers.uploads import send_file

PUMP = [["bleed", "valve"], ["spare", "parts"], ["oil", "filter"]]


def ask(service, text, *, k=10, **limits):
    return service.search.search(SearchRequest(text, **limits), k=k)


def test_after_a_deletion_nothing_of_a_document_can_be_reached(service, upload):
    upload()
    document = service.overview().documents[0].id
    ask(service, "valve")
    service.delete(document)
    assert service.overview().documents == ()
    assert ask(service, "valve").hits == ()
    for reach in (service.document, service.original, lambda each: service.page_image(each, 1)):
        with pytest.raises(DocumentNotFound):
            reach(document)
    with pytest.raises((DocumentNotFound, PageNotFound)):
        service.search.explain(SearchRequest("valve"), document, 1)


class Killed(BaseException):
    """What ends a reading without a word to the library."""


@pytest.fixture
def leave_half_read(service, tmp_path, monkeypatch):
    """Uploads a document and claims its job, reads nothing but the number of its pages and stops, as a kill would."""

    def kill(_):
        raise Killed

    def leaving(name, pages=PUMP):
        send_file(service, save_document(tmp_path / "half.tiff", pages), name)
        job = service.library.jobs.claim("test")
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(service.library.encoder, "encode_pages", kill)
            service.library.run_job(job)
        return job

    return leaving


@pytest.mark.parametrize("name", ["press.tiff", "pump.tiff"])
def test_a_job_is_shown_with_the_document_it_fills_and_stops_when_that_is_deleted(service, leave_half_read, name):
    jobs = service.library.jobs
    other, job = leave_half_read(name, [["oil"]]), leave_half_read("pump.tiff")
    filled = {each.key: each.document for each in service.overview().jobs}
    assert set(filled.values()) == {each.id for each in service.overview().documents} and len(filled) == 2
    service.delete(filled[job.key])
    assert (jobs.get(job.key).cancel, jobs.get(other.key).cancel) == (True, False)
    assert [each.key for each in service.overview().jobs] == [other.key, job.key], "it is still being stopped"
    assert jobs.finish(job, "cancelled").state == "cancelled"
    assert [each.key for each in service.overview().jobs] == [other.key]


def test_the_health_of_a_document_is_told_and_its_failed_pages_can_be_tried_again(service, tmp_path):
    path = save_with_a_large_page(tmp_path / "plan.tiff")
    with open_library(service.library.path, encoder=ToyEncoder()) as other:
        options = IngestOptions(limits=TOO_SMALL)
        ingest_files(other._store, other.encoder, [path], options=options, callbacks=Callbacks())
    (document,) = service.overview().documents
    assert (document.state, document.health.summary, document.failed) == ("ready", "1 page failed", 1)
    assert [each.page for each in document.health.failed] == [2] and not document.health.is_whole
    job = service.uploads.resume(document.id)
    assert service.library.run_job(service.library.jobs.claim("test")).state == "ready"
    assert job.kind == "resume" and service.document(document.id).health.is_whole


def test_a_job_of_a_deleted_document_is_never_told_of_again_after_a_restart(service, leave_half_read):
    """The worker and the application have gone: the next worker ends the job, the next application is silent."""
    job = leave_half_read("pump.tiff")
    service.delete("pump.tiff")
    again = LibraryService(service.library, service.settings)
    assert again.library.jobs.claim("next", lease_seconds=-1.0) is None
    assert again.overview().jobs == ()
    with pytest.raises(ValueError, match=f"no job {job.key}"):
        again.library.jobs.get(job.key)
    assert list(again.library.jobs.uploads.iterdir()) == []


def test_the_rest_of_a_document_is_read_from_the_kept_file_once(service, leave_half_read, monkeypatch):
    job = leave_half_read("pump.tiff")
    service.library.jobs.finish(job, "failed", reason="killed")
    document = service.overview().documents[0]
    queued = [service.uploads.resume(document.id) for _ in range(2)]
    view = service.overview()
    assert ([each.id for each in view.documents], len(view.jobs)) == ([document.id], 1), "it stands there once"
    assert queued[0] == queued[1] and (queued[0].kind, queued[0].document) == ("resume", document.id)
    monkeypatch.setattr(
        "colvision.store.files.IncomingFile.copy_from", lambda *_: pytest.fail("the kept file is copied")
    )
    kept = service.library.original_path(document.id).stat().st_mtime_ns
    ended = service.library.run_job(service.library.jobs.claim("test"))
    assert (ended.state, ended.document, ended.page) == ("ready", document.id, 3)
    assert service.library.original_path(document.id).stat().st_mtime_ns == kept
    assert [(each.state, each.stored) for each in service.overview().documents] == [("ready", 3)]
    assert ask(service, "filter").hits[0].page == 3


def test_nothing_is_left_to_read_of_a_document_that_was_completed_meanwhile(service, upload):
    upload()
    document = service.overview().documents[0].id
    service.uploads.resume(document)
    assert service.library.run_job(service.library.jobs.claim("test")).state == "ready"
    assert [each.id for each in service.overview().documents] == [document]


def test_the_revision_changes_with_documents_jobs_and_judgements_and_with_nothing_else(service, upload, tmp_path):
    seen = [service.revision()]

    def is_new():
        seen.append(service.revision())
        return seen[-1] not in seen[:-1]

    upload()
    assert is_new()
    document = service.overview().documents[0].id
    ask(service, "valve")
    service.page_image(document, 1)
    assert not is_new()
    service.search.judge(SearchRequest("valve"), document, 1, "relevant")
    assert is_new()
    with open_library(service.library.path, encoder=ToyEncoder()) as other:
        other.jobs.queue(tmp_path / "file.tiff", "pump.tiff")
    assert is_new()
    service.delete(document)
    assert is_new()
    assert LibraryService(service.library, service.settings).revision() not in seen


def test_a_thumbnail_is_as_wide_as_asked_and_keeps_the_aspect(service, upload):
    upload()
    document = service.overview().documents[0].id
    whole = service.library.page_image(document, 1)
    small = Image.open(io.BytesIO(service.page_image(document, 1, width=200)))
    assert small.width == 200
    assert small.height == pytest.approx(200 * whole.height / whole.width, abs=1)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("127.0.0.2", False),  # the guard refuses it as a name
        ("0.0.0.0", False),
        ("box", False),
    ],
)
def test_loopback_addresses_are_told_from_others(host, expected):
    assert is_loopback(host) is expected


def test_another_address_is_refused_without_a_token():
    with pytest.raises(ValueError, match="set COLVISION_TOKEN"):
        Settings(Path("library"), host="0.0.0.0")
    assert Settings(Path("library"), host="0.0.0.0", token="a secret of mine").token
    with pytest.raises(ValueError, match="use at least 16"):
        Settings(Path("library"), token="short")
