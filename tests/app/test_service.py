"""What the application holds and gives away, over a real library with the toy encoder."""

import io
from pathlib import Path

import pytest
from PIL import Image

from app.questions import Question
from app.settings import Settings, is_loopback
from colvision.errors import DocumentNotFound, PageNotFound
from colvision.ingest import Upload
from tests.helpers.toy import save_document

PUMP = [["bleed", "valve"], ["spare", "parts"], ["oil", "filter"]]


def ask(service, text, *, k=10, **limits):
    return service.questions.ask(Question(text, **limits), k=k)


def test_after_a_deletion_nothing_of_a_document_can_be_reached(service, upload):
    upload()
    document = service.overview().documents[0].id
    ask(service, "valve")
    service.delete(document)
    assert service.overview().documents == ()
    assert ask(service, "valve").hits == ()
    for reach in (service.document, service.original, lambda each: service.picture(each, 1)):
        with pytest.raises(DocumentNotFound):
            reach(document)
    with pytest.raises((DocumentNotFound, PageNotFound)):
        service.questions.explain(Question("valve"), document, 1)


class Killed(BaseException):
    """What ends a reading without a word to the library."""


def _kill(*_):
    raise Killed


@pytest.fixture
def leave_half_read(service, tmp_path):
    """Starts to read a document and stops there, as a kill would; gives its id."""

    def leaving(name, pages=PUMP):
        known = {each.id for each in service.overview().documents}
        with pytest.raises(Killed):
            service.library.ingest(Upload(save_document(tmp_path / "half.tiff", pages), name), progress=_kill)
        return next(each.id for each in service.overview().documents if each.id not in known)

    return leaving


@pytest.mark.parametrize("name", ["press.tiff", "pump.tiff"])
def test_deleting_a_half_read_document_leaves_another_ones_job_alone(service, tmp_path, leave_half_read, name):
    stale = leave_half_read(name)
    service.intake.upload(save_document(tmp_path / "file.tiff", [["oil"]]), "pump.tiff")
    key = service.library.jobs.claim("test").key
    assert [job.document for job in service.overview().jobs] == [""]
    service.delete(stale)
    assert not service.library.jobs.get(key).cancel
    assert [job.key for job in service.overview().jobs] == [key]


def test_a_job_is_shown_with_the_document_it_fills_and_stops_when_that_is_deleted(service, tmp_path, leave_half_read):
    other = leave_half_read("pump.tiff", [["oil"]])
    service.intake.upload(save_document(tmp_path / "file.tiff", PUMP), "pump.tiff")
    job = service.library.jobs.claim("test")
    document = leave_half_read("pump.tiff")  # by the name of "pump (2).tiff"
    assert [(each.key, each.document) for each in service.overview().jobs] == [(job.key, document)]
    assert document != other
    service.delete(document)
    assert service.library.jobs.get(job.key).cancel
    service.library.jobs.finish(job, "cancelled")
    assert service.overview().jobs == ()


def test_a_thumbnail_is_as_wide_as_asked_and_keeps_the_aspect(service, upload):
    upload()
    document = service.overview().documents[0].id
    whole = service.library.page_image(document, 1)
    small = Image.open(io.BytesIO(service.picture(document, 1, width=200)))
    assert small.width == 200
    assert small.height == pytest.approx(200 * whole.height / whole.width, abs=1)
    with pytest.raises(ValueError, match="expected 64 to 2000"):
        service.picture(document, 1, width=5000)


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
