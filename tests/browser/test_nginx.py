"""Behind a real nginx, by TLS and below a path, with the very file that the docs offer."""

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import NamedTuple

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from benchmarks.browser import serving
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document
from tests.helpers import ROOT
from tests.helpers import browser as drive

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        NGINX is None or shutil.which("openssl") is None,
        reason="no nginx or no openssl on this machine: install Debian's nginx-light to try the app behind it",
    ),
]
TOKEN = "a secret of my own"
BEARER = {"authorization": f"Bearer {TOKEN}"}
SETTINGS = {"root_path": "/manuals", "forwarded_allow_ips": "127.0.0.1"}


class Site(NamedTuple):
    address: str
    context: ssl.SSLContext  # which knows its certificate


def free_ports(count):
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def configure(folder, ports):
    """Our file for nginx, at a port of this machine, with a certificate of its own."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    server = (ROOT / "docs" / "deploy" / "nginx.conf").read_text()
    public, app, agents = ports
    for written, here in (
        ("listen 443 ssl", f"listen 127.0.0.1:{public} ssl"),
        ("/etc/ssl/certs/manuals.example.pem", certificate),
        ("/etc/ssl/private/manuals.example.key", key),
        ("127.0.0.1:7860", f"127.0.0.1:{app}"),
        ("127.0.0.1:7880", f"127.0.0.1:{agents}"),
    ):
        assert written in server
        server = server.replace(written, str(here))
    bodies = "".join(
        f"{name}_temp_path {folder / name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = folder / "nginx.conf"
    path.write_text(
        f"daemon off;\nworker_processes 1;\npid {folder / 'pid'};\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{bodies}{server}\n}}\n"
    )
    return path, certificate


def wait_for_port(port, process):
    deadline = time.monotonic() + 30
    while process.poll() is None:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, "nginx does not listen"
        time.sleep(0.05)
    pytest.fail(f"nginx ended: {process.stderr.read()}")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nginx")
    ports = public, app, agents = free_ports(3)
    path, certificate = configure(folder, ports)
    with open_library(folder / "library", encoder=ToyEncoder()) as library:
        library.ingest(save_document(folder / "pump.tiff", [["bleed", "valve"]]))
    environment = {"COLVISION_TOKEN": TOKEN, "TOY_SETTINGS": json.dumps(SETTINGS)}
    with ExitStack() as running:
        toy_mcp = (drive.TOY[0], "-m", "tests.helpers.toy_mcp")
        library = str(folder / "library")
        running.enter_context(serving(*drive.TOY, library, str(app), environment=environment))
        door = [*toy_mcp, library, "--http", "--port", str(agents)]
        running.enter_context(serving(*door, environment=environment))
        nginx = running.enter_context(
            subprocess.Popen([NGINX, "-p", folder, "-e", "stderr", "-c", path], stderr=subprocess.PIPE, text=True)
        )
        running.callback(nginx.terminate)
        wait_for_port(public, nginx)
        yield Site(f"https://127.0.0.1:{public}", ssl.create_default_context(cafile=certificate))


@pytest.fixture
def client(site):
    with httpx.Client(base_url=site.address, verify=site.context, timeout=60) as client:
        yield client


def test_the_page_is_opened_by_its_token_once_and_all_that_it_loads_lies_below_its_path(client, site):
    assert client.get("/manuals/").status_code == 401
    moved = client.get("/manuals", params={"token": TOKEN})
    assert (moved.status_code, moved.headers["location"]) == (301, f"/manuals/?token={TOKEN.replace(' ', '+')}")
    let_in = client.get(moved.headers["location"])
    assert (let_in.status_code, let_in.headers["location"]) == (303, "/manuals/")
    cookie = let_in.headers["set-cookie"]
    assert all(part in cookie for part in ("Path=/manuals;", "Secure", "HttpOnly", "SameSite=strict"))
    assert f"colvision_token_{site.address.rpartition(':')[2]}=" in cookie
    page = client.get("/manuals/")
    assert (page.status_code, '<base href="/manuals/"' in page.text) == (200, True)
    assert client.get("/manuals/app/static/main.js").status_code == 200
    assert client.get("/manuals/api/v1/openapi.json").json()["servers"] == [{"url": "/manuals"}]


def test_what_a_browser_elsewhere_sends_is_refused(client, site):
    asked = [
        client.get("/manuals/api/v1/library", headers=BEARER | given).status_code
        for given in (
            {"origin": site.address},
            {"origin": "https://evil.example"},
            {"origin": site.address.replace("https", "http")},
            {"sec-fetch-site": "cross-site"},
            {"x-forwarded-host": "evil.example", "origin": "https://evil.example"},  # nginx says what is so
        )
    ]
    assert asked[0] == 200 and asked[1:2] == [403] and asked[3:] == [403, 403]


def test_a_file_is_uploaded_and_who_waits_hears_when_it_can_be_found(client, tmp_path):
    client.headers.update(BEARER)
    tag = client.get("/manuals/api/v1/library").headers["etag"]
    data = save_document(tmp_path / "new.tiff", [["gasket"]]).read_bytes()
    sent = client.post("/manuals/api/v1/documents", params={"name": "new.tiff"}, content=data)
    assert sent.status_code == 202, sent.text
    deadline = time.monotonic() + 60
    while True:
        answer = client.get("/manuals/api/v1/library", params={"wait": 20}, headers={"if-none-match": tag})
        assert time.monotonic() < deadline, answer.text
        tag = answer.headers["etag"]
        if answer.status_code == 200 and any(
            (each["name"], each["state"]) == ("new.tiff", "ready") for each in answer.json()["documents"]
        ):
            break
    hits = client.get("/manuals/api/v1/search", params={"q": "gasket"}).json()["hits"]
    assert hits[0]["document"] == "new.tiff"
    image = client.get(f"/manuals/api/v1/documents/{hits[0]['document_id']}/pages/1/image")
    assert (image.status_code, image.headers["content-type"]) == (200, "image/jpeg")


def test_an_agent_comes_by_the_same_proxy(site):
    async def listed():
        async with (
            httpx2.AsyncClient(verify=site.context, headers=BEARER, timeout=60) as http,
            Client(streamable_http_client(f"{site.address}/agents/mcp", http_client=http)) as client,
        ):
            return (await client.call_tool("search_pages", {"query": "valve"})).structured_content["found"]

    with ThreadPoolExecutor() as threads:  # in this one playwright has an event loop of its own
        assert threads.submit(lambda: asyncio.run(listed())).result()[0]["document"] == "pump.tiff"


@pytest.mark.browser
def test_the_page_works_in_a_browser(chromium, site):
    context = chromium.new_context(ignore_https_errors=True)
    context.set_default_timeout(drive.PATIENCE_MS)
    page = context.new_page()
    failed = []
    page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
    drive.show(page, f"{site.address}/manuals/?token={TOKEN}")
    drive.search(page, "valve")
    drive.expect(page.locator(".cv-card").first).to_be_visible()
    assert page.locator("#cv-sidebar").bounding_box()["width"] < 400  # as the style sheet says
    assert page.url.startswith(f"{site.address}/manuals/?q=valve")
    context.close()
    assert [url for url in failed if not url.endswith("/favicon.ico")] == []
