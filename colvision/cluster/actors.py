"""The actors of a cluster: which there are, on which nodes they start, and how they are started anew.

An actor has a name, so every client finds the same; it lives on when its client ends, and Ray starts it again,
elsewhere if need be, when its node is lost. It keeps no data but what is in its library's folder, or in the mirror.
"""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from colvision.cluster.layout import ClusterLayout, partition_name
from colvision.cluster.ray_extra import import_ray
from colvision.cluster.registrar import Registrar
from colvision.cluster.replica import Replica, ReplicaOptions
from colvision.cluster.router import ReplicaHandle, Router, RouterOptions
from colvision.errors import PartitionUnavailable

_CALLS_AT_ONCE = 8  # of one replica: threads, of which numpy and the kernels leave Python's lock
_START_SECONDS = 300.0  # a replica of an object store fetches its partition first
_STATUS_SECONDS = 5.0
_REGISTRAR = "registrar"


class Actors:
    """Starts and finds the actors of one cluster, in the Ray that this process is connected to."""

    def __init__(self, layout: ClusterLayout, options: ReplicaOptions, gpus: float | None) -> None:
        self._ray = import_ray()
        self._layout = layout
        self._options = options
        self._gpus = gpus

    def start(self) -> None:
        """Starts those that are not there yet, and waits for them. Raises `PartitionUnavailable`."""
        nodes = self.nodes()
        started = []
        for partition in range(self._layout.partitions):
            for number in range(self._layout.replicas):
                name = _replica_name(partition, number)
                with suppress(ValueError):
                    started.append((name, self._find(name).ping.remote()))
                    continue
                node = nodes[(partition + number) % len(nodes)]
                actor = self._start_replica(partition, number, node, get_if_exists=True)
                started.append((name, actor.ping.remote()))
        for name, reference in started:
            self._wait(name, reference)
        self.registrar()

    def nodes(self) -> list[str]:
        """The ids of the living nodes that may compute, those without processors only where there are no others."""
        alive = [node for node in self._ray.nodes() if node["Alive"]]
        able = [node for node in alive if node["Resources"].get("CPU", 0) > 0] or alive
        return sorted(node["NodeID"] for node in able)

    def node_of(self, partition: int, number: int) -> str:
        """The node that a replica runs on, "" for one that does not."""
        with suppress(ValueError, self._ray.exceptions.RayError):
            actor = self._find(_replica_name(partition, number))
            state = self._ray.get(actor.node.remote(), timeout=5.0)
            return str(state)
        return ""

    def statuses(self) -> dict[int, list[dict[str, Any] | None]]:
        """What each replica of each partition says of itself, None where one does not within seconds."""
        asked: dict[int, list[Any]] = {}
        for partition, replicas in replica_handles(self._layout).items():
            asked[partition] = []
            for each in replicas:
                reference = None
                with suppress(ValueError, self._ray.exceptions.RayError):
                    reference = each.find().status.remote()
                asked[partition].append(reference)
        waiting = [each for references in asked.values() for each in references if each is not None]
        if waiting:
            self._ray.wait(waiting, num_returns=len(waiting), timeout=_STATUS_SECONDS)
        return {partition: [self._value(each) for each in references] for partition, references in asked.items()}

    def _value(self, reference: Any) -> dict[str, Any] | None:  # noqa: ANN401
        with suppress(self._ray.exceptions.RayError):
            if reference is not None:
                value: dict[str, Any] = self._ray.get(reference, timeout=0)
                return value
        return None

    def registrar(self) -> Any:  # noqa: ANN401  an actor
        """Started where it is not there yet, on the head node, which Ray needs anyway."""
        with suppress(ValueError):
            return self._find(_REGISTRAR)
        nodes = self._ray.nodes()
        head = next((node["NodeID"] for node in nodes if node["Resources"].get("node:__internal_head__")), None)
        options = self._actor_options(_REGISTRAR, head or self.nodes()[0]) | {"get_if_exists": True}
        actor = self._ray.remote(Registrar).options(**options).remote(self._layout, router_of)
        self._ray.get(actor.ping.remote(), timeout=_START_SECONDS)
        return actor

    def restart(self, partition: int, number: int, node: str | None = None) -> None:
        """Ends a replica and starts it anew, on a node; its siblings answer meanwhile."""
        name = _replica_name(partition, number)
        with suppress(ValueError):
            self._ray.kill(self._find(name), no_restart=True)
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                actor = self._start_replica(partition, number, node or self.nodes()[0])
                break
            except ValueError:  # the name is not free yet
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self._wait(name, actor.ping.remote())

    def stop(self) -> None:
        """Ends all actors; what they served stays."""
        replicas = [each for of_partition in replica_handles(self._layout).values() for each in of_partition]
        for name in [_REGISTRAR, *(_replica_name(each.partition, each.number) for each in replicas)]:
            with suppress(ValueError):
                self._ray.kill(self._find(name), no_restart=True)

    def _find(self, name: str) -> Any:  # noqa: ANN401
        return _find(self._layout, name)

    def _start_replica(self, partition: int, number: int, node: str, *, get_if_exists: bool = False) -> Any:  # noqa: ANN401
        options = self._actor_options(_replica_name(partition, number), node)
        options["get_if_exists"] = get_if_exists  # another client may start the same at this moment
        actor = self._ray.remote(Replica).options(**options, num_gpus=self._gpu_share(), max_concurrency=_CALLS_AT_ONCE)
        return actor.remote(self._layout, partition, number, self._options)

    def _actor_options(self, name: str, node: str) -> dict[str, Any]:
        affinity = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=True)
        return {
            "name": name,
            "namespace": self._layout.namespace,
            "lifetime": "detached",
            "max_restarts": -1,
            "num_cpus": 0,
            "scheduling_strategy": affinity,
        }

    def _gpu_share(self) -> float:
        """Of a GPU, for each replica: all of them have equal parts of those that there are."""
        if self._gpus is not None:
            return self._gpus
        there = float(self._ray.cluster_resources().get("GPU", 0.0))
        share = there / (self._layout.partitions * self._layout.replicas)
        return float(int(share)) if share >= 1 else int(share * 10_000) / 10_000  # Ray takes whole ones, or four digits

    def _wait(self, name: str, reference: Any) -> None:  # noqa: ANN401
        try:
            self._ray.get(reference, timeout=_START_SECONDS)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            raise PartitionUnavailable(f"{name} of {self._layout.root} did not start: {error}") from error


def replica_handles(layout: ClusterLayout) -> dict[int, list[ReplicaHandle]]:
    """A handle for every replica, by partition; no actor is looked for yet."""

    def handle(partition: int, number: int) -> ReplicaHandle:
        return ReplicaHandle(partition, number, lambda: _find(layout, _replica_name(partition, number)))

    return {
        partition: [handle(partition, number) for number in range(layout.replicas)]
        for partition in range(layout.partitions)
    }


def router_of(layout: ClusterLayout, options: RouterOptions | None = None) -> Router:
    return Router(replica_handles(layout), options or RouterOptions(), name=str(layout.root))


def _find(layout: ClusterLayout, name: str) -> Any:  # noqa: ANN401  an actor
    """Raises `ValueError` where none has the name."""
    return import_ray().get_actor(name, namespace=layout.namespace)


def even_nodes(used: Sequence[str], nodes: Sequence[str], siblings: Sequence[str]) -> str:
    """The node with the fewest of the `used` ones, rather one that no sibling of the replica runs on."""
    count = Counter(used)
    return min(nodes, key=lambda node: (node in siblings, count[node], node))


def _replica_name(partition: int, number: int) -> str:
    return f"{partition_name(partition)}-replica-{number}"
