"""Watching a library: who waits hears of a change, and hundreds who do cost no more than one."""

import asyncio
import json
import socket
import sys
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from colvision.app.api import create_api
from colvision.app.changes import Changes
from colvision.app.security import Guard
from colvision.app.server import listen
from starlette.testclient import TestClient

from benchmarks.browser import serving
from colvision.testing import save_document
from tests.helpers.uploads import send_file

HOME = "http://127.0.0.1:7860"


@pytest.fixture
def client(service):
    return TestClient(Guard(create_api(service)), base_url=HOME)


def library(client, tag="", **asked):
    return client.get("/api/v1/library", params=asked, headers={"if-none-match": tag} if tag else {})


def test_who_waits_is_answered_as_before_when_nothing_changes(client):
    tag = library(client).headers["etag"]
    begun = time.monotonic()
    answer = library(client, tag, wait=1)
    assert (answer.status_code, answer.headers["etag"]) == (304, tag)
    assert time.monotonic() - begun >= 1


def test_who_does_not_know_anything_or_something_old_does_not_wait(client):
    assert library(client, wait=60).status_code == 200
    assert library(client, '"old"', wait=60).status_code == 200


def test_nobody_waits_longer_than_a_proxy_does(client):
    assert library(client, wait=61).status_code == 422


def test_a_large_overview_is_sent_compressed_to_those_who_take_it(client, upload):
    for number in range(3):
        upload(f"{number} {'long name ' * 12}.tiff", [[f"oil{number}"]])
    plain = client.get("/api/v1/library", headers={"accept-encoding": "identity"})
    packed = client.get("/api/v1/library")
    assert (packed.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])


def test_many_who_wait_cost_one_look_and_one_overview():
    revisions, looks, made = ["a"], [], []

    def look():
        looks.append(revisions[0])
        return revisions[0]

    async def watch():
        changes = Changes(look, lambda: made.append(1) or b"{}")
        waiting = [asyncio.create_task(changes.changed("a", 30)) for _ in range(200)]
        await asyncio.sleep(0.6)
        before = len(looks)
        revisions[0] = "b"
        begun = time.monotonic()
        assert set(await asyncio.gather(*waiting)) == {"b"}
        assert time.monotonic() - begun < 20
        bodies = await asyncio.gather(*(changes.overview("b") for _ in range(200)))
        assert (len(bodies), len(made)) == (200, 1)
        return before

    assert asyncio.run(watch()) < 200 + 10  # each looks once as it comes, then one for all


def test_a_server_that_is_stopped_lets_nobody_wait():
    async def stopped():
        changes = Changes(lambda: "a", lambda: b"{}")
        waiting = asyncio.create_task(changes.changed("a", 600))
        await asyncio.sleep(0)
        changes.stop()
        return await asyncio.wait_for(waiting, 60)

    assert asyncio.run(stopped()) == "a"


@pytest.mark.slow
def test_who_waits_is_answered_when_the_server_is_stopped(quick_path):
    """And not cut off, two seconds later."""
    with socket.socket() as waiting:
        with serving(sys.executable, "-m", "tests.helpers.toy_app", str(quick_path / "library"), "0") as address:
            tag = httpx.get(f"{address}/api/v1/library", timeout=60).headers["etag"]
            host = urlsplit(address).netloc
            waiting.connect(("127.0.0.1", urlsplit(address).port))
            head = f"GET /api/v1/library?wait=60 HTTP/1.1\r\nHost: {host}\r\nIf-None-Match: {tag}\r\n\r\n"
            waiting.sendall(head.encode())
            assert httpx.get(f"{address}/api/v1/library", timeout=60).status_code == 200  # which came after it
        waiting.settimeout(30)
        assert waiting.recv(1000).startswith(b"HTTP/1.1 304 ")


def test_several_people_at_once_all_hear_of_what_one_of_them_adds(service, tmp_path):
    """Twenty who watch, while one adds a file: by a real server, over real connections."""

    async def people(address):
        async with httpx.AsyncClient(base_url=address, timeout=60, limits=httpx.Limits(max_connections=30)) as http:
            tag = (await http.get("/api/v1/library")).headers["etag"]
            asked = {"params": {"wait": 60}, "headers": {"if-none-match": tag}}
            watching = [asyncio.create_task(http.get("/api/v1/library", **asked)) for _ in range(20)]
            found = await http.get("/api/v1/search", params={"q": "oil"})  # who waits keeps nobody from searching
            assert found.status_code == 200 and not any(each.done() for each in watching)
            await asyncio.to_thread(send_file, service, path, "new.tiff")
            return [json.loads((await each).content)["jobs"] for each in watching]

    path = save_document(tmp_path / "file.tiff", [["oil"]])
    with listen("127.0.0.1", 0) as listening:
        config = uvicorn.Config(Guard(create_api(service)), log_level="critical", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            told = asyncio.run(people(f"http://127.0.0.1:{listening.getsockname()[1]}"))
        finally:
            server.should_exit = True
            thread.join()
    assert [[job["name"] for job in jobs] for jobs in told] == [["new.tiff"]] * 20
