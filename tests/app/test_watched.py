"""Watched folders of the application: named over REST, read by the worker between the jobs."""

import pytest
from colvision.app.api import create_api
from colvision.app.services import watched
from colvision.app.services.library import LibraryService
from colvision.app.settings import Settings
from starlette.testclient import TestClient

from colvision.app import worker
from colvision.testing import save_document


@pytest.fixture
def client(service):
    return TestClient(create_api(service))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def test_a_folder_is_watched_until_it_is_not_and_what_is_in_it_is_read(service, client, folder, monkeypatch):
    monkeypatch.setattr(watched, "_LOOK_SECONDS", 0.0)
    save_document(folder / "pump.tiff", [["bleed"]])
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    before = client.get("/api/v1/library").headers["etag"]
    added = client.post("/api/v1/watched", params={"folder": str(folder), "collection": "shelf"})
    assert (added.status_code, added.json()["folder"]) == (200, str(folder))
    assert client.get("/api/v1/library").headers["etag"] != before
    reader = watched.FolderReader(service.library)
    assert [reader.step() for _ in range(4)] == [False, True, True, False]
    view = client.get("/api/v1/library").json()
    (told,) = view["watched"]
    assert (told["collection"], told["files"], told["waiting"], told["trouble"]) == ("shelf", 2, 0, "")
    assert [each["name"] for each in told["failed"]] == ["broken.pdf"]
    assert [(each["name"], each["collection"]) for each in view["documents"]] == [("pump.tiff", "shelf")]
    client.patch("/api/v1/collections", params={"collection": "shelf", "name": "rack"})
    assert client.get("/api/v1/library").json()["watched"][0]["collection"] == "rack"
    assert client.delete("/api/v1/watched", params={"folder": str(folder)}).status_code == 204
    assert client.get("/api/v1/library").json()["watched"] == []


def test_the_worker_reads_watched_folders_between_its_jobs(service, folder, monkeypatch):
    monkeypatch.setattr(watched, "_LOOK_SECONDS", 0.0)
    save_document(folder / "pump.tiff", [["bleed"]])
    service.watched.add(str(folder), "default")
    alive = iter([True, True, True, False])
    monkeypatch.setattr(worker.os, "getppid", lambda: 1 if next(alive) else 0)
    worker.work(service.library, parent=1)
    assert [each.name for each in service.library.documents()] == ["pump.tiff"]


def test_a_folder_is_named_on_the_servers_own_machine_alone(service, folder, tmp_path):
    assert service.overview().may_watch
    away = LibraryService(service.library, Settings(service.library.path, public_url="https://manuals.example"))
    assert not away.overview().may_watch
    with pytest.raises(watched.LimitReached, match="on the server's own machine alone"):
        away.watched.add(str(folder), "default")
    for wrong, why in ((tmp_path / "none", "there is no folder"), (service.library.path, "the library itself")):
        with pytest.raises(watched.LimitReached, match=why):
            service.watched.add(str(wrong), "default")
