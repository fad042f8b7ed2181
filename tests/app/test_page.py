"""The frame of the page: what of Gradio can be reached. The server is that of the browser tests."""

import httpx
import pytest

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
