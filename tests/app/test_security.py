"""The guard in front of the application: what other sites see of it, tokens, and the address behind a proxy."""

import asyncio
import json
import os
import re
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

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


def cookie(client, token=TOKEN):
    ((name, morsel),) = SimpleCookie(client.get("/", params={"token": token}).headers["set-cookie"]).items()
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


BY_PROXY = {
    "host": "127.0.0.1:7860",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "manuals.example",
    "x-forwarded-prefix": "/colvision",
}


def proxied(peer, headers, path="/api/v1/library", **options):
    """What a request becomes that comes from the address `peer`."""
    told = []

    async def send(message):
        told.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"scheme": "http", "headers": raw, "client": (peer, 5), "server": ("127.0.0.1", 7860), "root_path": ""}
    asyncio.run(Guard(_inside(), **options)(scope, receive, send))
    return told[0]["status"], json.loads(told[1]["body"])


@pytest.mark.parametrize("listed", ["10.1.2.3", "10.0.0.0/8", "*", "::1, 10.1.2.3"])
@pytest.mark.parametrize("path", ["/api/v1/library", "/colvision/api/v1/library"])
def test_a_proxy_that_is_named_is_believed(listed, path):
    headers = BY_PROXY | {"authorization": "Bearer a secret of mine", "origin": "https://manuals.example"}
    status, told = proxied("10.1.2.3", headers, path, token="a secret of mine", forwarded_allow_ips=listed)
    assert (status, told["url"]) == (200, f"{PUBLIC}/api/v1/library")
    assert (told["root"], told["forwarded"]) == ("/colvision", [])


@pytest.mark.parametrize(("peer", "listed"), [("10.1.2.3", "127.0.0.1"), ("10.1.2.3", ""), ("testclient", "10.1.2.3")])
def test_one_that_is_not_named_is_not(peer, listed):
    headers = BY_PROXY | {"authorization": "Bearer a secret of mine"}
    status, told = proxied(peer, headers, token="a secret of mine", forwarded_allow_ips=listed)
    assert (status, told["url"], told["root"]) == (200, f"{HOME}/api/v1/library", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-forwarded-host", "evil.example/path"),
        ("x-forwarded-host", "a b"),
        ("x-forwarded-proto", "javascript"),
        ("x-forwarded-prefix", "//evil.example"),
        ("x-forwarded-prefix", '/"><script>'),
        ("x-forwarded-prefix", "/api"),
    ],
)
def test_what_no_proxy_should_say_is_left_out(name, value):
    headers = {"host": "127.0.0.1:7860", name: value, "authorization": "Bearer a secret of mine"}
    status, told = proxied("10.1.2.3", headers, token="a secret of mine", forwarded_allow_ips="*")
    assert (status, told["url"], told["root"]) == (200, f"{HOME}/api/v1/library", "")


def test_of_several_proxies_the_nearest_is_heard():
    headers = BY_PROXY | {
        "x-forwarded-host": "evil.example, manuals.example",
        "authorization": "Bearer a secret of mine",
    }
    _, told = proxied("10.1.2.3", headers, token="a secret of mine", forwarded_allow_ips="*")
    assert told["url"].startswith("https://manuals.example/")


@pytest.mark.parametrize("path", ["/api/v1/library", "/tools/colvision/api/v1/library"])
def test_below_a_path_the_host_stays_that_of_the_request(path):
    told = client_of(root_path="/tools/colvision/").get(path).json()
    assert (told["url"], told["root"]) == (f"{HOME}/tools/colvision/api/v1/library", "/tools/colvision")
    assert client_of("http://evil.example", root_path="/tools").get("/tools/").status_code == 400


def test_two_applications_on_one_host_do_not_sign_each_other_out():
    """Below two paths of one port, or at two ports: a browser sends all that it has of the host and the path."""
    hosts = ["https://box.example/a", "https://box.example/b", "https://box.example:7860", "https://box.example:7861"]
    tokens = [f"the secret of number {number}" for number in range(4)]
    clients = []
    for host, token in zip(hosts, tokens, strict=True):
        path = urlsplit(host).path
        clients.append(client_of(host.removesuffix(path), token=token, root_path=path))
    morsels = [cookie(client, token) for client, token in zip(clients, tokens, strict=True)]
    assert [morsel["path"] for _, morsel in morsels] == ["/a", "/b", "/", "/"]
    sent = "; ".join(f"{name}={morsel.value}" for name, morsel in morsels)
    for client in clients:
        client.cookies.clear()
        assert client.get("/api/v1/library", headers={"cookie": sent}).status_code == 200


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"root_path": "colvision"}, "expected a path such as /colvision"),
        ({"root_path": "/api"}, "expected a path"),
        ({"root_path": "/a b"}, "expected a path"),
        ({"forwarded_allow_ips": "proxy", "token": "a secret of mine"}, "expected such as 127.0.0.1"),
        ({"forwarded_allow_ips": "127.0.0.1"}, "without COLVISION_TOKEN"),
        ({"forwarded_allow_ips": "*", "token": "a secret of mine", "public_url": PUBLIC}, "leave out"),
        ({"root_path": "/a", "public_url": PUBLIC}, "leave out"),
    ],
)
def test_settings_of_a_proxy_that_do_not_go_together_are_refused(tmp_path, given, sentence):
    with pytest.raises(ValueError, match=sentence):
        Settings(tmp_path, **given)


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
