"""What stands in the address of a request, and what the schema says of it."""

import json

import pytest
from colvision.app.api import create_api
from starlette.testclient import TestClient


@pytest.fixture
def client(service):
    return TestClient(create_api(service))


@pytest.mark.parametrize(
    ("method", "path", "sentence"),
    [
        ("GET", "/search?q=oil&replace=true", "no parameter 'replace' here: use"),
        ("GET", "/library?since=1", "no parameter 'since' here: use wait"),
        ("POST", "/judgements?q=oil&document=a&page=1&k=3", "no parameter 'k'"),
        ("DELETE", "/documents/pump?force=1", "no parameter 'force'"),
        ("GET", "/search?q=oil&q=valve", "q is given 2 times"),
        ("GET", "/search?q=%FC", "not UTF-8"),
        ("GET", "/documents/%FC", "not UTF-8"),
        ("GET", "/search?q=%ED%A0%80", "not UTF-8"),  # half of a surrogate pair
        ("GET", "/search?q=oil%00", "U+0000"),
        ("GET", "/search?q=oil&document=a%E2%80%A8b", "U+2028"),
        ("GET", "/search?q=oil&where=page%20in%203%1B", "U+001B"),
        ("GET", "/search?q=oil&like=a%0A%3A1", "U+000A"),
        ("GET", "/documents/a%C2%85b", "U+0085"),
        ("POST", "/judgements?q=oil&document=a%E2%80%A9b&page=1", "U+2029"),
        ("POST", "/judgements?q=oil&document=a&page=1&collection=a%00b", "cannot be the name of a collection"),
        ("POST", "/reencode?collection=%E2%80%AE", "cannot be the name of a collection"),
        ("POST", f"/judgements?q=oil&document=a&page=1&collection={'x' * 61}", "has 61 characters, the limit is 60"),
        ("POST", f"/documents?name=a.pdf&collection={'x' * 61}", "has 61 characters, the limit is 60"),
        ("GET", f"/search?q={'x' * 301}", "q has 301 characters, the limit is 300"),
        ("GET", "/search?q=oil&k=51", "less than or equal to 50"),
        ("GET", "/search?q=%20", "type a few words"),
        ("GET", f"/search?q=oil&where={'x' * 501}", "where has 501 characters, the limit is 500"),
        ("GET", f"/documents/{'x' * 301}", "document has 301 characters, the limit is 300"),
        ("GET", "/documents/a/pages/1/image?width=63", "greater than or equal to 64"),
        ("GET", "/documents/a/pages/1/image?width=2001", "less than or equal to 2000"),
    ],
)
def test_what_does_not_belong_into_an_address_is_refused_in_a_sentence(client, method, path, sentence):
    answer = client.request(method, f"/api/v1{path}")
    assert (answer.status_code, sentence in answer.json()["error"]) == (422, True), answer.text


def test_white_space_of_any_kind_is_a_space(client):
    assert client.get("/api/v1/search?q=%E2%80%A8bleed%0Avalve%09").json()["query"] == "bleed valve"


def test_a_verdict_is_of_a_collection_that_there_is_and_has_the_document(client, upload):
    upload()
    asked = "/api/v1/judgements?q=bleed&document=pump.tiff&page=1&verdict=relevant&collection="
    for collection in ("a%E2%80%A8b", "a%0D%0Ab", "boats"):
        assert client.post(asked + collection).status_code == 404
    assert client.get("/api/v1/judgements").text == ""
    assert client.post(asked + "default").status_code == 204


def test_a_job_that_there_is_not_cannot_be_taken_off_the_list(client):
    answer = client.delete("/api/v1/jobs/99")
    assert (answer.status_code, answer.json()["error"]) == (404, "no job 99 in this library")


def test_the_schema_states_every_limit_and_every_status(client):
    schema = client.get("/api/v1/openapi.json").json()
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert {"400", "401", "403", "422", "429", "500", "503"} <= set(operation["responses"]), (method, path)
            for parameter in operation.get("parameters", ()):
                told = json.dumps(parameter["schema"])
                bounds = ("maxLength", "maximum", "boolean", "enum")
                assert any(bound in told for bound in bounds), (path, parameter)
    added = schema["paths"]["/api/v1/documents"]["post"]
    assert {"202", "408", "413", "415", "507"} <= set(added["responses"])
    assert set(added["requestBody"]["content"]) == {"application/octet-stream", "multipart/form-data"}
