"""Calls that go to replicas beside Ray's."""

import socket
import threading
from multiprocessing.connection import Connection

import pytest

from colvision.cluster.connections import LOST, connect, serve
from colvision.cluster.sent import pack, unpack
from colvision.errors import CollectionNotFound

HOST = "127.0.0.1"


def ask(connection: Connection, value: object) -> object:
    connection.send_bytes(pack(value))
    packed, error = unpack(connection.recv_bytes())
    return error or unpack(packed)


def test_a_connection_carries_calls_what_they_raise_and_large_answers():
    def answer(packed):
        value = unpack(packed)
        if value == "nothing":
            raise CollectionNotFound("there is none")
        return pack(value * 2)

    with connect(serve(HOST, answer, 2)) as connection:
        assert ask(connection, 21) == 42
        error = ask(connection, "nothing")
        assert (type(error), str(error)) == (CollectionNotFound, "there is none")
        large = b"x" * 3_000_000
        assert ask(connection, large) == large * 2


def test_no_more_calls_are_answered_at_once_than_is_said():
    begun, going_on, most = threading.Semaphore(0), threading.Event(), []
    running: list[int] = []

    def answer(packed):
        running.append(1)
        most.append(len(running))
        begun.release()
        assert going_on.wait(30)
        running.pop()
        return packed

    endpoint = serve(HOST, answer, 2)
    connections = [connect(endpoint) for _ in range(5)]
    for connection in connections:
        connection.send_bytes(pack("q"))
    for _ in range(2):
        assert begun.acquire(timeout=30)
    assert not begun.acquire(timeout=0.2)
    going_on.set()
    for connection in connections:
        assert unpack(connection.recv_bytes()) == (pack("q"), None)
        connection.close()
    assert max(most) == 2


@pytest.mark.parametrize("said", [b"another key", b"x" * 1000, None])
def test_who_has_not_the_key_is_answered_nothing(said):
    asked = []
    endpoint = serve(HOST, lambda packed: asked.append(packed) or packed, 1)
    with socket.create_connection((endpoint.host, endpoint.port), 5) as stranger:
        connection = Connection(stranger.detach())
    if said is None:
        connection.close()
    else:
        connection.send_bytes(said)
        with pytest.raises(LOST):
            connection.send_bytes(pack("q"))
            connection.recv_bytes()
    with connect(endpoint) as known:  # which they do not keep from it
        assert ask(known, "q") == "q"
    assert asked == [pack("q")]


def test_nobody_is_lost_at_once():
    with socket.create_server((HOST, 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(LOST):
        connect(serve(HOST, bytes, 1)._replace(port=port))
