"""Whatever goes wrong is a sentence: a disk that is full or read-only, and a fault of ours."""

import errno
import sqlite3

import pytest
from colvision.app.api import create_api
from starlette.testclient import TestClient


def sqlite_error(code):
    error = sqlite3.OperationalError("as SQLite says")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 507, "make room"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 507, "make room"),
        (OSError(errno.EROFS, "Read-only file system"), 503, "make its folder writable"),
        (PermissionError(errno.EACCES, "Permission denied"), 503, "make its folder writable"),
        (OSError(errno.EIO, "Input/output error"), 503, "(Input/output error)"),
        (TimeoutError(), 503, "(TimeoutError)"),
        (sqlite_error(sqlite3.SQLITE_FULL), 507, "make room"),
        (sqlite_error(sqlite3.SQLITE_READONLY_DBMOVED), 503, "make its folder writable"),
        (sqlite_error(sqlite3.SQLITE_BUSY), 503, "another process is writing"),
        (sqlite_error(sqlite3.SQLITE_IOERR), 503, "as SQLite says"),
        (KeyError("pump"), 500, "a fault of the server (KeyError)"),
        (RecursionError(), 500, "RecursionError"),
    ],
)
def test_no_exception_is_a_bare_server_error(service, monkeypatch, error, status, sentence):
    def failing(key):
        raise error

    monkeypatch.setattr(service.uploads, "cancel", failing)
    client = TestClient(create_api(service), raise_server_exceptions=False)
    answer = client.post("/api/v1/jobs/1/cancel")
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text
    assert ("Retry-After" in answer.headers) == (status == 507)


def test_a_fault_goes_on_to_the_servers_log(service, monkeypatch):
    monkeypatch.setattr(service, "overview", lambda: {}["pump"])
    with pytest.raises(KeyError):
        TestClient(create_api(service)).get("/api/v1/library")
