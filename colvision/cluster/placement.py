"""Which replica runs on which node: decided in one process, the registrar's, and kept so.

A replica is bound to its node: it runs there or not at all, however busy Ray is. One that is no more, as its node is
lost, is started on another node; siblings share a node only where there are too few.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from colvision.cluster.actors import Actors, replica_name
from colvision.cluster.ray_extra import import_ray
from colvision.errors import PartitionUnavailable

_START_SECONDS = 300.0  # a replica of an object store fetches its partition first
_PAUSE = 0.1  # seconds before a look at what Ray has done


class Place(NamedTuple):
    """A replica of a partition, by its number."""

    partition: int
    number: int

    @property
    def name(self) -> str:
        return replica_name(*self)


class ReplicaPlacement:
    """To be asked by one thread at a time. `is_ended` says that nothing is to be started any more."""

    def __init__(self, actors: Actors, is_ended: Callable[[], bool] = lambda: False) -> None:
        self._ray = import_ray()
        self._actors = actors
        self._is_ended = is_ended
        self._nodes: dict[Place, str] = {}
        layout = actors.layout
        # The first replica of each partition comes before the second of any: early ones spread evenly.
        self._places = [
            Place(partition, number) for number in range(layout.replicas) for partition in range(layout.partitions)
        ]

    def ensure(self) -> None:
        """Starts every replica that is not there, and waits for them. Raises `PartitionUnavailable`."""
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ended() and (missing := self._missing()):
            starting = [(place, self._start(place, self._best_node(place))) for place in missing]
            failures = [failure for place, actor in starting if (failure := self._failure(place, actor, deadline))]
            if failures and time.monotonic() > deadline:
                raise PartitionUnavailable(failures[0])
            if failures:
                time.sleep(_PAUSE)

    def move(self, place: Place, node: str = "") -> None:
        """Starts a replica anew on a node; "" for the one with the least to do, that no sibling runs on."""
        chosen = node or self._best_node(place)
        self._actors.kill([place.name])
        self._nodes.pop(place, None)
        failure = self._failure(place, self._start(place, chosen), time.monotonic() + _START_SECONDS)
        if failure:
            raise PartitionUnavailable(failure)

    def rebalance(self) -> int:
        """Moves replicas to nodes that have fewer, as after nodes were added; returns how many were moved."""
        self.ensure()
        moved = 0
        for place in self._places:
            node, best = self._nodes[place], self._best_node(place)
            others = Counter(each for other, each in self._nodes.items() if other != place)
            siblings = self._sibling_nodes(place)
            if (node in siblings and best not in siblings) or others[node] > others[best]:
                self.move(place, best)
                moved += 1
        return moved

    def restart_all(self) -> None:
        """Starts all replicas anew, where they are, one after the other."""
        self.ensure()
        for place in self._places:
            self.move(place, self._nodes[place])

    def _missing(self) -> list[Place]:
        """Those that do not run, or not on a living node; the nodes of the others are known then."""
        names, living = self._actors.names(), self._actors.living_nodes()
        lost = [place for place, node in self._nodes.items() if place.name not in names or node not in living]
        self._actors.kill(place.name for place in lost)  # which Ray may be starting again
        for place in lost:
            del self._nodes[place]
        for place in self._places:
            if place in lost or place.name not in names:
                continue
            if place not in self._nodes:  # started by the registrar that was lost before this one
                try:
                    self._nodes[place] = self._ray.get(
                        self._actors.find(place.name).node.remote(), timeout=_START_SECONDS
                    )
                except (self._ray.exceptions.RayError, ValueError):
                    self._actors.kill([place.name])
        return [place for place in self._places if place not in self._nodes]

    def _start(self, place: Place, node: str) -> Any:  # noqa: ANN401  an actor
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                actor = self._actors.start_replica(*place, node)
                break
            except ValueError:  # Ray has not ended the one before it yet, whose name it has
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)
        self._nodes[place] = node
        return actor

    def _failure(self, place: Place, actor: Any, deadline: float) -> str:  # noqa: ANN401
        """Why a replica did not start, "" for one that did; one that did not is no more."""
        try:
            self._ray.get(actor.ping.remote(), timeout=max(deadline - time.monotonic(), _PAUSE))
        except self._ray.exceptions.RayError as error:
            self._actors.kill([place.name])
            self._nodes.pop(place, None)
            failure = f"{place.name} of {self._actors.layout.root} did not start: {error}"
            if getattr(error, "actor_init_failed", False):  # on another node it would do the same
                raise PartitionUnavailable(failure) from error
            return failure
        return ""

    def _best_node(self, place: Place) -> str:
        used = [node for other, node in self._nodes.items() if other != place]
        return even_node(used, self._actors.nodes(), self._sibling_nodes(place))

    def _sibling_nodes(self, place: Place) -> list[str]:
        return [
            node
            for other, node in self._nodes.items()
            if other.partition == place.partition and other.number != place.number
        ]


def even_node(used: Sequence[str], nodes: Sequence[str], siblings: Sequence[str]) -> str:
    """The node with the fewest of the `used` ones, rather one that no sibling of the replica runs on."""
    count = Counter(used)
    return min(nodes, key=lambda node: (node in siblings, count[node], node))
