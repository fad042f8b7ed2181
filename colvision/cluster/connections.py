"""The way that questions take: connections to the replicas, as a call of Ray takes a millisecond or two more.

Ray says where a replica listens, and the key that it asks for. A connection carries one call at a time; those that are
free are kept for the next ones.
"""

import hmac
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NamedTuple

from colvision.cluster.sent import pack, unpack

_KEY_BYTES = 32
_BACKLOG = 128  # connections that wait to be taken
_PAUSE = 0.1  # seconds after a connection that could not be taken: too many files are open, or threads are there
_CONNECT_SECONDS = 0.1  # a machine that is there says so at once
_STALL_SECONDS = 2.0  # without a byte in the midst of a question or an answer, and it counts as lost
_KEEPALIVE = {
    "TCP_KEEPIDLE": 20,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
}  # seconds until a machine without power is missed

LOST = (OSError, EOFError)  # what a connection raises when its other end is gone


class Endpoint(NamedTuple):
    """Where a replica listens. Who has the key may ask it anything, as whoever reaches its Ray."""

    host: str
    port: int
    key: bytes


def serve(host: str, answer: Callable[[bytes], bytes], at_once: int) -> Endpoint:
    """Answers calls at a free port of `host` for as long as this process lives, so many of them at a time.

    What is sent back is, packed, what `answer` returns and None, or nothing and what it raises.
    """
    listener = socket.create_server((host, 0), backlog=_BACKLOG)
    endpoint = Endpoint(host, listener.getsockname()[1], os.urandom(_KEY_BYTES))
    places = threading.BoundedSemaphore(at_once)

    def talk(connection: Connection) -> None:
        with connection, suppress(*LOST):
            if not hmac.compare_digest(connection.recv_bytes(_KEY_BYTES), endpoint.key):
                return
            while True:
                asked = connection.recv_bytes()
                with places:
                    if connection.poll():  # nobody asks twice: who asked has gone
                        return
                    reply = _reply(answer, asked)
                connection.send_bytes(reply)

    def accept() -> None:
        while True:
            try:
                talking = [_connection(listener.accept()[0])]
                threading.Thread(target=talk, args=talking, name="colvision-talk", daemon=True).start()
            except (OSError, RuntimeError):
                time.sleep(_PAUSE)

    threading.Thread(target=accept, name="colvision-accept", daemon=True).start()
    return endpoint


def _reply(answer: Callable[[bytes], bytes], asked: bytes) -> bytes:
    try:
        return pack((answer(asked), None))
    except Exception as error:  # noqa: BLE001  it is raised where it was asked
        with suppress(Exception):
            unpack(pack(error))
            return pack((b"", error))
        return pack((b"", RuntimeError(f"{type(error).__name__}: {error}")))


def connect(endpoint: Endpoint) -> Connection:
    """Raises one of `LOST` where nobody says at once that he listens; so do calls that come to a halt."""
    own = socket.create_connection((endpoint.host, endpoint.port), _CONNECT_SECONDS)
    own.settimeout(None)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        own.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(_STALL_SECONDS), 0))
    connection = _connection(own)
    connection.send_bytes(endpoint.key)
    return connection


def _connection(own: socket.socket) -> Connection:
    own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # nothing waits for what comes after it
    own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            own.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return Connection(own.detach())
