"""The reranker that the server was started with: searches may use it, and no client names another."""

import json

import pytest
from colvision.app.api import create_api
from colvision.app.security import Guard
from colvision.app.services.library import LibraryService
from colvision.app.services.search import SearchRequest
from colvision.app.settings import Quota, Settings
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from colvision.app import server
from colvision.cli import main
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document, tiny_checkpoint
from tests.helpers.rerankers import ScriptedReranker
from tests.helpers.toy_reranker import LeastInk

pytestmark = pytest.mark.slow

PAGES = [["oil", "pump", "valve"], ["oil"], ["fan"], ["oil", "pump"]]
HOME = "http://127.0.0.1:7860"


@pytest.fixture
def library(quick_path, tmp_path):
    with open_library(quick_path / "library", encoder=ToyEncoder()) as opened:
        opened.ingest(save_document(tmp_path / "pump.tiff", PAGES))
        yield opened


def client(library, reranker=None, **quota):
    service = LibraryService(library, Settings(library.path, quota=Quota(**quota)), reranker)
    return TestClient(Guard(create_api(service)), base_url=HOME)


def test_a_search_that_asks_for_it_is_ordered_by_the_reranker_and_shows_both_scores(library):
    api = client(library, LeastInk())
    assert api.get("/api/v1/library").json()["reranker"] == "least-ink"
    plain = api.get("/api/v1/search", params={"q": "oil pump valve"}).json()
    answer = api.get("/api/v1/search", params={"q": "oil pump valve", "rerank": "true"}).json()
    assert [hit["page"] for hit in plain["hits"]][0] == 1
    assert plain["reranker"] is None and {hit["rerank_score"] for hit in plain["hits"]} == {None}
    scores = [hit["rerank_score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True) and answer["hits"][-1]["page"] == 1
    assert {hit["page"]: hit["score"] for hit in answer["hits"]} == {hit["page"]: hit["score"] for hit in plain["hits"]}
    assert answer["reranker"] == {"name": "least-ink", "reads": "image", "candidates": 4, "unread": 0}
    assert answer["timing_ms"]["reranker"] > 0


def test_the_explanation_is_the_encoders_and_says_whose_the_order_is(library):
    api = client(library, LeastInk())
    asked = {"q": "oil pump", "rerank": "true"}
    best = api.get("/api/v1/search", params=asked).json()["hits"][0]
    place = {"page_of": best["document_id"], "page": best["page"]}
    why = api.get("/api/v1/explain", params={**asked, **place}).json()
    assert why["reranker"] == "least-ink"
    assert why["score"] == pytest.approx(best["score"], abs=1e-5)
    assert api.get("/api/v1/explain", params={"q": "oil pump", **place}).json()["reranker"] == ""


def test_other_words_on_a_page_ask_no_reranker(library):
    reranker = ScriptedReranker(lambda query, page: 1.0, reads="image")
    service = LibraryService(library, Settings(library.path), reranker)
    document = service.overview().documents[0].id
    assert service.search.explain(SearchRequest("fan", rerank=True), document, 3).reranker == ""
    assert reranker.seen == []


def test_a_server_without_one_says_so_and_an_image_is_not_reranked(library):
    refused = client(library).get("/api/v1/search", params={"q": "oil", "rerank": "true"})
    assert refused.status_code == 422
    assert refused.json()["error"].startswith("this server has no reranker: leave out rerank")
    assert client(library).get("/api/v1/library").json()["reranker"] == ""
    api = client(library, LeastInk())
    document = api.get("/api/v1/library").json()["documents"][0]["id"]
    liked = api.get("/api/v1/search", params={"like": f"{document}:1", "rerank": "true"})
    assert (liked.status_code, "a reranker reads words" in liked.json()["error"]) == (422, True)


def test_a_client_cannot_name_a_reranker(library, tmp_path):
    api = client(library, LeastInk())
    for named in (str(tmp_path), "owner/name", "../other"):
        assert api.get("/api/v1/search", params={"q": "oil", "rerank": named}).status_code == 422


def test_it_is_given_as_many_pages_as_the_server_allows(library):
    reranker = ScriptedReranker(lambda query, page: 1.0, reads="image")
    answer = client(library, reranker, candidates=2).get("/api/v1/search", params={"q": "oil", "rerank": "1"}).json()
    assert (answer["reranker"]["candidates"], len(answer["hits"])) == (2, 4)
    assert [hit["rerank_score"] for hit in answer["hits"]] == [1.0, 1.0, None, None]
    assert sum(len(pages) for _, pages in reranker.seen) == 2


def test_what_is_no_reranker_ends_the_start_with_a_sentence(tmp_path):
    tiny_checkpoint(tmp_path / "colqwen2", "colqwen2")
    done = CliRunner().invoke(
        main, ["app", "--library", str(tmp_path / "library"), "--rerank", str(tmp_path / "colqwen2")]
    )
    assert done.exit_code == 2
    assert "is a late-interaction encoder" in done.stderr and json.dumps("Traceback") not in done.stderr
    assert not (tmp_path / "library").exists()


def test_the_settings_of_the_command_hold_its_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(server, "serve", lambda settings, *, sample: seen.append(settings.reranker))
    CliRunner().invoke(main, ["app", "--library", str(tmp_path / "library"), "--rerank", "owner/name"])
    assert seen == ["owner/name"]
