"""The way that questions take: connections to the replicas, as a call of Ray takes a millisecond or two more.

Ray says where a replica listens, and the key that it asks for. A connection carries one call at a time; those that are
free are kept for the next ones.
"""

import hmac
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NamedTuple

from colvision.cluster.sent import pack

_KEY_BYTES = 32
_BACKLOG = 128  # connections that wait to be taken

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

    def reply(asked: bytes) -> bytes:
        try:
            with places:
                return pack((answer(asked), None))
        except Exception as error:  # noqa: BLE001  it is raised where it was asked
            return pack((b"", error))

    def talk(connection: Connection) -> None:
        with connection, suppress(*LOST):
            if hmac.compare_digest(connection.recv_bytes(_KEY_BYTES), endpoint.key):
                while True:
                    connection.send_bytes(reply(connection.recv_bytes()))

    def accept() -> None:
        while True:
            with suppress(OSError):  # of one who has gone away at once
                talking = [_connection(listener.accept()[0])]
                threading.Thread(target=talk, args=talking, name="colvision-talk", daemon=True).start()

    threading.Thread(target=accept, name="colvision-accept", daemon=True).start()
    return endpoint


def connect(endpoint: Endpoint, timeout: float) -> Connection:
    """Raises one of `LOST` where nobody listens, or takes longer than `timeout` seconds to say so."""
    connection = _connection(socket.create_connection((endpoint.host, endpoint.port), timeout))
    connection.send_bytes(endpoint.key)
    return connection


def _connection(own: socket.socket) -> Connection:
    own.settimeout(None)
    own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # nothing waits for what comes after it
    return Connection(own.detach())
