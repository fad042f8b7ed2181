"""The actors of a cluster: how one is started on a node, found by its name, and asked how it is.

An actor has a name, so every client finds the same; it lives on when its client ends. It keeps no data but what is in
its library's folder, or in the mirror. Which replica runs where is decided by `placement`.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from colvision.cluster.layout import ClusterLayout, partition_name
from colvision.cluster.ray_extra import import_ray
from colvision.cluster.replica import CALLS_AT_ONCE, Replica, ReplicaOptions
from colvision.cluster.router import ReplicaHandle, Router, RouterOptions


class Actors:
    """Starts and finds the replicas of one cluster, in the Ray that this process is connected to."""

    def __init__(self, layout: ClusterLayout, options: ReplicaOptions, gpus: float | None) -> None:
        self._ray = import_ray()
        self.layout = layout
        self.options = options
        self.gpus = gpus

    def living_nodes(self) -> dict[str, dict[str, float]]:
        """What the nodes that live have, by their ids."""
        return {node["NodeID"]: node["Resources"] for node in self._ray.nodes() if node["Alive"]}

    def nodes(self) -> list[str]:
        """The ids of the living nodes that replicas may run on: those with processors, and with GPUs where replicas
        take of them; where there are none, all others.
        """
        alive = self.living_nodes()
        kind = "GPU" if self._gpu_share() else "CPU"
        return sorted(node for node, has in alive.items() if has.get(kind, 0) > 0) or sorted(alive)

    def names(self) -> frozenset[str]:
        """Of all actors of the cluster that live, or that Ray is starting."""
        known = self._ray.util.list_named_actors(all_namespaces=True)
        return frozenset(each["name"] for each in known if each["namespace"] == self.layout.namespace)

    def find(self, name: str) -> Any:  # noqa: ANN401  an actor
        """Raises `ValueError` where none has the name."""
        return _find(self.layout, name)

    def start_replica(self, partition: int, number: int, node: str) -> Any:  # noqa: ANN401
        """The actor, which runs on this node or not at all. Raises `ValueError` where its name is not free yet."""
        affinity = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        options = {
            **actor_options(self.layout, replica_name(partition, number)),
            "scheduling_strategy": affinity,
            "num_gpus": self._gpu_share(),
            "max_concurrency": CALLS_AT_ONCE,
        }
        return self._ray.remote(Replica).options(**options).remote(self.layout, partition, number, self.options)

    def kill(self, names: Iterable[str]) -> None:
        """Ends actors; what they served stays."""
        for name in names:
            with suppress(ValueError):
                self._ray.kill(self.find(name), no_restart=True)

    def statuses(self, patience: float) -> dict[int, list[dict[str, Any] | None]]:
        """What each replica of each partition says of itself, None where one does not within `patience` seconds."""
        asked: dict[int, list[Any]] = {}
        for partition, replicas in replica_handles(self.layout).items():
            asked[partition] = []
            for each in replicas:
                reference = None
                with suppress(ValueError, self._ray.exceptions.RayError):
                    reference = each.find().status.remote()
                asked[partition].append(reference)
        waiting = [each for references in asked.values() for each in references if each is not None]
        if waiting:
            self._ray.wait(waiting, num_returns=len(waiting), timeout=patience)
        return {partition: [self._value(each) for each in references] for partition, references in asked.items()}

    def _value(self, reference: Any) -> dict[str, Any] | None:  # noqa: ANN401
        with suppress(self._ray.exceptions.RayError):
            if reference is not None:
                value: dict[str, Any] = self._ray.get(reference, timeout=0)
                return value
        return None

    def _gpu_share(self) -> float:
        """Of a GPU, for each replica: all of them have equal parts of those that there are."""
        if self.gpus is not None:
            return self.gpus
        there = float(self._ray.cluster_resources().get("GPU", 0.0))
        share = there / (self.layout.partitions * self.layout.replicas)
        return float(int(share)) if share >= 1 else int(share * 10_000) / 10_000  # Ray takes whole ones, or four digits


def actor_options(layout: ClusterLayout, name: str) -> dict[str, Any]:
    """What all actors have in common: Ray starts them again where they ran."""
    return {
        "name": name,
        "namespace": layout.namespace,
        "lifetime": "detached",
        "max_restarts": -1,
        "num_cpus": 0,
    }


def replica_name(partition: int, number: int) -> str:
    return f"{partition_name(partition)}-replica-{number}"


def replica_handles(layout: ClusterLayout) -> dict[int, list[ReplicaHandle]]:
    """A handle for every replica, by partition; no actor is looked for yet."""

    def handle(partition: int, number: int) -> ReplicaHandle:
        return ReplicaHandle(partition, number, lambda: _find(layout, replica_name(partition, number)))

    return {
        partition: [handle(partition, number) for number in range(layout.replicas)]
        for partition in range(layout.partitions)
    }


def router_of(layout: ClusterLayout, options: RouterOptions | None = None) -> Router:
    return Router(replica_handles(layout), options or RouterOptions(), name=str(layout.root))


def _find(layout: ClusterLayout, name: str) -> Any:  # noqa: ANN401  an actor
    return import_ray().get_actor(name, namespace=layout.namespace)
