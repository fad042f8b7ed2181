"""How long a client may take, over real connections to a real server."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest
import uvicorn
from colvision.app.connections import ImpatientApp, connection_class
from colvision.app.settings import TooSlow

from colvision.app import connections

CHUNK = b"x" * 2**16
PATIENCE = 60.0  # seconds, on a busy machine


async def app(scope, receive, send):
    """Reads the body where there is one to read, and answers with its size, or 64 KB so many times."""
    assert scope["type"] == "http"
    size, status = 0, 200
    if scope["path"] == "/read":
        try:
            is_complete = False
            while not is_complete:
                message = await receive()
                size += len(message.get("body", b""))
                is_complete = not message.get("more_body")
        except TooSlow:
            status = 408
    await send({"type": "http.response.start", "status": status, "headers": []})
    for _ in range(int(scope["query_string"] or 0)):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b"%d" % size})


@pytest.fixture
def server():
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        ImpatientApp(app), http=connection_class(3), ws="none", lifespan="off", log_level="critical"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
    thread.start()
    yield server
    server.should_exit = True
    thread.join()
    listening.close()


@pytest.fixture
def address(server):
    wait_for(lambda: server.started)
    return server.servers[0].sockets[0].getsockname()


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


def ask(address, *parts, sent=None):
    """All that the server says until it closes; the parts are sent with pauses, and added to `sent` as they go."""
    sent = [] if sent is None else sent
    with socket.create_connection(address, timeout=PATIENCE) as client:
        answer = b""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for part in parts:
                client.sendall(part)
                sent.append(part)
                time.sleep(0.1)
        with contextlib.suppress(ConnectionResetError):
            while data := client.recv(2**16):
                answer += data
        return answer


def test_a_head_that_dribbles_is_not_waited_for(address, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.4)
    assert ask(address, *(b"G" for _ in range(20))) == b""
    assert ask(address) == b""


def test_nor_is_the_next_head_on_the_same_connection(address, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 2.0)  # the first one has to come within it
    answer = ask(address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", *(b"G" for _ in range(30)))
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("parts", [[], [b"a"] * 20])
def test_a_body_that_is_too_slow_is_given_up_and_told_so(address, monkeypatch, parts):
    for name in ("BODY", "REST"):
        monkeypatch.setattr(connections, f"{name}_SECONDS", 0.4)
    head = b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
    assert ask(address, head, *parts).startswith(b"HTTP/1.1 408")


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time is what a test makes of it."""

    now = 0.0

    def time(self):
        return self.now


@pytest.mark.parametrize(("size", "status"), [(2**18, 200), (2**17, 200), (2**16, 408)])
def test_a_body_may_take_long_when_it_comes_at_a_fair_speed(size, status):
    """Twenty parts with twelve seconds before each: of a quarter of a MB, an eighth, which is just enough, and less."""
    left, sent = list(range(19, -1, -1)), []

    async def receive():
        asyncio.get_running_loop().now += 12.0
        await asyncio.sleep(0)
        return {"type": "http.request", "body": bytes(size), "more_body": left.pop() < 19}

    async def send(message):
        sent.append(message)

    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(ImpatientApp(app)({"type": "http", "path": "/read", "query_string": b""}, receive, send))
    assert sent[0]["status"] == status
    assert (sent[-1]["body"] == b"%d" % (20 * size)) == (status == 200)


def test_what_still_comes_of_a_body_that_nobody_wants_ends_as_well(address, monkeypatch):
    monkeypatch.setattr(connections, "REST_SECONDS", 0.4)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
    sent = []
    assert ask(address, head, *[b"a"] * 100, sent=sent).startswith(b"HTTP/1.1 200")
    assert len(sent) < 100  # the server has hung up before


def test_an_answer_that_nobody_reads_is_not_kept(server, address, monkeypatch):
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.4)
    with socket.create_connection(address, timeout=PATIENCE) as client:
        client.sendall(b"GET /?1000 HTTP/1.1\r\nHost: a\r\n\r\n")
        client.recv(1)  # the answer has begun
        wait_for(lambda: not server.server_state.connections)
        answer = 0
        with contextlib.suppress(ConnectionResetError):
            while data := client.recv(2**20):
                answer += len(data)
    assert answer < 1000 * len(CHUNK)


def test_one_connection_too_many_is_told_to_come_again(server, address):
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(address))
        answer = ask(address)
    assert answer.startswith(b"HTTP/1.1 503") and b"\r\nRetry-After: 10\r\n" in answer
    assert answer.endswith(b'{"error": "too many connections are open: try again in a moment"}')
    wait_for(lambda: not server.server_state.connections)
    assert ask(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_what_is_not_answered_when_the_server_stops_is_told_so():
    async def slow(scope, receive, send):
        await asyncio.sleep(60)

    async def stopped():
        sent = []

        async def send(message):
            sent.append(message)

        task = asyncio.create_task(ImpatientApp(slow)({"type": "http"}, None, send))
        await asyncio.sleep(0)
        task.cancel()
        await task
        return sent

    begun, body = asyncio.run(stopped())
    assert begun["status"] == 503 and (b"retry-after", b"10") in begun["headers"]
    assert b"the server is being stopped" in body["body"]
