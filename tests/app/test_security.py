"""The guard in front of the application: what other sites see of it, tokens, and the address behind a proxy."""

import asyncio
import os
import re
from http.cookies import SimpleCookie

import pytest
from colvision.app.security import Guard
from colvision.app.settings import Settings
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

HOME = "http://127.0.0.1:7860"
TOKEN = "Schlüssel-für-Öler"
OPENED = {"sec-fetch-dest": "document", "sec-fetch-mode": "navigate"}


async def _scope(request):
    """What the application inside is told of a request."""
    forwarded = [name for name in request.headers if "forwarded" in name or "gradio" in name]
    return JSONResponse({"url": str(request.url), "root": request.scope.get("root_path", ""), "forwarded": forwarded})


def _inside():
    return Starlette(
        routes=[
            Route("/", _scope),
            Route("/api/v1/library", _scope),
            Route("/file", lambda _: PlainTextResponse("kept", headers={"ETag": '"1"'})),
        ]
    )


def client_of(base_url=HOME, **options):
    return TestClient(Guard(_inside(), **options), base_url=base_url, follow_redirects=False)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/v1/library", {}, 200),  # curl
        ("/api/v1/library", {"sec-fetch-site": "same-origin"}, 200),
        ("/api/v1/library", {"sec-fetch-site": "none", **OPENED}, 200),  # typed
        ("/api/v1/library", {"sec-fetch-site": "cross-site"}, 403),
        ("/api/v1/library", {"sec-fetch-site": "same-site"}, 403),  # another port of this machine
        ("/api/v1/library", {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"}, 403),
        ("/api/v1/library", {"sec-fetch-site": "cross-site", **OPENED}, 403),
        ("/", {"sec-fetch-site": "cross-site", **OPENED}, 200),  # a link on another site
        ("/", {"sec-fetch-site": "cross-site", "sec-fetch-dest": "iframe"}, 403),
        ("/", {"sec-fetch-site": "cross-site", "sec-fetch-dest": "script"}, 403),
        *(
            ("/", {"origin": origin}, 403)
            for origin in ("http://[", "null", "", "http://127.0.0.1:7860@evil.example", "http://[::1")
        ),
    ],
)
def test_another_site_may_open_the_page_and_nothing_else(path, headers, status):
    assert client_of().get(path, headers=headers).status_code == status


def test_every_answer_is_for_this_site_alone_and_stays_in_no_cache():
    locked = client_of(token=TOKEN)
    answers = [
        client_of().get("/"),
        client_of().get("/nowhere"),
        client_of("http://evil.example").get("/"),
        client_of().get("/", headers={"origin": "http://evil.example"}),
        client_of().post("/gradio_api/upload"),
        locked.get("/"),
        locked.get("/", params={"token": TOKEN}),
    ]
    assert [each.status_code for each in answers] == [200, 404, 400, 403, 404, 401, 303]
    for each in answers:
        assert each.headers["x-content-type-options"] == "nosniff"
        assert each.headers["referrer-policy"] == "no-referrer"
        assert each.headers["cross-origin-resource-policy"] == "same-origin"
        assert "no-store" in each.headers["cache-control"]
    assert client_of().get("/file").headers["cache-control"] == "no-cache"  # asked for again by its tag


def status_with(token, bearer):
    """The answer to these very bytes: test clients would write them anew."""
    told = []

    async def send(message):
        told.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": "http"}
    headers = [(b"host", b"127.0.0.1"), (b"authorization", b"Bearer " + bearer)]
    asyncio.run(Guard(_inside(), token=token)({**scope, "headers": headers}, None, send))
    return told[0]["status"]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_token_may_have_umlauts(encoding):
    assert status_with(TOKEN, TOKEN.encode(encoding)) == 200
    assert status_with(TOKEN, "Schlussel-fur-Oler".encode(encoding)) == 401
    assert status_with("ż" * 16, b"?" * 16) == 401


@pytest.mark.parametrize("token", [TOKEN, "a plain secret of mine", "żółw żółw żółw żółw", "\udcff" * 16])
def test_a_token_of_any_letters_becomes_a_cookie_that_does_not_tell_it(token):
    client = client_of(token=token)
    if token.isprintable():  # else it can be given as Bearer only
        answer = client.get("/", params={"token": token})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert token not in answer.headers["set-cookie"]
        assert client.get("/").status_code == 200
    assert status_with(token, os.fsencode(token)) == 200


def cookie(client):
    ((name, morsel),) = SimpleCookie(client.get("/", params={"token": TOKEN}).headers["set-cookie"]).items()
    return name, morsel


def test_each_port_has_a_cookie_of_its_own():
    names = [cookie(client_of(f"http://127.0.0.1:{port}", token=TOKEN))[0] for port in (7860, 7861)]
    assert len(set(names)) == 2


@pytest.mark.parametrize(
    "other", ['prefs={"a": [1]}', "my pref=1", "bare", "a[0]=1", "path=/", 'open="1', "=", "\xff=\xfe"]
)
def test_a_cookie_of_another_server_of_this_machine_signs_nobody_out(other):
    name, morsel = cookie(client_of(token=TOKEN))
    own = f"{name}={morsel.value}"
    for sent in (f"{other}; {own}", f"{own}; {other}"):
        answer = client_of(token=TOKEN).get("/api/v1/library", headers={"cookie": sent.encode("latin-1")})
        assert answer.status_code == 200


@pytest.mark.parametrize(("base_url", "is_secure"), [("https://box.example", True), ("http://box.example", False)])
def test_the_cookie_of_a_request_by_https_is_secure(base_url, is_secure):
    _, morsel = cookie(client_of(base_url, token=TOKEN))
    assert (bool(morsel["secure"]), bool(morsel["httponly"])) == (is_secure, True)


PUBLIC = "https://manuals.example/colvision"


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "manuals.example", "manuals.example:443"])
@pytest.mark.parametrize("path", ["/api/v1/library", "/colvision/api/v1/library"])
def test_behind_a_proxy_the_request_is_what_the_browser_sent(host, path):
    headers = {"host": host, "origin": "https://manuals.example", "x-forwarded-host": "evil.example"}
    told = client_of(public_url=PUBLIC).get(path, headers=headers).json()
    assert told == {"url": f"{PUBLIC}/api/v1/library", "root": "/colvision", "forwarded": []}


def test_behind_a_proxy_other_names_and_sites_are_refused_all_the_same():
    client = client_of(public_url=PUBLIC)
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    assert client.get("/", headers={"origin": "https://evil.example"}).status_code == 403
    assert client.get("/colvision/api/v1/library", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.get("/colvision/", headers={"sec-fetch-site": "cross-site", **OPENED}).status_code == 200
    assert client.get("/colvisionary").status_code == 404


def test_behind_a_proxy_the_cookie_is_for_the_public_address():
    client = client_of("https://manuals.example", public_url=PUBLIC, token=TOKEN)
    answer = client.get("/", params={"token": TOKEN, "q": "oil"})
    assert answer.headers["location"] == "/colvision/?q=oil"
    morsel = next(iter(SimpleCookie(answer.headers["set-cookie"]).values()))
    assert (morsel["path"], bool(morsel["secure"])) == ("/colvision", True)


@pytest.mark.parametrize("name", ["x-forwarded-host", "x-forwarded-prefix", "forwarded", "x-gradio-server"])
def test_what_a_request_says_of_a_proxy_is_not_believed(name):
    told = client_of().get("/", headers={name: "http://evil.example"}).json()
    assert told == {"url": f"{HOME}/", "root": "", "forwarded": []}


@pytest.mark.parametrize(
    "url",
    [
        *("manuals.example", "ftp://a", "http://", "http://[", "http://a:x", "http://a/?b", "http://ä", "http://a//b"),
        *("http://a/app", "http://a/static/x", "http://a/\n", "http://a@b", "http://a/%20"),
    ],
)
def test_a_public_address_that_is_none_is_refused(tmp_path, url):
    with pytest.raises(ValueError, match=re.escape(repr(url))):
        Settings(tmp_path, public_url=url)


@pytest.mark.parametrize("url", ["", "http://a", "https://a.b/", "http://[::1]:80/x/y-z/", "http://127.0.0.1:9/apps"])
def test_a_public_address_may_have_a_port_and_a_path(tmp_path, url):
    assert Settings(tmp_path, public_url=url).public_url == url
