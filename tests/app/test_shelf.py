"""Documents and collections that are renamed, noted otherwise, deleted and exported, over REST."""

import io
import zipfile

import pytest
from colvision.app.api import create_api
from colvision.app.services.library import LibraryService
from colvision.app.settings import Quota, Settings
from PIL import Image
from starlette.testclient import TestClient

from colvision.pdf import read_pages
from colvision.testing import save_document
from tests.helpers.uploads import send_file

PUMP = [["bleed", "valve"], ["spare", "parts"], ["oil", "filter"]]


@pytest.fixture
def client(service):
    return TestClient(create_api(service))


@pytest.fixture
def document(service, tmp_path):
    service.library.ingest(save_document(tmp_path / "pump.tiff", PUMP), metadata={"year": 2010})
    return service.overview().documents[0].id


def test_a_document_is_renamed_and_its_facts_are_edited(client, document, service, tmp_path):
    renamed = client.patch(f"/api/v1/documents/{document}", params={"name": "Pump 7.tiff"})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Pump 7.tiff")
    facts = {"meta": ["machine=pump", "urgent=true"]}
    assert client.put(f"/api/v1/documents/{document}/metadata", params=facts).json()["metadata"] == {
        "machine": "pump",
        "urgent": "true",
    }
    found = client.get("/api/v1/search", params={"q": "bleed", "where": "urgent=true"}).json()["hits"]
    assert {hit["document"] for hit in found} == {"Pump 7.tiff"}
    assert client.put(f"/api/v1/documents/{document}/metadata").json()["metadata"] == {}
    service.library.ingest(save_document(tmp_path / "fan.tiff", [["belt"]]))
    taken = client.patch("/api/v1/documents/fan.tiff", params={"name": "Pump 7.tiff"})
    assert taken.status_code == 422 and "Pump 7.tiff" in taken.json()["error"]
    assert client.patch("/api/v1/documents/gone", params={"name": "x"}).status_code == 404


def test_a_collection_is_renamed_and_deleted_with_all_that_is_told_of_it(client, service, tmp_path):
    path = save_document(tmp_path / "old.tiff", [["elsewhere"]])
    service.library.collection("archive").ingest(path)
    waiting = send_file(service, save_document(tmp_path / "new.tiff", [["later"]]), "new.tiff", collection="archive")
    renamed = client.patch("/api/v1/collections", params={"collection": "archive", "name": "old ones"})
    assert renamed.json()["name"] == "old ones"
    service.library.ingest(path)
    taken = client.patch("/api/v1/collections", params={"collection": "old ones", "name": "default"})
    assert taken.status_code == 422 and "default" in taken.json()["error"]
    removed = client.delete("/api/v1/collections", params={"collection": "old ones"}).json()
    assert (removed["name"], removed["documents"]) == ("old ones", 1)
    view = client.get("/api/v1/library").json()
    assert [each["name"] for each in view["collections"]] == ["default"]
    assert ([each["collection"] for each in view["documents"]], view["jobs"]) == (["default"], [])
    assert waiting.key and list((service.library.path / "uploads").iterdir()) == []
    assert client.delete("/api/v1/collections", params={"collection": "old ones"}).status_code == 404


def test_a_file_that_is_here_already_is_told_when_it_arrives(client, document, tmp_path):
    data = save_document(tmp_path / "again.tiff", PUMP).read_bytes()
    answer = client.post("/api/v1/documents", params={"name": "again.tiff"}, content=data)
    told = "the same file is here already, as pump.tiff: nothing is to be read"
    assert (answer.status_code, answer.json()["error"]) == (409, told)
    facts = {"name": "again.tiff", "meta": "machine=pump"}
    assert client.post("/api/v1/documents", params=facts, content=data).status_code == 202  # it has something to add
    other = {"name": "again.tiff", "collection": "other"}
    assert client.post("/api/v1/documents", params=other, content=data).status_code == 202
    assert client.get(f"/api/v1/documents/{document}").json()["sha256"]


def test_chosen_pages_become_one_pdf_or_pictures_in_the_order_of_the_choice(client, document, tmp_path):
    chosen = {"page": [f"{document}:3", f"{document}:1"]}
    answer = client.get("/api/v1/export", params=chosen)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == 'attachment; filename="pages.pdf"'
    (tmp_path / "pages.pdf").write_bytes(answer.content)
    first, second = read_pages(tmp_path / "pages.pdf")
    answer = client.get("/api/v1/export", params=chosen | {"format": "png"})
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.namelist() == ["001 pump page 3.png", "002 pump page 1.png"]
    with Image.open(archive.open("001 pump page 3.png")) as image:
        kept = client.get(f"/api/v1/documents/{document}/pages/3/image").content
        assert image.size == Image.open(io.BytesIO(kept)).size
    assert (first.number, second.number) == (1, 2)
    assert client.get("/api/v1/export", params={"page": f"{document}:9"}).status_code == 404
    assert client.get("/api/v1/export").status_code == 422


def test_more_pages_than_are_exported_at_once_are_refused(service, document):
    few = Settings(service.library.path, quota=Quota(exported_pages=1))
    client = TestClient(create_api(LibraryService(service.library, few)))
    answer = client.get("/api/v1/export", params={"page": [f"{document}:1", f"{document}:2"]})
    assert answer.status_code == 422 and "the limit is 1" in answer.json()["error"]


def test_a_part_of_a_page_is_shown_as_large_as_it_is_asked_for(client, document):
    address = f"/api/v1/documents/{document}/pages/1/image"
    whole = Image.open(io.BytesIO(client.get(address).content))
    part = Image.open(io.BytesIO(client.get(address, params={"box": "0.25,0.5,0.75,0.6"}).content))
    assert part.size == pytest.approx((whole.width / 2, whole.height / 10), abs=1)
    small = Image.open(io.BytesIO(client.get(address, params={"box": "0,0,1,0.5", "width": 64}).content))
    assert small.size == pytest.approx((64, 64 * whole.height / 2 / whole.width), abs=1)
    for wrong in ("0,0,1", "0,0,2,1", "0.5,0,0.5,1", "a,b,c,d", "0,0,nan,1"):
        assert client.get(address, params={"box": wrong}).status_code == 422
