"""The REST API and the guard in front of it, over a real library with the toy encoder."""

import asyncio
import io
import re
from dataclasses import fields
from inspect import signature

import pytest
from colvision.app.api import STATIC, create_api
from colvision.app.security import Guard
from colvision.app.server import command
from colvision.app.services.library import LibraryService
from colvision.app.settings import Quota, Settings
from PIL import Image
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from colvision.environment import LIBRARY_VARIABLE, TOKEN_VARIABLE
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document
from tests.helpers import ROOT
from tests.helpers.pdf_files import text_file, written
from tests.helpers.uploads import send_file

HOME = "http://127.0.0.1:7860"
TOKEN = "a secret of my own"
PUMP = [["bleed", "valve"], ["spare", "parts"]]
NASTY = "<img src=x onerror=alert(1)>\u202efdp.tiff"
ROUTES = ROOT / "docs" / "app.md"


@pytest.fixture
def service(quick_path):
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        yield LibraryService(library, Settings(library.path, quota=Quota(file_bytes=8 * 2**20)))


@pytest.fixture
def client(service):
    return TestClient(Guard(create_api(service)), base_url=HOME)


@pytest.fixture
def document(service, tmp_path):
    service.library.ingest(save_document(tmp_path / "pump.tiff", PUMP))
    return service.overview().documents[0].id


def test_an_upload_becomes_a_job_and_then_a_document(client, service, tmp_path):
    data = save_document(tmp_path / "pump.tiff", PUMP).read_bytes()
    job = client.post("/api/v1/documents", params={"name": "pump.tiff"}, content=data)
    assert (job.status_code, job.json()["state"]) == (202, "queued")
    service.library.run_job(service.library.jobs.claim("test"))
    view = client.get("/api/v1/library").json()
    assert [(each["name"], each["state"], each["stored"]) for each in view["documents"]] == [("pump.tiff", "ready", 2)]


def test_facts_are_noted_with_an_upload_and_a_wrong_one_is_a_sentence(client, service, tmp_path):
    data = save_document(tmp_path / "pump.tiff", PUMP).read_bytes()
    address = "/api/v1/documents?name=pump.tiff"
    client.post(f"{address}&meta=machine%3Dpump%2C+press&meta=year=2010", content=data)
    service.library.run_job(service.library.jobs.claim("test"))
    noted = client.get("/api/v1/documents/pump.tiff").json()["metadata"]
    assert noted == {"machine": "pump, press", "year": "2010"}
    refused = client.post(f"{address}&meta=pump", content=data)
    assert (refused.status_code, "expected name=value" in refused.json()["error"]) == (422, True)
    assert list((service.library.path / "uploads").iterdir()) == []


def test_a_search_and_its_explanation_are_json(client, document):
    answer = client.get("/api/v1/search", params={"q": "spare parts", "k": 1}).json()
    assert [(hit["document_id"], hit["page"]) for hit in answer["hits"]] == [(document, 2)]
    why = client.get("/api/v1/explain", params={"q": "spare parts", "page_of": document, "page": 2}).json()
    assert [match["word"] for match in why["matches"]] == ["spare", "parts"]


def test_further_encoders_are_chosen_in_the_address(client, service, document):
    service.library.add_encoder("other", ToyEncoder(seed=3))
    for asked, retrievers in (
        ({}, ["maxsim", "other"]),
        ({"encoders": "other"}, ["maxsim", "other"]),
        ({"encoders": "main"}, ["maxsim"]),
        ({"first_stage": "other"}, ["other", "maxsim"]),
    ):
        answer = client.get("/api/v1/search", params={"q": "spare parts", **asked}).json()
        assert answer["retrievers"] == retrievers and answer["hits"][0]["document_id"] == document
    refused = client.get("/api/v1/search", params={"q": "spare", "encoders": "third"})
    assert refused.status_code == 404 and "no further encoder 'third': it has 'other'" in refused.json()["error"]
    many = client.get("/api/v1/search", params={"q": "spare", "encoders": ",".join(["other", "x" * 40, "y" * 40])})
    assert many.status_code == 404, "several long names are no parameter that is too long"
    for asked in ({"encoders": "other"}, {"encoders": "main"}, {"first_stage": "other"}):
        refused = client.get("/api/v1/search", params={"like": f"{document}:1", **asked})
        assert refused.status_code == 422 and "leave out encoders and first_stage" in refused.json()["error"]


def test_a_collection_of_its_own_is_filled_and_searched(client, service, document, tmp_path):
    data = save_document(tmp_path / "crane.tiff", [["hook", "valve"]]).read_bytes()
    client.post("/api/v1/documents", params={"name": "crane.tiff", "collection": " cranes  north "}, content=data)
    service.library.run_job(service.library.jobs.claim("test"))
    collections = client.get("/api/v1/library").json()["collections"]
    assert [(each["name"], each["pages"]) for each in collections] == [("default", 2), ("cranes north", 1)]
    hits = client.get("/api/v1/search", params={"q": "valve", "collection": "cranes north"}).json()["hits"]
    assert [hit["document"] for hit in hits] == ["crane.tiff"]
    asked = {"q": "valve", "collection": "cranes north", "page_of": hits[0]["document_id"], "page": 1}
    assert client.get("/api/v1/explain", params=asked).json()["matches"][0]["cell"] == [0, 1]
    assert client.get("/api/v1/search", params={"q": "valve", "collection": "boats"}).status_code == 404


def test_a_judgement_is_taken_and_exported_as_a_file(client, document):
    asked = {"q": "spare parts", "document": document, "page": 2, "verdict": "relevant"}
    assert client.post("/api/v1/judgements", params=asked).status_code == 204
    file = client.get("/api/v1/judgements")
    assert file.json()["gold"] == [{"doc": "pump", "page": 1}]
    assert file.headers["content-disposition"].startswith("attachment")
    assert client.post("/api/v1/judgements", params=asked | {"verdict": "maybe"}).status_code == 422


def test_page_images_and_files_have_fixed_types_and_are_kept_by_no_cache(client, document):
    image = client.get(f"/api/v1/documents/{document}/pages/1/image", params={"width": 100, "version": "2"})
    assert Image.open(io.BytesIO(image.content)).width == 100
    file = client.get(f"/api/v1/documents/{document}/file")
    assert (image.headers["content-type"], file.headers["content-type"]) == ("image/jpeg", "image/tiff")
    for response in (image, file):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "no-store" in response.headers["cache-control"]


def test_what_the_disk_has_lost_is_named_and_no_fault_of_the_server(client, service, document):
    library = service.library
    for lost in (library.original_path(document), library.page_image_path(document, 1)):
        lost.unlink()
    for path, sentence in (("file", "ingest it again"), ("pages/1/image", "colvision verify --repair")):
        answer = client.get(f"/api/v1/documents/{document}/{path}")
        assert answer.status_code == 503 and sentence in answer.json()["error"]


def test_the_browser_asks_whether_a_script_of_the_page_has_changed(client):
    first = client.get("/app/static/main.js")
    again = client.get("/app/static/main.js", headers={"if-none-match": first.headers["etag"]})
    assert [each.headers["cache-control"] for each in (first, again)] == ["no-cache"] * 2
    assert (first.status_code, again.status_code) == (200, 304)


def test_a_file_is_shown_as_what_it_is_whatever_its_name_says(client, service, tmp_path):
    path = save_document(tmp_path / "file.tiff", PUMP).rename(tmp_path / "page.html")
    send_file(service, path, "page.html")
    service.library.run_job(service.library.jobs.claim("test"))
    file = client.get("/api/v1/documents/page.html/file")
    assert file.headers["content-type"] == "image/tiff"
    assert file.headers["content-disposition"].startswith("inline")


def test_after_a_deletion_search_pages_and_file_give_nothing(client, document):
    assert client.delete(f"/api/v1/documents/{document}").status_code == 200
    for path in ("", "/file", "/pages/1/image"):
        assert client.get(f"/api/v1/documents/{document}{path}").status_code == 404
    assert client.get("/api/v1/search", params={"q": "spare"}).json()["hits"] == []


def test_a_hostile_name_is_only_ever_text(client, service, tmp_path):
    data = save_document(tmp_path / "pump.tiff", PUMP).read_bytes()
    job = client.post("/api/v1/documents", params={"name": f"../../{NASTY}"}, content=data).json()
    assert "/" not in job["name"]
    assert "\u202e" not in job["name"]
    service.library.run_job(service.library.jobs.claim("test"))
    document = client.get("/api/v1/library").json()["documents"][0]
    file = client.get(f"/api/v1/documents/{document['id']}/file")
    assert file.status_code == 200
    assert "<img" not in file.headers["content-disposition"]
    assert _scripts()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", _scripts())


def _scripts() -> str:
    return "".join(path.read_text() for path in STATIC.glob("*.js"))


@pytest.mark.parametrize(
    "path", ["/app/static/../api.py", "/app/static/%2e%2e/api.py", "/api/v1/documents/..%2f..%2fcatalog.sqlite/file"]
)
def test_no_path_leads_out_of_the_library(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("request_", "status", "sentence"),
    [
        (("get", "/api/v1/search?q="), 422, "type a few words"),
        (("get", "/api/v1/search?q=" + "x" * 301), 422, "the limit is 300"),
        (("get", "/api/v1/search?q=valve&k=51"), 422, "less than or equal to 50"),
        (("get", "/api/v1/search?q=valve&k=many"), 422, "k: "),
        (("get", "/api/v1/search?q=valve&document=none"), 404, "no document 'none'"),
        (("get", "/api/v1/documents/none"), 404, "no document 'none'"),
        (("post", "/api/v1/jobs/99/cancel"), 404, "no job 99"),
        (("post", "/api/v1/reencode?collection=boats"), 404, "no collection 'boats'"),
        (("post", "/api/v1/documents?name=page.pdf"), 422, "empty"),
    ],
)
def test_what_goes_wrong_is_a_sentence(client, request_, status, sentence):
    response = client.request(*request_)
    assert response.status_code == status
    assert sentence in response.json()["error"]


def test_a_page_that_there_is_not_is_a_sentence(client, document):
    response = client.get(f"/api/v1/documents/{document}/pages/9/image")
    assert (response.status_code, "pages 1 to 2" in response.json()["error"]) == (404, True)


@pytest.mark.parametrize("number", [0, 2**31, 10**30])
def test_a_number_that_no_page_or_job_can_have_is_a_sentence(client, document, number):
    page = f"/api/v1/documents/{document}/pages"
    for method, path, name in [
        ("get", f"{page}/{number}/image", "page: "),
        ("get", f"/api/v1/explain?q=valve&page_of={document}&page={number}", "page: "),
        ("post", f"/api/v1/jobs/{number}/cancel", "key: "),
        ("delete", f"/api/v1/jobs/{number}", "key: "),
        ("get", f"{page}/1/image?width={number}", "width"),
    ]:
        response = client.request(method, path)
        assert (response.status_code, response.json()["error"].startswith(name)) == (422, True)


def test_an_upload_beyond_the_limit_is_refused_and_leaves_nothing(client, service):
    response = client.post("/api/v1/documents?name=big.pdf", content=b"%PDF-" + bytes(8 * 2**20))
    assert (response.status_code, "limit of 8 MB" in response.json()["error"]) == (413, True)
    assert list((service.library.path / "uploads").glob("*")) == []


def test_an_upload_whose_sender_hangs_up_leaves_nothing(service):
    arriving = iter([{"type": "http.request", "body": b"%PDF-", "more_body": True}, {"type": "http.disconnect"}])
    sent = []

    async def receive():
        return next(arriving)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/documents",
        "query_string": b"name=a.pdf",
        "headers": [],
    }
    asyncio.run(create_api(service)(scope, receive, send))
    assert (sent[0]["status"], b"hung up" in sent[1]["body"]) == (422, True)
    assert list((service.library.path / "uploads").iterdir()) == []


def test_a_job_can_be_cancelled_and_taken_off_the_list(client, tmp_path):
    data = save_document(tmp_path / "pump.tiff", PUMP).read_bytes()
    key = client.post("/api/v1/documents?name=pump.tiff", content=data).json()["key"]
    assert client.post(f"/api/v1/jobs/{key}/cancel").json()["state"] == "cancelled"
    assert client.delete(f"/api/v1/jobs/{key}").status_code == 204
    assert client.get("/api/v1/library").json()["jobs"] == []


def test_the_library_is_told_again_only_when_something_has_changed(client, service, document, tmp_path):
    first = client.get("/api/v1/library")
    again = client.get("/api/v1/library", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    service.library.jobs.queue(tmp_path / "pump.tiff", "pump.tiff")
    changed = client.get("/api/v1/library", headers={"if-none-match": first.headers["etag"]})
    assert (changed.status_code, len(changed.json()["jobs"])) == (200, 1)


def test_the_rest_of_a_document_is_queued_as_a_job_of_that_document(client, service, tmp_path):
    path, seen = save_document(tmp_path / "pump.tiff", PUMP), []
    half = service.library.ingest(path, progress=seen.append, cancel=lambda: len(seen) > 1).files[0]
    job = client.post(f"/api/v1/documents/{half.document_id}/resume")
    told = job.status_code, job.json()["kind"], job.json()["document"]
    assert told == (202, "resume", half.document_id)


def test_a_foreign_host_name_is_refused(client):
    response = client.get("/api/v1/library", headers={"host": "evil.example"})
    assert (response.status_code, "127.0.0.1" in response.json()["error"]) == (400, True)
    assert client.get("/api/v1/library", headers={"host": "localhost:1234"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 404),  # let through: there is no such document
        ({"origin": HOME}, 404),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 404),
    ],
)
def test_only_our_own_page_can_delete(client, headers, status):
    assert client.delete("/api/v1/documents/none", headers=headers).status_code == status


def test_a_foreign_page_cannot_read_either(client):
    assert client.get("/api/v1/library", headers={"origin": "http://evil.example"}).status_code == 403


def test_the_frame_of_the_page_takes_nothing_in(client):
    """Gradio would keep uploads, and queue calls, for whoever asks."""
    for path in ("/gradio_api/upload", "/gradio_api/queue/join"):
        response = client.post(path, content=b"anything")
        assert (response.status_code, "/api/v1/documents" in response.json()["error"]) == (404, True)


@pytest.fixture
def locked(service):
    return TestClient(
        Guard(create_api(service), token=TOKEN), base_url="http://box.example:7860", follow_redirects=False
    )


def test_with_a_token_nobody_gets_in_without_it(locked):
    assert locked.get("/api/v1/library").status_code == 401
    assert locked.get("/api/v1/library", headers={"authorization": "Bearer another secret"}).status_code == 401
    assert locked.get("/api/v1/library?token=another").status_code == 401
    assert locked.get("/api/v1/library", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_token_in_the_address_becomes_a_cookie_and_leaves_the_address(locked):
    response = locked.get("/api/v1/library", params={"q": "bleed", "token": TOKEN})
    assert (response.status_code, response.headers["location"]) == (303, "/api/v1/library?q=bleed")
    assert "httponly" in response.headers["set-cookie"].lower()
    assert locked.get("/api/v1/library").status_code == 200


def test_every_route_is_documented(service):
    text = ROUTES.read_text()
    routes = create_api(service).openapi()["paths"]
    assert routes
    for path, methods in routes.items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in text


def test_every_setting_option_and_part_of_the_address_is_documented():
    text = ROUTES.read_text()
    names = [field.name for field in fields(Quota)] + [LIBRARY_VARIABLE, TOKEN_VARIABLE]
    options = ["--" + name.replace("_", "-") for name in signature(command).parameters]
    (listed,) = re.findall(r"const NAMES = .*?\[(.*)\]", (STATIC / "address.js").read_text())
    named = re.findall(r"\w+", listed)
    assert len(named) > 5
    for name in [*names, *options, *named]:
        assert re.search(rf"`{re.escape(name)}\b[^`]*`", text), name


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", "/api/v1/nope", 404, "nothing at /api/v1/nope"),
        ("PUT", "/api/v1/library", 405, "use GET"),
        ("PUT", "/api/v1/documents/pump.tiff", 405, "use DELETE, GET, PATCH"),
        ("POST", "/api/v1/jobs/99/cancel", 404, "no job 99"),
        ("GET", "/app/static/nope.js", 404, "nothing at /app/static/nope.js"),
    ],
)
@pytest.mark.parametrize("has_page", [True, False])
def test_where_no_route_is_the_error_has_the_form_of_all_others(service, has_page, method, path, status, sentence):
    app = create_api(service)
    if has_page:
        app.mount("/", PlainTextResponse("the page"))  # as Gradio is, which takes what nothing before it took
    client = TestClient(Guard(app), base_url=HOME)
    answer = client.request(method, path)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert sentence in answer.json()["error"]


def test_the_words_of_a_page_stand_where_they_are_printed(client, service, document, tmp_path):
    nowhere = client.get(f"/api/v1/documents/{document}/pages/1/words")  # an image file has no text
    assert nowhere.json() == {"reader": "", "words": []} and "no-store" in nowhere.headers["cache-control"]
    service.library.ingest(written(tmp_path, text_file("bleed")))
    answer = client.get("/api/v1/documents/manual.pdf/pages/1/words").json()
    assert [(word["text"], word["confidence"]) for word in answer["words"]] == [("bleed", 1.0)]
    left, top, right, bottom = answer["words"][0]["box"]
    assert 0.1 < left < right < 0.3 and 0.2 < top < bottom < 0.3  # at (72, 600) of 612 x 792 points
    assert client.get("/api/v1/documents/manual.pdf/pages/9/words").status_code == 404
