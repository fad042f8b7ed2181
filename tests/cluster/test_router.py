"""Whom a router asks when replicas are late, hang, or are lost: real connections, without Ray."""

import socket
import threading
import time
from multiprocessing.connection import Connection

import pytest

pytest.importorskip("ray", reason="a cluster needs Ray: pip install 'colvision[ray]'")

from colvision.cluster.connections import Endpoint, serve
from colvision.cluster.router import ReplicaHandle, Router, RouterOptions
from colvision.cluster.sent import pack, unpack
from colvision.errors import CollectionNotFound, PartitionUnavailable

HOST = "127.0.0.1"
HEDGE = 0.3


def nobody():
    raise ValueError("no actor has this name")


def answering(word):
    """The endpoint of a replica that says this, and to whom."""

    def answer(packed):
        method, _, given = unpack(packed)
        if method == "refuse":
            raise CollectionNotFound("there is none")
        if method == "break":
            raise _Unpackable(1, reason=threading.Lock())
        return pack((word, *given))

    return serve(HOST, answer, 4)


class _Unpackable(Exception):
    """As one that holds what cannot be sent."""

    def __init__(self, number, *, reason):
        super().__init__(f"number {number}")
        self.reason = reason


class Hanging:
    """A replica that takes calls and sends the first bytes of an answer at most, as one that is stopped or cut off."""

    def __init__(self, *, begun=b""):
        self.listener = socket.create_server((HOST, 0))
        self.endpoint = Endpoint(HOST, self.listener.getsockname()[1], b"k" * 32)
        self.begun, self.taken = begun, []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self):
        while True:
            own, _ = self.listener.accept()
            connection = Connection(own.detach())
            self.taken.append(connection)
            connection.recv_bytes()
            if self.begun:
                connection.recv_bytes()
                with socket.socket(fileno=connection.fileno()) as raw:
                    raw.sendall(self.begun)
                    raw.detach()


@pytest.fixture
def router_of():
    made = []

    def make(*partitions, **options):
        replicas = {
            partition: [
                ReplicaHandle(partition, number, nobody, endpoint=endpoint) for number, endpoint in enumerate(endpoints)
            ]
            for partition, endpoints in enumerate(partitions)
        }
        made.append(Router(replicas, RouterOptions(**{"hedge": HEDGE, "time_limit": 20.0} | options), name="here"))
        return made[-1]

    yield make
    for router in made:
        router.close()


def values(router, method="say", prefer=None):
    chosen = {} if prefer is None else {0: router.replicas(0)[prefer]}
    return {at: reply.value for at, reply in router.ask(method, lambda at: (at,), prefer=chosen).items()}


def test_all_partitions_answer_and_connections_are_used_again(router_of):
    router = router_of([answering("a")], [answering("b")])
    for _ in range(3):
        assert values(router) == {0: ("a", 0), 1: ("b", 1)}
    assert [len(router.replicas(at)[0].free) for at in (0, 1)] == [1, 1]


def test_what_a_replica_raises_is_raised_and_it_goes_on(router_of):
    router = router_of([answering("a")])
    with pytest.raises(CollectionNotFound, match="there is none"):
        values(router, "refuse")
    with pytest.raises(RuntimeError, match="_Unpackable: number 1"):
        values(router, "break")
    assert values(router) == {0: ("a", 0)}
    assert not router.replicas(0)[0].is_dead


@pytest.mark.parametrize("begun", [b"", (1000).to_bytes(4, "big") + b"ten bytes."], ids=["silent", "amid an answer"])
def test_a_replica_that_hangs_costs_one_question_a_moment_and_the_next_ones_nothing(router_of, begun):
    router = router_of([Hanging(begun=begun).endpoint, answering("b")])
    assert values(router, prefer=0) == {0: ("b", 0)}
    assert router.replicas(0)[0].is_dead
    time.sleep(2 * HEDGE)  # it is pinged meanwhile, and does not answer
    began = time.monotonic()
    for _ in range(5):
        assert values(router, prefer=0) == {0: ("b", 0)}
    assert time.monotonic() - began < HEDGE


def test_a_replica_that_is_started_anew_elsewhere_is_asked_by_the_question_that_waits(router_of):
    router = router_of([Hanging().endpoint])
    replica = router.replicas(0)[0]

    def start_anew():
        time.sleep(2 * HEDGE)
        replica.endpoint = answering("anew")  # as Ray tells

    threading.Thread(target=start_anew).start()
    assert values(router) == {0: ("anew", 0)}


def test_a_replica_that_answers_again_is_asked_again(router_of):
    router = router_of([answering("a"), answering("b")])
    replica = router.replicas(0)[0]
    replica.is_dead = True
    deadline = time.monotonic() + 20
    while replica.is_dead:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert values(router, prefer=0) == {0: ("a", 0)}


def test_a_partition_that_nobody_answers_for_is_named_or_left_out(router_of):
    with socket.create_server((HOST, 0)) as closed:
        gone = Endpoint(HOST, closed.getsockname()[1], b"k" * 32)
    partitions = [answering("a")], [gone]
    with pytest.raises(PartitionUnavailable, match="partition 1 of here does not answer: none of its 1 replicas"):
        values(router_of(*partitions, time_limit=1.0))
    assert values(router_of(*partitions, time_limit=1.0, allow_partial=True)) == {0: ("a", 0)}


def test_many_who_ask_at_once_while_a_replica_is_lost_again_and_again_are_all_answered(router_of):
    router = router_of([answering("a"), answering("b")])
    losing = threading.Event()

    def lose():
        replica, endpoint = router.replicas(0)[0], router.replicas(0)[0].endpoint
        while not losing.wait(0.001):
            replica.lose()
            replica.endpoint, replica.is_dead = endpoint, False

    found = []
    asking = [threading.Thread(target=lambda: found.extend(values(router) for _ in range(50))) for _ in range(6)]
    loser = threading.Thread(target=lose)
    for each in (loser, *asking):
        each.start()
    for each in asking:
        each.join()
    losing.set()
    loser.join()
    assert len(found) == 300 and all(each[0][1] == 0 for each in found)
