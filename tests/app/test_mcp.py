"""The server for agents, asked by the protocol's own client: in this process, over standard input, and over HTTP."""

import asyncio
import base64
import io
import os
import sys
import time
from contextlib import asynccontextmanager

import httpx
import httpx2
import jsonschema
import pypdfium2 as pdfium
import pytest
from colvision.app.mcp_tools import create_server
from colvision.app.services.agents import AgentService
from colvision.app.settings import Quota, sample_files
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from PIL import Image
from typer.testing import CliRunner

from benchmarks.browser import serving
from colvision.app import mcp as door
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document
from tests.helpers import ROOT

READING = {"search_pages", "explain_match", "page_image", "page_text", "list_documents"}
TOKEN = "a secret of my own"
TOY = (sys.executable, "-m", "tests.helpers.toy_mcp")
PUMP = [["bleed", "valve"], ["spare", "parts"], ["oil", "filter"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A library with the toy encoder."""
    folder = tmp_path_factory.mktemp("toy")
    with open_library(folder / "library", encoder=ToyEncoder()) as library:
        library.ingest(save_document(folder / "pump.tiff", PUMP))
        library.collection("archive").ingest(save_document(folder / "old.tiff", [["elsewhere"]]))
    return folder


@pytest.fixture(scope="module")
def tools(folder):
    """Runs a conversation with the server in this process; whatever it is told is as its schemas say."""
    with open_library(folder / "library", encoder=ToyEncoder(), read_only=True) as library:
        server = create_server(AgentService(library, Quota()), None, Quota())

        def run(talk):
            async def session():
                async with Client(server) as client:
                    return await talk(client)

            return asyncio.run(session())

        yield run


def calling(tool, **arguments):
    async def talk(client):
        return await client.call_tool(tool, arguments)

    return talk


def images(result):
    pictures = [each for each in result.content if each.type == "image"]
    return [Image.open(io.BytesIO(base64.b64decode(each.data))) for each in pictures]


def test_every_tool_says_what_it_takes_and_answers_and_that_it_only_reads(tools):
    async def talk(client):
        return (await client.list_tools()).tools

    listed = tools(talk)
    assert {tool.name for tool in listed} == READING
    for tool in listed:
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        jsonschema.Draft202012Validator.check_schema(tool.output_schema)
        assert tool.annotations.read_only_hint and tool.description and tool.title


def test_a_search_gives_pages_with_the_region_to_look_at_and_links_to_them(tools):
    async def talk(client):
        found = await client.call_tool("search_pages", {"query": "spare parts", "k": 2})
        best = found.structured_content["found"][0]
        place = {"document": best["document_id"], "page": best["page"]}
        whole = await client.call_tool("page_image", place)
        crop = await client.call_tool("page_image", {**place, "region": best["region"]})
        linked = next(each for each in found.content if each.type == "resource_link")
        return best, whole, crop, linked, await client.read_resource(linked.uri)

    best, whole, crop, linked, read = tools(talk)
    assert (best["document"], best["page"], best["pages"], best["words_seen"]) == (
        "pump.tiff", 2, 3, ["spare", "parts"],
    )  # fmt: skip
    (page,), (part,) = images(whole), images(crop)
    assert max(page.size) <= 1568 and part.width * part.height < page.width * page.height
    assert (crop.structured_content["region"], crop.structured_content["width"]) == (best["region"], part.width)
    assert (linked.uri, linked.mime_type) == (best["uri"], "image/jpeg")
    assert base64.b64decode(read.contents[0].blob).startswith(b"\xff\xd8")


def test_a_large_page_is_made_small_enough_to_look_at(tools, folder, quick_path):
    Image.new("RGB", (3000, 2000), "white").save(quick_path / "large.png")
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        library.ingest(quick_path / "large.png")
        view, picture = AgentService(library, Quota()).page_picture("large.png", 1, None)
    assert max(picture.size) == 1568 and picture.size == (view.width, view.height)


def test_a_match_is_explained_by_crops_of_where_the_words_stand(tools):
    told = tools(calling("explain_match", query="oil filter", document="pump.tiff", page=3))
    match = told.structured_content
    assert [each["word"] for each in match["words"]] == ["oil", "filter"]
    assert len(images(told)) == len(match["regions"]) >= 1
    left, top, right, bottom = match["regions"][0]
    for word in match["words"]:
        x, y = (word["box"][0] + word["box"][2]) / 2, (word["box"][1] + word["box"][3]) / 2
        assert left <= x <= right and top <= y <= bottom


def test_documents_are_listed_in_parts_and_by_name(tools):
    listed = tools(calling("list_documents", limit=1)).structured_content
    assert (listed["total"], len(listed["documents"]), listed["collections"]) == (2, 1, ["default", "archive"])
    named = tools(calling("list_documents", name="OLD")).structured_content
    assert [each["name"] for each in named["documents"]] == ["old.tiff"]


def test_a_page_without_text_says_that_there_is_none(tools):
    told = tools(calling("page_text", document="pump.tiff", page=1)).structured_content
    assert (told["text"], told["source"], told["is_cut"]) == ("", "none", False)


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        ("search_pages", {"query": "oil", "k": 99}, "k: input should be less than or equal to 50"),
        ("search_pages", {"query": "x" * 301}, "query has 301 characters, the limit is 300"),
        ("search_pages", {"query": " "}, "the query is empty"),
        ("search_pages", {"query": "oil", "limit": 3}, "search_pages takes no 'limit': it takes query, collection"),
        ("search_pages", {}, "query: field required"),
        ("search_pages", {"query": "oil", "where": "page in"}, "expected a value for 'page'"),
        ("search_pages", {"query": "oil", "collection": "none"}, "no collection 'none'"),
        ("page_image", {"document": "none.pdf", "page": 1}, "no document 'none.pdf'"),
        ("page_image", {"document": "pump.tiff", "page": 4}, "has pages 1 to 3, not 4"),
        ("page_image", {"document": "pump.tiff", "page": 1, "region": [0.5, 0, 0.4, 1]}, "a region is left, top"),
        ("page_image", {"document": "pump.tiff", "page": 1, "region": [0, 0, 1e-9, 1]}, "too small to show"),
        ("page_image", {"document": "pump.tiff", "page": 1, "region": [0, 1]}, "region: list should have at least 4"),
        ("page_image", {"document": "../../etc/passwd", "page": 1}, "no document '../../etc/passwd'"),
        ("delete_document", {"document": "pump.tiff"}, "there is no tool 'delete_document'"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(tools, tool, arguments, sentence):
    told = tools(calling(tool, **arguments))
    assert told.is_error and sentence in told.content[0].text, told.content[0].text
    assert "\n" not in told.content[0].text


def test_a_page_that_is_not_there_is_no_resource(tools):
    async def talk(client):
        with pytest.raises(MCPError, match="no document 'none'"):
            await client.read_resource("colvision://documents/none/pages/1")

    tools(talk)


@asynccontextmanager
async def over_stdio(*command, environment=None):
    environment = {**os.environ, **(environment or {})}
    parameters = StdioServerParameters(command=command[0], args=list(command[1:]), env=environment, cwd=ROOT)
    async with Client(parameters) as client:
        yield client


@asynccontextmanager
async def over_http(address, token="", mode="auto"):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(address, http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def manual(tmp_path_factory):
    """A library with three pages of the sample manual, as mini reads them."""
    folder = tmp_path_factory.mktemp("manual")
    with pdfium.PdfDocument(sample_files()[0]) as whole, pdfium.PdfDocument.new() as part:
        part.import_pages(whole, [3, 12, 19])
        part.save(folder / "manual.pdf")
    with open_library(folder / "library") as library:
        library.ingest(folder / "manual.pdf")
    return folder / "library"


async def find_the_filter(client):
    """What an agent does: it searches, looks at the crop, and reads the page."""
    found = (await client.call_tool("search_pages", {"query": "oil filter", "k": 2})).structured_content["found"]
    place = {"document": found[0]["document_id"], "page": found[0]["page"]}
    crop = await client.call_tool("page_image", {**place, "region": found[0]["region"]})
    text = await client.call_tool("page_text", place)
    why = await client.call_tool("explain_match", {"query": "filter", **place})
    assert images(crop) and images(why) and "filter" in text.structured_content["text"].casefold()
    return [each["document"] for each in found], found[0]["words_seen"]


@pytest.mark.slow
def test_an_agent_finds_a_page_of_the_sample_manual_over_standard_input_and_over_http(manual):
    command = (sys.executable, "-m", "colvision", "mcp", "--library", str(manual))

    async def by_stdio():
        async with over_stdio(*command) as client:
            return await find_the_filter(client)

    async def by_http(address, mode):
        async with over_http(address, mode=mode) as client:
            return await find_the_filter(client)

    expected = (["manual.pdf", "manual.pdf"], ["oil", "filter"])
    assert asyncio.run(by_stdio()) == expected
    with serving(*command, "--http", "--port", "0") as address:
        for mode in ("auto", "legacy"):  # of clients of today, and of those before the protocol of 2026-07
            assert asyncio.run(by_http(address, mode)) == expected


@pytest.mark.slow
def test_with_write_an_agent_adds_and_deletes_what_lies_in_one_folder(quick_path):
    files = quick_path / "files"
    files.mkdir()
    save_document(files / "new.tiff", [["gasket"]])
    save_document(quick_path / "outside.tiff", [["secret"]])
    (files / "link.tiff").symlink_to(quick_path / "outside.tiff")
    command = (*TOY, str(quick_path / "library"), "--http", "--write", str(files))

    async def talk(address):
        async with over_http(address) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert names == READING | {"ingest_document", "delete_document"}
            for path in ("../outside.tiff", "link.tiff", str(quick_path / "outside.tiff"), "~/x.pdf"):
                refused = await client.call_tool("ingest_document", {"path": path})
                assert refused.is_error and "is not in the folder" in refused.content[0].text
            missing = await client.call_tool("ingest_document", {"path": "none.pdf"})
            assert missing.is_error and "is no file" in missing.content[0].text
            queued = await client.call_tool("ingest_document", {"path": "new.tiff"})
            assert queued.structured_content["state"] == "queued"
            deadline = time.monotonic() + 60
            while not (listed := (await client.call_tool("list_documents", {})).structured_content)["documents"] or (
                listed["documents"][0]["state"] != "ready"
            ):
                assert time.monotonic() < deadline, listed
                await asyncio.sleep(0.1)
            found = (await client.call_tool("search_pages", {"query": "gasket"})).structured_content["found"]
            assert [each["document"] for each in found] == ["new.tiff"]
            assert not (await client.call_tool("delete_document", {"document": "new.tiff"})).is_error
            return (await client.call_tool("list_documents", {})).structured_content["documents"]

    with serving(*command) as address:
        assert asyncio.run(talk(address)) == []


CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPTED = {"accept": "application/json, text/event-stream"}


@pytest.mark.slow
def test_over_http_only_those_are_answered_who_may_ask(folder):
    """Other names (DNS rebinding), other sites, no token: as the application's own guard refuses them."""

    def status(address, **headers):
        return httpx.post(address, json=CALL, headers=ACCEPTED | headers, timeout=60).status_code

    with serving(*TOY, str(folder / "library"), "--http") as address:
        assert status(address) == 200
        assert status(address, host="evil.example") == 400
        for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
            assert status(address, origin=origin) == 403
        assert status(address, **{"sec-fetch-site": "cross-site"}) == 403
        assert status(address, **{"content-type": "text/plain"}) in (400, 415)  # what a form of another site could send
        assert httpx.post(address, content=b"x" * 300_000, headers=ACCEPTED, timeout=60).status_code in (400, 413)
    with serving(*TOY, str(folder / "library"), "--http", environment={"COLVISION_TOKEN": TOKEN}) as address:
        assert status(address) == 401
        assert status(address, authorization="Bearer a secret of another") == 401
        assert status(address, authorization=f"Bearer {TOKEN}") == 200

        async def listed():
            async with over_http(address, TOKEN) as client:
                return {tool.name for tool in (await client.list_tools()).tools}

        assert asyncio.run(listed()) == READING


@pytest.fixture
def run():
    import typer

    program = typer.Typer()
    program.command()(door.command)
    return lambda *options: CliRunner().invoke(program, options)


def test_without_the_extra_it_says_how_to_install_it(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp", None)  # as if it were not installed
    monkeypatch.setattr(door, "find_spec", lambda _: None)
    result = run("--library", str(tmp_path / "library"))
    assert (result.exit_code, "pip install 'colvision[mcp]'" in result.output) == (2, True)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--write", "--http"], "--files FOLDER"),
        (["--write", "--files", "none"], "--files none is no folder"),
        (["--http", "--host", "0.0.0.0"], "set COLVISION_TOKEN"),
        ([], "is not a library"),
    ],
)
def test_what_it_is_started_with_is_checked_in_a_sentence(run, tmp_path, monkeypatch, options, sentence):
    monkeypatch.delenv("COLVISION_TOKEN", raising=False)
    result = run("--library", str(tmp_path), *options)
    assert (result.exit_code, sentence in result.output) == (2, True), result.output
