"""What the handles of one open cluster share: its replicas, its encoder, its searcher."""

import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from colvision.atomic_io import atomic_write
from colvision.cluster.actors import Actors, router_of
from colvision.cluster.layout import ClusterLayout
from colvision.cluster.ray_extra import import_ray
from colvision.cluster.registrar import find_registrar
from colvision.cluster.replica import ReplicaOptions
from colvision.cluster.router import RouterOptions
from colvision.cluster.searcher import ClusterSearcher
from colvision.core.encoder import Encoder, EncoderInfo
from colvision.core.reranker import Reranker
from colvision.encoders.rerankers import load_reranker
from colvision.encoders.spec import EncoderSpec
from colvision.errors import PartitionUnavailable
from colvision.store import Store

_JOBS_FOLDER = "jobs"
_KEPT_FILES = 1000  # page images, mostly: 200 MB
_PAUSE = 0.2  # seconds before the registrar is asked again, which Ray is starting


class ClusterSession:
    """One open cluster, in the Ray that this process is connected to; safe to share between threads."""

    def __init__(
        self, layout: ClusterLayout, replicas: ReplicaOptions, options: RouterOptions, gpus: float | None
    ) -> None:
        self._ray = import_ray()
        self.layout = layout
        self.actors = Actors(layout, replicas, gpus)
        self._registrar: Any = find_registrar(self.actors)
        self._write_limit = options.write_limit
        self.register("ensure")
        self.router = router_of(layout, options)
        self.searcher = ClusterSearcher(layout, self.router, lambda: self.encoder)
        self._files = tempfile.TemporaryDirectory(prefix="colvision-cluster-")
        self._kept: OrderedDict[str, Path] = OrderedDict()  # those of `_files`
        self._keeping = threading.Lock()
        self._encoder = replicas.encoder
        self._rerankers: dict[str, Reranker] = {}
        self._loading = threading.Lock()

    @cached_property
    def store(self) -> Store:
        """Of jobs: a library without a document beside the partitions."""
        return Store(self.layout.root / _JOBS_FOLDER)

    def close(self) -> None:
        self.router.close()
        if "store" in self.__dict__:
            self.store.close()
        self._files.cleanup()

    def keep_file(self, name: str, data: bytes) -> Path:
        """A copy of a file that a replica has sent; it stays for as long as it is among the newest."""
        with self._keeping:
            if name not in self._kept:
                self._kept[name] = Path(self._files.name) / name
                atomic_write(self._kept[name], [data])
            self._kept.move_to_end(name)
            while len(self._kept) > _KEPT_FILES:
                self._kept.popitem(last=False)[1].unlink(missing_ok=True)
            return self._kept[name]

    @property
    def encoder(self) -> Encoder:
        """Loaded in this process, for queries. Raises `EncoderError`."""
        with self._loading:
            if isinstance(self._encoder, EncoderSpec):
                self._encoder = self._encoder.load(self._filled_by())
            return self._encoder

    def _filled_by(self) -> EncoderInfo | None:
        replies = self.router.ask("filled_by", lambda _: ())
        return next((replies[partition].value for partition in sorted(replies) if replies[partition].value), None)

    def reranker(self, reranker: str | Path | Reranker) -> Reranker:
        """The reranker itself, or that of a name: loaded once, in this process. Raises `EncoderError`."""
        if not isinstance(reranker, str | Path):
            return reranker
        with self._loading:
            name = str(reranker)
            if name not in self._rerankers:
                self._rerankers[name] = load_reranker(reranker)
            return self._rerankers[name]

    def register(self, method: str, *given: Any) -> Any:  # noqa: ANN401
        """What the registrar answers; one that is lost is waited for."""
        errors = self._ray.exceptions
        deadline = time.monotonic() + self._write_limit
        while True:
            try:
                return self._ray.get(getattr(self._registrar, method).remote(*given))
            except errors.RayTaskError as error:
                raise error.cause from None
            except errors.RayError as error:
                if time.monotonic() > deadline:
                    raise PartitionUnavailable(f"{self.layout.root} has no registrar: {error}") from error
                time.sleep(_PAUSE)
                self._registrar = find_registrar(self.actors)

    def by_partition(self, replies: Mapping[int, Any]) -> list[Any]:
        """The values of replies, in the order of the partitions."""
        return [replies[partition].value for partition in sorted(replies)]
