"""What one process of Ray's decides for a whole cluster: which document a file is, and where replicas run."""

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from colvision.cluster.actors import Actors, actor_options, replica_name, router_of
from colvision.cluster.layout import ClusterLayout
from colvision.cluster.placement import Place, ReplicaPlacement
from colvision.cluster.ray_extra import import_ray
from colvision.cluster.replica import NEWEST, ReplicaOptions
from colvision.cluster.sent import FileToPlace, Placement
from colvision.errors import PartitionUnavailable
from colvision.store.identity import SourceFile, decide, new_id

_KEPT_SECONDS = 3600.0  # for which a decision is remembered whose file was not told to be stored
_WATCH_SECONDS = 1.0  # between looks at which replicas there are
_CALLS_AT_ONCE = 16
_NAME = "registrar"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Pending:
    """A decision on a new document that its partition may not know of yet."""

    file: FileToPlace
    placement: Placement
    since: float

    def is_of(self, file: FileToPlace) -> bool:
        is_same_source = bool(file.path) and file.path == self.file.path
        return self.file.collection == file.collection and (self.file.sha256 == file.sha256 or is_same_source)


class Registrar:
    """Keeps no data: what is stored the partitions know, and what is on its way is remembered until it is there.

    Safe to call from several threads. Files are decided on one after the other, replicas are started and moved so.
    """

    def __init__(self, layout: ClusterLayout, options: ReplicaOptions, gpus: float | None) -> None:
        self._layout = layout
        self._router = router_of(layout)
        self._pending: list[_Pending] = []
        self._deciding = threading.RLock()
        self._actors = Actors(layout, options, gpus)
        self._ended = threading.Event()
        self._placement = ReplicaPlacement(self._actors, self._ended.is_set)
        self._placing = threading.Lock()
        threading.Thread(target=self._watch, name="colvision-watch", daemon=True).start()

    def _watch(self) -> None:
        """Starts again what was lost with its node."""
        while not self._ended.wait(_WATCH_SECONDS):
            try:
                self.ensure()
            except (PartitionUnavailable, import_ray().exceptions.RayError):  # nodes may come
                _log.exception("a replica of %s does not start", self._layout.root)

    def ensure(self) -> None:
        """Starts every replica that is not there, and waits for them. Raises `PartitionUnavailable`."""
        with self._placing:
            self._placement.ensure()

    def move(self, partition: int, number: int, node: str) -> None:
        with self._placing:
            self._placement.move(Place(partition, number), node)

    def rebalance(self) -> int:
        with self._placing:
            return self._placement.rebalance()

    def restart_all(self) -> None:
        with self._placing:
            self._placement.restart_all()

    def end(self) -> None:
        """Ends all replicas, and starts none any more."""
        self._ended.set()
        with self._placing:
            self._actors.kill(_replica_names(self._layout))

    def place(self, file: FileToPlace) -> Placement:
        """Where a file belongs. Raises `InputError` when it could replace several documents, `PartitionUnavailable`."""
        with self._deciding:
            return self._place(file)

    def _place(self, file: FileToPlace) -> Placement:
        now = time.monotonic()
        self._pending = [each for each in self._pending if now - each.since < _KEPT_SECONDS]
        known = next((each for each in self._pending if each.is_of(file)), None)
        if known is not None:
            return known.placement
        source = file.path or file.name
        wanted = SourceFile(file.collection, file.name, source, not file.path, file.replace, brought=file.brought)
        replies = self._router.ask("candidates", lambda _: (wanted, file.sha256), version=NEWEST)
        rows = [row for partition in sorted(replies) for row in replies[partition].value]
        # Keys are those of one partition: elsewhere a row of the same key is another document.
        visible = [row for row in rows if row.visible]
        decision = decide(wanted, file.sha256, visible, lambda name: self.name_exists(file.collection, name))
        existing = decision.existing or decision.replaced
        if existing is not None:
            return Placement(self._layout.partition_of(existing.id), "", file.name)
        document_id = self._free_id(file.document_id)
        placement = Placement(self._layout.partition_of(document_id), document_id, decision.name)
        self._pending.append(_Pending(file, placement, now))
        return placement

    def stored(self, file: FileToPlace) -> None:
        """What was decided on a file is in its partition, or will not be."""
        with self._deciding:
            self._pending = [each for each in self._pending if not each.is_of(file)]

    def name_exists(self, collection: str, name: str) -> bool:
        """Whether a document of a collection has a name, or is to have it."""
        with self._deciding:
            if any(each.file.collection == collection and each.placement.name == name for each in self._pending):
                return True
        replies = self._router.ask("name_exists", lambda _: (collection, name), version=NEWEST)
        return any(reply.value for reply in replies.values())

    def _free_id(self, wanted: str) -> str:
        """The requested id, unless a document has it."""
        if not wanted:
            return new_id()
        found = self._router.ask_one(self._layout.partition_of(wanted), "meant_by", wanted)
        return new_id() if any(each.level == 0 for each in found) else wanted


def find_registrar(actors: Actors) -> Any:  # noqa: ANN401  an actor
    """Started where it is not there yet, on the head node, which Ray needs anyway."""
    with suppress(ValueError):
        return actors.find(_NAME)
    ray = import_ray()
    head = next((each["NodeID"] for each in ray.nodes() if each["Resources"].get("node:__internal_head__")), None)
    strategies = ray.util.scheduling_strategies
    options = {
        **actor_options(actors.layout, _NAME),
        "scheduling_strategy": strategies.NodeAffinitySchedulingStrategy(head or actors.nodes()[0], soft=False),
        "max_concurrency": _CALLS_AT_ONCE,
        "get_if_exists": True,  # another client may start the same at this moment
    }
    return ray.remote(Registrar).options(**options).remote(actors.layout, actors.options, actors.gpus)


def end_actors(actors: Actors) -> None:
    """Ends the registrar and all replicas, for all clients."""
    ray = import_ray()
    with suppress(ValueError, ray.exceptions.RayError):
        ray.get(actors.find(_NAME).end.remote())
    actors.kill([_NAME, *_replica_names(actors.layout)])


def _replica_names(layout: ClusterLayout) -> list[str]:
    return [
        replica_name(partition, number) for partition in range(layout.partitions) for number in range(layout.replicas)
    ]
