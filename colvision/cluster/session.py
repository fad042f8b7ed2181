"""What the handles of one open cluster share: its replicas, its encoder, its searcher."""

import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colvision.cluster.actors import Actors, router_of
from colvision.cluster.layout import ClusterLayout
from colvision.cluster.ray_extra import import_ray
from colvision.cluster.replica import ReplicaOptions
from colvision.cluster.router import RouterOptions
from colvision.cluster.searcher import ClusterSearcher
from colvision.core.encoder import Encoder, EncoderInfo
from colvision.core.reranker import Reranker
from colvision.encoders.rerankers import load_reranker
from colvision.encoders.spec import EncoderSpec
from colvision.errors import PartitionUnavailable

_PAUSE = 0.2  # seconds before the registrar is asked again, which Ray is starting


class ClusterSession:
    """One open cluster, in the Ray that this process is connected to; safe to share between threads."""

    def __init__(
        self, layout: ClusterLayout, replicas: ReplicaOptions, options: RouterOptions, gpus: float | None
    ) -> None:
        self._ray = import_ray()
        self.layout = layout
        self.actors = Actors(layout, replicas, gpus)
        self.actors.start()
        self.router = router_of(layout, options)
        self.searcher = ClusterSearcher(layout, self.router, lambda: self.encoder)
        self.files = tempfile.TemporaryDirectory(prefix="colvision-cluster-")  # those of pages that were asked for
        self._encoder = replicas.encoder
        self._rerankers: dict[str, Reranker] = {}
        self._loading = threading.Lock()
        self._registrar: Any = self.actors.registrar()

    def close(self) -> None:
        self.router.close()
        self.files.cleanup()

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
        deadline = time.monotonic() + self.router.options.write_limit
        while True:
            try:
                return self._ray.get(getattr(self._registrar, method).remote(*given))
            except errors.RayTaskError as error:
                raise error.cause from None
            except errors.RayError as error:
                if time.monotonic() > deadline:
                    raise PartitionUnavailable(f"{self.layout.root} has no registrar: {error}") from error
                time.sleep(_PAUSE)
                self._registrar = self.actors.registrar()

    def by_partition(self, replies: Mapping[int, Any]) -> list[Any]:
        """The values of replies, in the order of the partitions."""
        return [replies[partition].value for partition in sorted(replies)]
