"""What a request's body is: the bytes of a file, or a form with one, and what is known of it before it is read."""

import io
import itertools

import numpy as np
import pytest
from colvision.app.api import create_api
from colvision.app.security import Guard
from colvision.app.services.library import LibraryService
from colvision.app.settings import Quota, Settings
from PIL import Image
from starlette.testclient import TestClient

from colvision.library import open_library
from colvision.testing import ToyEncoder

ADDRESS = "/api/v1/documents?name=pump.png"
LINES = "application/x-www-form-urlencoded"  # what curl calls any body


@pytest.fixture
def service(quick_path):
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        yield LibraryService(library, Settings(library.path, quota=Quota(file_bytes=2**20, query_image_bytes=2**20)))


@pytest.fixture
def client(service):
    return TestClient(Guard(create_api(service)), base_url="http://127.0.0.1")


@pytest.fixture
def data():
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 40), np.uint8)).save(out, "PNG")
    return out.getvalue()


def waiting(service):
    return [each for each in (service.library.path / "uploads").glob("*") if each.suffix != ".lock"]


def test_the_file_is_taken_out_of_a_form(client, service, data):
    sent = {"file": ("any name.png", data, "image/png")}
    assert client.post(ADDRESS, files=sent).status_code == 202
    (path,) = waiting(service)
    assert path.read_bytes() == data
    assert client.post("/api/v1/images", files=sent).status_code == 201


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_form_may_arrive_in_parts_of_any_size(client, service, data, size):
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + data + b"\r\n--x--\r\n"
    parts = (body[start : start + size] for start in range(0, len(body), size))
    answer = client.post(ADDRESS, content=parts, headers={"content-type": "multipart/form-data; boundary=x"})
    assert (answer.status_code, waiting(service)[0].read_bytes() == data) == (202, True)


HEAD = 'Content-Disposition: form-data; name="{}"; filename="a"\r\n{}\r\n'
FORM = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("kind", "body", "status", "sentence"),
    [
        (
            FORM,
            "--x\r\nContent-Disposition: form-data; name=collection\r\n\r\na\r\n--x--\r\n",
            422,
            "'collection' is no",
        ),
        (FORM, f"--x\r\n{HEAD.format('a', '')}1\r\n--x\r\n{HEAD.format('b', '')}2\r\n--x--\r\n", 422, "several files"),
        (FORM, f"--x\r\n{HEAD.format('a', '')}only the beginning", 422, "not arrived as a whole"),
        (FORM, f"--x\r\n{HEAD.format('a', 'Content-Transfer-Encoding: base64')}\r\nMQ==\r\n--x--\r\n", 415, "base64"),
        (FORM, "--x--\r\n", 415, "holds no file"),
        (FORM, "%PDF-1.4\n", 415, "cannot be read"),
        ("multipart/form-data", "--x--\r\n", 415, "boundary"),
        ("multipart/related; boundary=x", "--x--\r\n", 415, "multipart/related is not taken"),
        (LINES, "%PDF-1.4" + "x" * 100, 415, "line ends of the file are gone"),
    ],
)
def test_a_body_that_is_no_file_is_refused_in_a_sentence_and_leaves_nothing(
    client, service, kind, body, status, sentence
):
    answer = client.post(ADDRESS, content=body.encode(), headers={"content-type": kind})
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text
    assert waiting(service) == []


def test_what_curl_calls_lines_are_the_bytes_of_the_file(client, service, data):
    assert client.post(ADDRESS, content=data, headers={"content-type": LINES}).status_code == 202
    assert waiting(service)[0].read_bytes() == data


def test_a_compressed_body_is_refused(client, data):
    assert client.post(ADDRESS, content=data, headers={"content-encoding": "gzip"}).status_code == 415


def unread():
    """A body that must not be asked for."""
    raise AssertionError("the body was read")
    yield b""


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        (ADDRESS, {"content-length": str(2**20 + 1)}, 413),
        (ADDRESS, {"content-type": "multipart/mixed; boundary=x"}, 415),
        (f"{ADDRESS}&collection=%E2%80%AE", {}, 422),
        (f"{ADDRESS}&collection={'x' * 61}", {}, 422),
        (f"{ADDRESS}&meta=pump", {}, 422),
        (f"{ADDRESS}&replase=true", {}, 422),
        ("/api/v1/documents", {}, 422),
        ("/api/v1/images", {"content-length": str(2**20 + 1)}, 413),
    ],
)
def test_what_can_be_refused_before_the_body_is_read_is(client, address, headers, status):
    answer = client.post(address, content=unread(), headers=headers)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_a_full_queue_is_told_before_the_body_with_the_time_to_come_again(quick_path):
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        service = LibraryService(library, Settings(library.path, quota=Quota(queue=0)))
        answer = TestClient(create_api(service)).post(ADDRESS, content=unread())
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)


def test_a_full_disk_is_told_before_the_body(quick_path):
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        service = LibraryService(library, Settings(library.path, quota=Quota(free_bytes=2**60)))
        answer = TestClient(create_api(service)).post(ADDRESS, content=unread(), headers={"content-length": "1000"})
    assert (answer.status_code, "retry-after" in answer.headers) == (507, True)


def test_a_file_may_be_as_large_as_the_limit_in_a_form_too_and_no_larger(client, service):
    exact = b"%PDF-1.4\n" + bytes(2**20 - 9)
    assert "the limit" not in client.post(ADDRESS, files={"file": ("a", exact)}).text
    for beyond in ({"files": {"file": ("a", exact + b"x")}}, {"content": iter([exact, b"x"])}):
        assert client.post(ADDRESS, **beyond).status_code == 413
    assert waiting(service) == []


def test_a_form_that_goes_on_and_on_beside_its_file_is_refused(client, service, data):
    def body():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + data + b"\r\n--x--\r\n"
        while True:
            yield bytes(2**15)

    headers = {"content-type": FORM}
    assert client.post(ADDRESS, content=itertools.islice(body(), 9), headers=headers).status_code == 413
    assert waiting(service) == []


def test_an_upload_may_take_the_place_of_a_document(client, service, data):
    client.post(f"{ADDRESS}&replace=true", content=data)
    assert [job.replace for job in service.library.jobs.active()] == [True]
