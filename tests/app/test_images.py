"""Asking with an image: what is taken, what is kept of it, what is found."""

import errno
import io
import os

import numpy as np
import pytest
from colvision.app.api import create_api
from colvision.app.security import Guard
from colvision.app.services.library import LibraryService
from colvision.app.services.search import SearchRequest
from colvision.app.settings import Quota, Settings
from PIL import ExifTags, Image
from starlette.testclient import TestClient

from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document, text_page
from colvision.testing.toy import PAGE_SHAPE
from tests.helpers.pdf_files import text_file, written

pytestmark = pytest.mark.slow

HOME = "http://127.0.0.1:7860"
PUMP = [["bleed", "valve"], ["spare", "parts"], ["oil", "filter"]]
FOREIGN = {"origin": "http://evil.example"}


@pytest.fixture
def service(quick_path):
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        quota = Quota(query_image_bytes=2 * 2**20, query_image_pixels=4_000_000, query_images=3)
        library.ingest(save_document(quick_path / "pump.tiff", PUMP))
        yield LibraryService(library, Settings(library.path, quota=quota))


@pytest.fixture
def client(service):
    return TestClient(Guard(create_api(service)), base_url=HOME)


def encoded(image, kind="PNG", **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def image_of(words):
    return encoded(text_page(words, shape=PAGE_SHAPE))


def send(client, data, **parameters):
    return client.post("/api/v1/images", params=parameters, content=data)


def test_an_image_becomes_a_token_that_finds_the_pages_like_it(client):
    sent = send(client, image_of(["oil", "filter"])).json()
    answer = client.get("/api/v1/search", params={"image": sent["token"]}).json()
    best = answer["hits"][0]
    assert (best["page"], best["words"], answer["notice"]) == (3, [], "")
    asked = {"image": sent["token"], "page_of": best["document_id"], "page": 3}
    why = client.get("/api/v1/explain", params=asked).json()
    assert [match["word"] for match in why["matches"]][:: len(why["matches"]) - 1] == [
        "place 1",
        "the rest of the image",
    ]
    assert sum(match["contribution"] for match in why["matches"]) == pytest.approx(best["score"], abs=1e-5)


def test_what_tells_a_page_from_the_other_results_is_shown_first(client):
    """The image holds a word of every page; "filter" stands on one of them only."""
    asked = {"image": send(client, image_of(["bleed", "spare", "filter"])).json()["token"]}
    best = client.get("/api/v1/search", params=asked | {"where": "page=3"}).json()["hits"][0]
    client.get("/api/v1/search", params=asked)
    place = {"page_of": best["document_id"], "page": 3}
    why = client.get("/api/v1/explain", params=asked | place).json()
    assert (why["matches"][0]["word"], why["matches"][0]["cell"]) == ("place 1", [0, 1])
    assert why["scale"]["is_lead"] and 0 < why["scale"]["shown_to"] < 1


def test_the_same_image_has_the_same_token_whatever_its_name(client):
    data = image_of(["oil"])
    first, again = (send(client, data, name=name).json() for name in ("a.png", "b.txt"))
    assert first == again
    assert send(client, image_of(["valve"])).json()["token"] != first["token"]


def test_what_is_given_back_is_our_own_drawing_with_a_fixed_type(client):
    """A file that is an image and holds a script as well is an image only."""
    poisoned = encoded(Image.new("RGB", (80, 60), "white"), "JPEG") + b"<script>alert(1)</script>"
    token = send(client, poisoned, name="page.html").json()["token"]
    given = client.get(f"/api/v1/images/{token}")
    assert (given.headers["content-type"], given.headers["x-content-type-options"]) == ("image/jpeg", "nosniff")
    assert "no-store" in given.headers["cache-control"]
    assert b"script" not in given.content
    assert Image.open(io.BytesIO(given.content)).format == "JPEG"


def test_a_photo_that_was_held_upright_is_shown_upright(client):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # the sensor's rows are the photo's columns
    sent = send(client, encoded(Image.new("RGB", (400, 200)), "JPEG", exif=exif)).json()
    assert sent["height"] > sent["width"]


def test_the_first_page_of_a_pdf_asks(client, tmp_path):
    sent = send(client, written(tmp_path, text_file("the flange", "a gasket")).read_bytes(), name="parts.pdf").json()
    assert client.get("/api/v1/search", params={"image": sent["token"]}).json()["hits"]


@pytest.mark.parametrize(
    ("data", "status", "sentence"),
    [
        (b"", 422, "photo.png is empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "photo.png is not a PDF, PNG"),
        (b"GIF89a" + bytes(100), 415, "photo.png is not a PDF, PNG"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), 422, "photo.png is a damaged PNG"),
        (bytes(3 * 2**20), 413, "the limit of 2 MB"),
        (encoded(Image.new("1", (3000, 3000))), 413, "the limit image_pixels is 4,000,000"),
    ],
)
def test_what_is_no_image_or_too_large_is_refused_in_a_sentence_and_leaves_nothing(
    client, service, data, status, sentence
):
    response = send(client, data, name="photo.png")
    assert (response.status_code, sentence in response.json()["error"]) == (status, True), response.text
    assert list((service.library.path / "uploads").glob("*")) == []
    assert not (service.library.path / "query-images").exists()


def test_images_that_were_not_used_for_longest_make_room(client, service):
    tokens = []
    for seconds, word in enumerate(["oil", "valve", "spare"]):
        tokens.append(send(client, image_of([word])).json()["token"])
        os.utime(service.library.path / "query-images" / f"{tokens[-1]}.jpg", (seconds, seconds))
    client.get("/api/v1/search", params={"image": tokens[0]})  # used: it stays longer
    send(client, image_of(["bleed"]))
    assert [client.get(f"/api/v1/images/{token}").status_code for token in tokens] == [200, 410, 200]


@pytest.mark.parametrize("token", ["0" * 32, "../catalog", "..%2fcatalog.sqlite", "x", "0" * 32 + "%00"])
def test_a_token_that_is_not_known_is_a_sentence(client, token):
    response = client.get(f"/api/v1/search?image={token}")
    assert (response.status_code, "choose it again" in response.json()["error"]) == (410, True)
    assert client.get(f"/api/v1/images/{token}").status_code in (404, 410)


def test_a_kept_image_is_known_to_the_next_start(client, service):
    token = send(client, image_of(["valve"])).json()["token"]
    again = LibraryService(service.library, service.settings)
    assert again.search.search(SearchRequest("", image=token)).hits[0].page == 1


def test_images_that_an_earlier_version_kept_are_known_to_the_next_start(client, service):
    token = send(client, image_of(["valve"])).json()["token"]
    folder = service.library.path / "query-images"
    folder.rename(service.library.path / "asked")
    again = LibraryService(service.library, service.settings)
    assert again.images.data(token)
    assert folder.is_dir() and not (service.library.path / "asked").exists()


def test_an_image_asks_within_a_document_or_a_filter(client, service, tmp_path):
    service.library.ingest(save_document(tmp_path / "press.tiff", [["oil", "press"]]))
    asked = {"image": send(client, image_of(["oil", "filter"])).json()["token"]}
    for limit in ({"document": "press.tiff"}, {"where": "document=press.tiff"}):
        hits = client.get("/api/v1/search", params=asked | limit).json()["hits"]
        assert {hit["document"] for hit in hits} == {"press.tiff"}
    assert client.get("/api/v1/search", params=asked | {"collection": "boats"}).status_code == 404


@pytest.mark.parametrize("more", [{"q": "oil"}, {"like": "pump.tiff:1"}])
def test_only_one_thing_asks_at_a_time(client, more):
    response = client.get("/api/v1/search", params={"image": "0" * 32} | more)
    assert (response.status_code, "ask with one" in response.json()["error"]) == (422, True)


def test_another_sites_page_cannot_send_or_read_an_image(client):
    token = send(client, image_of(["oil"])).json()["token"]
    refused = client.post("/api/v1/images", content=image_of(["oil"]), headers=FOREIGN)
    assert (refused.status_code, client.get(f"/api/v1/images/{token}", headers=FOREIGN).status_code) == (403, 403)


def test_where_nothing_can_be_written_the_image_is_refused_in_a_sentence(client, service):
    (service.library.path / "query-images").write_text("in the way")
    response = send(client, image_of(["oil"]))
    assert (response.status_code, "could not be read or written" in response.json()["error"]) == (503, True)


def test_a_grey_and_a_transparent_image_are_kept_as_they_look(client):
    clear = np.zeros((200, 200, 4), np.uint8)
    for image in (Image.new("L", (200, 200), 255), Image.fromarray(clear, "RGBA")):
        token = send(client, encoded(image)).json()["token"]
        shown = Image.open(io.BytesIO(client.get(f"/api/v1/images/{token}").content))
        assert shown.convert("L").getextrema() == (255, 255)


def test_a_kept_image_is_shown_where_nothing_can_be_written(client, monkeypatch):
    token = send(client, image_of(["oil"])).json()["token"]

    def refuse(path):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(os, "utime", refuse)
    assert client.get(f"/api/v1/images/{token}").status_code == 200
