"""The page behind a proxy that serves it below a path, and passes its own name on or not."""

import http.client
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document
from tests.helpers import browser as drive

pytestmark = pytest.mark.browser

TOKEN = "a token of the proxy's"


class Proxy(ThreadingHTTPServer):
    """Passes what is below /manuals on to the application at `port`, without that path; with `host` as Host header."""

    daemon_threads = True
    port = 0
    host = ""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        size = int(self.headers.get("content-length", 0))
        body = self.rfile.read(size)
        if not self.path.startswith("/manuals"):
            self.send_error(404)
            return
        there = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("connection", "host")}
        headers["Host"] = self.server.host or self.headers["Host"]
        there.request(self.command, "/" + self.path.removeprefix("/manuals").lstrip("/"), body, headers)
        answer = there.getresponse()
        data = answer.read()
        there.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_DELETE = do_GET


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proxy")
    with open_library(folder / "library", encoder=ToyEncoder()) as library:
        library.ingest(save_document(folder / "pump.tiff", [["bleed", "valve"]]))
    with Proxy(("127.0.0.1", 0), Handler) as proxy:
        public = f"http://127.0.0.1:{proxy.server_port}/manuals"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            proxy.port = free.getsockname()[1]
        environment = {"TOY_SETTINGS": json.dumps({"public_url": public}), "COLVISION_TOKEN": TOKEN}
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        with drive.serving(*drive.TOY, str(folder / "library"), str(proxy.port), environment=environment) as address:
            assert address == f"{public}/?token=<your"  # token>
            yield proxy
        proxy.shutdown()


@pytest.mark.parametrize("is_rewritten", [False, True])
def test_the_page_works_behind_a_proxy(chromium, proxy, is_rewritten):
    proxy.host = f"127.0.0.1:{proxy.port}" if is_rewritten else ""
    page = drive.new_page(chromium)
    failed = []
    page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
    drive.show(page, f"http://127.0.0.1:{proxy.server_port}/manuals?token={TOKEN}")
    drive.search(page, "valve")
    drive.expect(page.locator(".cv-card")).to_have_count(1)
    assert page.locator("#cv-sidebar").bounding_box()["width"] < 400  # as the style sheet says
    page.context.close()
    assert [url for url in failed if not url.endswith("/favicon.ico")] == []
