"""A cluster: what `open_cluster` returns. The same questions as to a library, asked of partitions."""

import dataclasses
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from colvision.cluster.documents import ClusterCollection, ClusterDocuments
from colvision.cluster.jobs import run_job
from colvision.cluster.judgements import ClusterJudgements
from colvision.cluster.layout import ClusterLayout, is_cluster
from colvision.cluster.ray_extra import import_ray
from colvision.cluster.registrar import end_actors
from colvision.cluster.replica import ReplicaOptions
from colvision.cluster.router import RouterOptions
from colvision.cluster.session import ClusterSession
from colvision.cluster.status import ClusterStatus, PartitionStatus, ReplicaStatus, status_warnings
from colvision.core.encoder import Encoder
from colvision.encoders.spec import EncoderSpec
from colvision.errors import CollectionNotFound, NotInCluster
from colvision.pdf import check_renderer
from colvision.repair import Verification
from colvision.status import CollectionStatus
from colvision.store import Compaction
from colvision.store.identity import clean_collection_name
from colvision.store.jobs import Job, JobQueue
from colvision.store.records import DEFAULT_COLLECTION


def open_cluster(
    root: str | Path,
    *,
    address: str | None = None,
    partitions: int | None = None,
    replicas: int = 1,
    mirror: str | None = None,
    encoder: str | Encoder | EncoderSpec | None = None,
    options: RouterOptions | None = None,
    replica_options: ReplicaOptions | None = None,
    gpus: float | None = None,
) -> "Cluster":
    """Opens the cluster in a folder, in the Ray at `address`; with `partitions` an empty folder becomes a cluster.

    `address` is Ray's own (None: that of `RAY_ADDRESS`, one that runs on this machine, or a new one that ends with this
    process); the first one is kept in `cluster.json`. `partitions` stay as many as they are made; of each there are so
    many `replicas`, on different nodes where there are as many. They read one folder that all nodes see, `root`, or the
    object store at the fsspec URL `mirror`, each from a copy on its own disk. `encoder` as in `open_library`: it is
    loaded here for queries, and by each replica that is written to. `gpus` is what a replica takes of GPUs (None: equal
    parts of all that Ray has).
    Raises `MissingExtra`, `LibraryFormat`, `PartitionUnavailable`, and `ValueError` for other `partitions` than it has.
    """
    ray = import_ray()
    path = Path(root).resolve()
    if is_cluster(path):
        layout = ClusterLayout.read(path)
        if partitions not in (None, layout.partitions) or mirror not in (None, layout.mirror):
            raise ValueError(f"{root} has {layout.partitions} partitions, mirror {layout.mirror}: they stay so")
    elif partitions is None:
        layout = ClusterLayout.read(path)  # says what to give
    else:
        layout = ClusterLayout.create(path, partitions, replicas, mirror, address)
    is_ours = not ray.is_initialized()
    if is_ours:
        ray.init(address or layout.address, log_to_driver=False, logging_level="ERROR", include_dashboard=None)
    chosen = EncoderSpec(encoder) if encoder is None or isinstance(encoder, str) else encoder
    of_replicas = dataclasses.replace(replica_options or ReplicaOptions(chosen), encoder=chosen)
    check_renderer(of_replicas.renderer)
    if layout.mirror is not None and of_replicas.local is None:
        of_replicas = dataclasses.replace(of_replicas, local=Path(tempfile.gettempdir()) / "colvision-cluster")
    session = ClusterSession(layout, of_replicas, options or RouterOptions(), gpus)
    return Cluster(session, shutdown=ray.shutdown if is_ours else None)


class Cluster(ClusterDocuments):
    """Documents in partitions on several machines; safe to share between threads. Close it, or use it as a context
    manager: its replicas go on, for other clients; `stop` ends them.
    """

    def __init__(self, session: ClusterSession, *, shutdown: Callable[[], None] | None = None) -> None:
        super().__init__(session, DEFAULT_COLLECTION, names_in=None)
        self._shutdown = shutdown

    def __repr__(self) -> str:
        layout = self._session.layout
        return f"Cluster({str(layout.root)!r}, {layout.partitions} partitions, {layout.replicas} replicas of each)"

    @property
    def path(self) -> Path:
        return self._session.layout.root

    @property
    def layout(self) -> ClusterLayout:
        return self._session.layout

    @property
    def encoder(self) -> Encoder:
        """The cluster's encoder, in this process. Raises `EncoderError`."""
        return self._session.encoder

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written beside `cluster.json`, so that no job can wait."""
        return self._session.store.read_only

    @property
    def jobs(self) -> JobQueue:
        """As `Library.jobs`: `run_job` works on one. They lie beside the partitions."""
        return self._session.store.jobs

    @property
    def judgements(self) -> ClusterJudgements:
        """As `Library.judgements`."""
        return ClusterJudgements(self._session.layout, self._router)

    @property
    def revision(self) -> str:
        """As `Library.revision`."""
        parts = self._session.by_partition(self._router.ask("revision", lambda _: ()))
        return " ".join([self._session.store.revision, *parts])

    def run_job(self, job: Job) -> Job:
        """As `Library.run_job`; a job to encode a collection again fails with the reason."""
        return run_job(self, job)

    def close(self) -> None:
        self._session.close()
        if self._shutdown is not None:
            self._shutdown()

    def stop(self) -> None:
        """Ends the replicas, for all clients; what is stored stays, and the next `open_cluster` starts them again."""
        end_actors(self._session.actors)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def collection(self, name: str) -> ClusterCollection:
        """The handle of a collection, also of one that its first ingest is to make."""
        return ClusterCollection(self._session, name if name in self.collections() else clean_collection_name(name))

    def collections(self) -> list[str]:
        """Their names, in the order of the partitions that have them."""
        parts = self._session.by_partition(self._router.ask("read", lambda _: ("collections",)))
        return list(dict.fromkeys(name for names in parts for name in names))

    def rename_collection(self, name: str, new: str) -> ClusterCollection:
        """Raises `NotInCluster`: half of the partitions would have the one name, and half the other."""
        what, instead = f"{name!r} cannot be called {new!r}", "ingest its files into a collection of the new name"
        raise NotInCluster.of(what, instead)

    def delete_collection(self, name: str) -> CollectionStatus:
        """As `Library.delete_collection`, from one partition after the other."""
        removed = self.collection(name).status()
        for partition in self._router.partitions:
            with suppress(CollectionNotFound):
                self._router.write(partition, "write", "delete_collection", name)
        for job in self.jobs.active():
            if job.collection == name:
                self.jobs.cancel(job.key)
        return removed

    def compact(self) -> tuple[Compaction, ...]:
        """As `Library.compact`, of each partition, one after the other."""
        return tuple(self._router.write(partition, "write", "compact") for partition in self._router.partitions)

    def verify(self) -> tuple[Verification, ...]:
        """As `Library.verify`, of each partition, one after the other; nothing is repaired."""
        return tuple(self._router.ask_one(partition, "read", "verify") for partition in self._router.partitions)

    def status(self, *, patience: float = 5.0) -> ClusterStatus:
        """Every partition and replica; those that do not answer within `patience` seconds are said not to."""
        found = self._session.actors.statuses(patience)
        partitions = tuple(_partition_status(number, replicas) for number, replicas in sorted(found.items()))
        return ClusterStatus(self.path, partitions, status_warnings(partitions))

    def rolling_restart(self) -> None:
        """Starts all replicas anew, where they are, one after the other: of each partition the others answer."""
        self._session.register("restart_all")

    def move(self, partition: int, replica: int, node: str = "") -> None:
        """Starts a replica anew on another node, by Ray's id of it; "" for the one with the least to do.

        Where it is the only one of its partition, questions wait for it.
        """
        self._router.replicas(partition)[replica].lose()
        self._session.register("move", partition, replica, node)

    def rebalance(self) -> int:
        """Moves replicas to nodes that have fewer, as after nodes were added; returns how many were moved."""
        moved: int = self._session.register("rebalance")
        return moved


def _partition_status(partition: int, replicas: list[dict[str, Any] | None]) -> PartitionStatus:
    known = [
        ReplicaStatus(number, alive=False)
        if each is None
        else ReplicaStatus(number, alive=True, **{name: value for name, value in each.items() if name != "library"})
        for number, each in enumerate(replicas)
    ]
    library = next((each["library"] for each in replicas if each is not None), None)
    return PartitionStatus(partition, library, tuple(known))
