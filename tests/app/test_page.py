"""The frame of the page: what of Gradio can be reached. The server is that of the browser tests."""

import asyncio
import re

import httpx
import pytest
from colvision.app.api import create_api
from colvision.app.page import mount_page
from colvision.app.settings import STATIC

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *(
            ("GET", path, 404)
            for path in ("/pwa_icon/0", "/gradio_api/info", "/config", "/monitoring", "/assets/nope.js", "/static/nope")
        ),
        ("GET", "/nope", 404),
        ("PUT", "/theme.css", 405),
    ],
)
def test_of_gradio_only_what_the_page_loads_can_be_reached(server, method, path, status):
    answer = httpx.request(method, server + path)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_the_page_names_no_host_that_a_request_says(server):
    page = httpx.get(server, headers={"x-forwarded-host": "evil.example"})
    assert (page.status_code, "evil" in page.text) == (200, False)


def test_the_page_is_painted_at_once_and_names_early_what_it_will_load(server):
    page = httpx.get(server).text
    assert page.index('id="cv-opening"') < page.index("<gradio-app")
    early = re.findall(r'<link rel="(?:modulepreload|preload)"[^>]* href="([^"]+)">', page)
    scripts = {path.name for path in STATIC.glob("*.js")} - {"component.js"}
    assert scripts <= {address.rpartition("/")[2] for address in early}
    assert any("/Blocks-" in address for address in early)
    with httpx.Client(base_url=server) as client:
        assert {client.get(address).status_code for address in early} == {200}


def test_nothing_of_gradio_runs_while_nobody_asks(service):
    async def running():
        app = mount_page(create_api(service), service)
        async with app.router.lifespan_context(app):
            await asyncio.sleep(0)
            return [task.get_coro().__qualname__ for task in asyncio.all_tasks()]

    assert not [name for name in asyncio.run(running()) if "Queue" in name]
