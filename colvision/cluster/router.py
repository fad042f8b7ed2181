"""Asks the replicas of all partitions at once, and takes what the first of each answers.

A replica that has not answered within the hedge time is remembered, and another one is asked as well: it is not waited
for again until it answers a ping. So a node that is lost costs one question the hedge time, and no other any.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from colvision.cluster.connections import LOST, Endpoint, connect
from colvision.cluster.ray_extra import import_ray
from colvision.cluster.sent import pack, unpack
from colvision.errors import ClusterBusy, ColvisionError, PartitionUnavailable

_PROBE_SECONDS = 0.5  # between pings of those that did not answer
_PAUSE = 0.1  # seconds before a partition is asked again that nobody answers for


@dataclass(frozen=True, slots=True)
class RouterOptions:
    """`hedge` are the seconds after which another replica is asked as well, `time_limit` those that a question may take
    and `write_limit` those that a partition is waited for that is to be written. At most `max_in_flight` questions are
    asked at once; more wait. With `allow_partial` a partition that does not answer is left out of answers, which say
    so. Answers are `exact`, those of one library that compares all its pages; without, partitions that are large enough
    choose candidates first, which is quicker, and what is rare is estimated by each.
    """

    hedge: float = 0.5
    time_limit: float = 60.0
    write_limit: float = 600.0
    max_in_flight: int = 32
    allow_partial: bool = False
    exact: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.hedge < self.time_limit or self.max_in_flight < 1:
            raise ValueError(
                f"hedge {self.hedge} s, time_limit {self.time_limit} s, max_in_flight {self.max_in_flight}: expected a "
                "hedge above 0 and below the limit, and at least one question"
            )


@dataclass(eq=False, slots=True)
class ReplicaHandle:
    """A replica as a client sees it: `find` gets its actor anew, as another one may have its name.

    `located` is a call of Ray that waits to hear where it listens, `free` are connections to there.
    """

    partition: int
    number: int
    find: Callable[[], Any]
    actor: Any = None
    is_dead: bool = False
    located: Any = None
    endpoint: Endpoint | None = None
    free: list[Connection] = field(default_factory=list)

    def lose(self) -> None:
        """It does not answer: it is not asked again until it is heard of."""
        self.is_dead, self.endpoint = True, None
        with suppress(IndexError):
            while True:
                self.free.pop().close()


class _Asked(NamedTuple):
    """By a connection that waits for an answer, `since` (monotonic seconds)."""

    replica: ReplicaHandle
    endpoint: Endpoint | None
    since: float


class Reply(NamedTuple):
    """What a replica has answered."""

    value: Any
    replica: ReplicaHandle


@dataclass(eq=False, slots=True)
class _Call:
    """One method asked of several partitions."""

    method: str
    given: Callable[[int], tuple[Any, ...]]
    prefer: Mapping[int, ReplicaHandle]
    version: int | None
    waiting: dict[Connection, _Asked] = field(default_factory=dict)
    tried: dict[int, list[ReplicaHandle]] = field(default_factory=dict)
    replies: dict[int, Reply] = field(default_factory=dict)

    def of(self, partition: int) -> dict[Connection, _Asked]:
        return {connection: asked for connection, asked in self.waiting.items() if asked.replica.partition == partition}


class Router:
    """Safe to share between threads; `close` it."""

    def __init__(self, replicas: Mapping[int, list[ReplicaHandle]], options: RouterOptions, *, name: str) -> None:
        self._ray = import_ray()
        self._replicas = replicas
        self._name = name
        self.options = options
        self._in_flight = threading.BoundedSemaphore(options.max_in_flight)
        self.versions: dict[int, int] = {}  # of the mirror, that this client has written, by partition
        self._turn = 0
        self._closed = threading.Event()
        self._probing = threading.Thread(target=self._probe, name="colvision-probe", daemon=True)
        self._probing.start()

    def close(self) -> None:
        self._closed.set()
        self._probing.join()
        for replica in self._every():
            replica.lose()

    def _every(self) -> list[ReplicaHandle]:
        return [each for replicas in self._replicas.values() for each in replicas]

    @property
    def partitions(self) -> range:
        return range(len(self._replicas))

    def replicas(self, partition: int) -> list[ReplicaHandle]:
        return self._replicas[partition]

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A question is asked for as long as the block lasts. Raises `ClusterBusy`."""
        if not self._in_flight.acquire(timeout=self.options.time_limit):
            raise ClusterBusy(
                f"{self.options.max_in_flight} questions to {self._name} are being answered, and none was done in "
                f"{self.options.time_limit:g} s: ask again later, or raise max_in_flight"
            )
        try:
            yield
        finally:
            self._in_flight.release()

    def ask(
        self,
        method: str,
        given: Callable[[int], tuple[Any, ...]],
        partitions: Iterable[int] | None = None,
        *,
        prefer: Mapping[int, ReplicaHandle] | None = None,
        version: int | None = None,
    ) -> dict[int, Reply]:
        """What a replica of each partition answers; `given` are the arguments for a partition.

        A replica of an object store serves at least the state `version` then; None: what this client has written.

        Raises what the method raises, and `PartitionUnavailable`, unless answers may be partial.
        """
        wanted = list(self.partitions if partitions is None else partitions)
        call = _Call(method, given, prefer or {}, version)
        try:
            return self._ask(call, wanted)
        finally:
            for connection in call.waiting:  # what comes by it is of nobody's interest
                connection.close()

    def _ask(self, call: _Call, wanted: list[int]) -> dict[int, Reply]:
        deadline = time.monotonic() + self.options.time_limit
        for partition in wanted:
            self._send(call, partition)
        while True:
            left = deadline - time.monotonic()
            self._collect(call, max(min(self.options.hedge, left), 0.0))
            missing = [partition for partition in wanted if partition not in call.replies]
            if not missing:
                return call.replies
            if left <= 0:
                if self.options.allow_partial and call.replies:
                    return call.replies
                raise self._unavailable(missing[0], self.options.time_limit)
            collected = time.monotonic()  # what has come since is not late
            for partition in missing:
                self._hedge(call, partition, collected)

    def ask_one(self, partition: int, method: str, *given: Any) -> Any:  # noqa: ANN401  what the method returns
        return self.ask(method, lambda _: given, [partition])[partition].value

    def write(self, partition: int, method: str, *given: Any) -> Any:  # noqa: ANN401
        """What the partition's writer answers: the first replica that lives. When it dies meanwhile, the next is asked.

        So a method may be begun twice. Raises what the method raises, and `PartitionUnavailable`.
        """
        deadline = time.monotonic() + self.options.write_limit
        while time.monotonic() < deadline:
            for replica in [each for each in self.replicas(partition) if not each.is_dead]:
                try:
                    result, version = self._ray.get(getattr(self._actor(replica), method).remote(*given))
                except self._ray.exceptions.RayTaskError as error:
                    raise _cause(error) from None
                except (self._ray.exceptions.RayError, ValueError):
                    replica.lose()
                else:
                    self.versions[partition] = max(version, self.versions.get(partition, 0))
                    return result
            self._closed.wait(_PAUSE)
        raise self._unavailable(partition, self.options.write_limit)

    def _unavailable(self, partition: int, seconds: float) -> PartitionUnavailable:
        count = len(self.replicas(partition))
        return PartitionUnavailable(
            f"partition {partition} of {self._name} does not answer: none of its {count} replicas did in "
            f"{seconds:g} s; `status()` says where they are"
        )

    def _send(self, call: _Call, partition: int) -> None:
        """Asks a replica that was not asked yet, rather a living one; when all were, all are asked anew."""
        tried = call.tried.setdefault(partition, [])
        own = self.replicas(partition)
        left = [each for each in own if each not in tried]
        if not left:
            tried.clear()
            left = own
        self._turn += 1
        first = call.prefer.get(partition)
        turn = self._turn
        replica = min(left, key=lambda each: (each.is_dead, each is not first, (each.number + turn) % len(own)))
        tried.append(replica)
        version = self.versions.get(partition, 0) if call.version is None else call.version
        try:
            connection = self._connected(replica)
            connection.send_bytes(pack((call.method, version, call.given(partition))))
        except (*LOST, self._ray.exceptions.RayError, ValueError):  # no actor of its name, or one that is gone
            replica.lose()
            return
        call.waiting[connection] = _Asked(replica, replica.endpoint, time.monotonic())

    def _connected(self, replica: ReplicaHandle) -> Connection:
        """Raises one of `LOST`, what Ray raises, and `ValueError` where there is no such actor."""
        endpoint = replica.endpoint or self._locate(replica, 0.0 if replica.is_dead else self.options.hedge)
        if endpoint is None:
            raise ConnectionError(f"replica {replica.number} of partition {replica.partition} does not say where it is")
        with suppress(IndexError):
            return replica.free.pop()
        return connect(endpoint)

    def _collect(self, call: _Call, timeout: float) -> None:
        """Takes the answers that come within a time. Raises what the method raises."""
        if not call.waiting:
            self._closed.wait(min(_PAUSE, timeout))
            return
        late = [asked.since + self.options.hedge - time.monotonic() for asked in call.waiting.values()]
        soon = min((left for left in late if left > 0), default=timeout)
        for connection in wait(list(call.waiting), min(soon, timeout)):
            assert isinstance(connection, Connection)
            replica = call.waiting.pop(connection).replica
            try:
                packed, error = unpack(connection.recv_bytes())
            except LOST:
                connection.close()
                replica.lose()
                continue
            self._keep(replica, connection)
            if error is not None:
                raise error
            call.replies.setdefault(replica.partition, Reply(unpack(packed), replica))

    def _keep(self, replica: ReplicaHandle, connection: Connection) -> None:
        """One that has answered: it lives, and its connection is free."""
        replica.is_dead = False
        if self._closed.is_set():
            connection.close()
        else:
            replica.free.append(connection)

    def _hedge(self, call: _Call, partition: int, now: float) -> None:
        """Asks another replica where those that were asked are late, or dead."""
        pending = call.of(partition)
        for connection, asked in list(pending.items()):
            if now - asked.since < self.options.hedge:
                return  # it is waited for
            if asked.replica.endpoint in (None, asked.endpoint):
                asked.replica.is_dead = True
            else:  # it was started anew, and has never heard of this
                del call.waiting[connection], pending[connection]
                connection.close()
        untried = [each for each in self.replicas(partition) if each not in call.tried.get(partition, [])]
        if untried or not pending:
            self._send(call, partition)

    def _actor(self, replica: ReplicaHandle) -> Any:  # noqa: ANN401
        if replica.actor is None:
            replica.actor = replica.find()
        return replica.actor

    def _probe(self) -> None:
        """Looks for those that did not answer; whoever answers a ping is asked again."""
        while not self._closed.wait(_PROBE_SECONDS):
            for replica in self._every():
                with suppress(*LOST, self._ray.exceptions.RayError, ValueError):
                    if replica.is_dead:
                        self._ping(replica)

    def _ping(self, replica: ReplicaHandle) -> None:
        with suppress(self._ray.exceptions.RayError, ValueError):
            self._locate(replica, 0.0)  # it may be another one now
        connection = self._connected(replica)
        connection.send_bytes(pack(("ping", 0, ())))
        if connection.poll(self.options.hedge):
            connection.recv_bytes()
            self._keep(replica, connection)
        else:
            connection.close()

    def _locate(self, replica: ReplicaHandle, patience: float) -> Endpoint | None:
        """Asks where a replica listens, by Ray; what it says within a later call counts as well."""
        asked = replica.located
        if asked is None:
            replica.actor = replica.find()
            asked = replica.located = replica.actor.endpoint.remote()
        ready, _ = self._ray.wait([asked], timeout=patience)
        if ready:
            replica.located = None
            endpoint: Endpoint = self._ray.get(asked)
            if endpoint != replica.endpoint:
                is_dead = replica.is_dead
                replica.lose()
                replica.endpoint, replica.is_dead = endpoint, is_dead
        return replica.endpoint


def _cause(error: Any) -> Exception:  # noqa: ANN401  a RayTaskError
    """What was raised in the replica."""
    cause = error.cause
    return cause if isinstance(cause, ColvisionError | ValueError | TypeError | OSError) else error
