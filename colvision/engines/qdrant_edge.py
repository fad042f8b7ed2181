"""Qdrant's own shard in a folder, without a server. Its names are not those of Qdrant's client."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colvision.core.embedding import Floats
from colvision.core.encoder import EncoderInfo
from colvision.core.first_stage import FoundPage, PageScope
from colvision.engines.engine import PATCHES, POOLED_ROWS, ExportedPage, found_page
from colvision.errors import LibraryError

if TYPE_CHECKING:
    import qdrant_edge

_MOST_NUMBERS = 1_048_576  # the server's limit, to which a shard may move; Edge itself takes more
_PREFETCHED = 4
_SCROLLED = 10_000


class QdrantEdge:
    """A shard, opened by what is done first; one process at a time has it."""

    name = "qdrant"
    most_numbers = _MOST_NUMBERS

    def __init__(self, folder: Path, *, exact: bool = False) -> None:
        self._folder = folder
        self._exact = exact
        self._opened: qdrant_edge.EdgeShard | None = None

    @property
    def _shard(self) -> "qdrant_edge.EdgeShard":
        if self._opened is None:
            import qdrant_edge

            if not self._is_there:
                raise LibraryError(f"there is no Qdrant shard in {self._folder}: run `colvision export qdrant` first")
            self._opened = qdrant_edge.EdgeShard.load(str(self._folder))
        return self._opened

    @property
    def _is_there(self) -> bool:
        return (self._folder / "edge_config.json").exists()

    @property
    def pages(self) -> int:
        import qdrant_edge

        return int(self._shard.count(qdrant_edge.CountRequest(exact=True)))

    def prepare(self, info: EncoderInfo) -> None:
        import qdrant_edge

        if not self._is_there:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._opened = qdrant_edge.EdgeShard.create(str(self._folder), shard_config(info))
            return
        self.close()
        config = shard_config(info)
        try:
            self._opened = qdrant_edge.EdgeShard.load(str(self._folder), config)
        except Exception as error:
            raise LibraryError(
                f"the Qdrant shard in {self._folder} cannot hold vectors of {info.dim} numbers ({error}): "
                "give another folder"
            ) from error

    def ids(self) -> Iterator[str]:
        import qdrant_edge

        offset: Any = None
        while True:
            request = qdrant_edge.ScrollRequest(offset=offset, limit=_SCROLLED, with_payload=False, with_vector=False)
            found, offset = self._shard.scroll(request)
            yield from (str(record.id) for record in found)
            if offset is None:
                return

    def write(self, pages: Sequence[ExportedPage]) -> None:
        import qdrant_edge

        points = [
            qdrant_edge.Point(
                page.id,
                {PATCHES: page.codes.astype(float).tolist(), POOLED_ROWS: page.pooled_rows.tolist()},
                page.fields,
            )
            for page in pages
        ]
        self._shard.update(qdrant_edge.UpdateOperation.upsert_points(points))
        self._shard.flush()

    def remove(self, ids: Sequence[str]) -> None:
        import qdrant_edge

        self._shard.update(qdrant_edge.UpdateOperation.delete_points(list(ids)))
        self._shard.flush()

    def finish(self) -> None:
        """Builds the graph, and drops what was removed."""
        self._shard.optimize()
        self._shard.flush()

    def find(self, query: Floats, count: int, scope: PageScope) -> list[FoundPage]:
        return [
            found_page(each.payload or {}, each.score)
            for each in self._shard.query(query_request(query, count, scope, exact=self._exact))
        ]

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def vector_params(info: EncoderInfo) -> "dict[str, qdrant_edge.EdgeVectorParams]":
    import qdrant_edge as edge

    def params(**more: Any) -> edge.EdgeVectorParams:  # noqa: ANN401  as Qdrant has them
        max_sim = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
        kind = edge.VectorStorageDatatype.Float16
        return edge.EdgeVectorParams(info.dim, edge.Distance.Dot, multivector_config=max_sim, datatype=kind, **more)

    return {
        PATCHES: params(
            on_disk=True,
            hnsw_config=edge.HnswIndexConfig(m=0, ef_construct=16, full_scan_threshold=10**9),
            quantization_config=edge.ScalarQuantizationConfig(edge.ScalarType.Int8, always_ram=False),
        ),
        POOLED_ROWS: params(),
    }


def shard_config(info: EncoderInfo) -> "qdrant_edge.EdgeConfig":
    import qdrant_edge as edge

    return edge.EdgeConfig(vectors=vector_params(info), on_disk_payload=True)


def query_request(
    query: Floats, count: int, scope: PageScope, *, exact: bool, ignore: bool = True
) -> "qdrant_edge.QueryRequest":
    """Without `ignore` the order would be that of the int8 codes beside the vectors."""
    import qdrant_edge as edge

    tokens, kept = query.tolist(), _filter(scope)
    first = edge.Prefetch(_PREFETCHED * count, query=edge.Query.Nearest(tokens, using=POOLED_ROWS), filter=kept)
    params = edge.SearchParams(exact=exact, quantization=edge.QuantizationSearchParams(ignore=ignore))
    return edge.QueryRequest(
        count,
        query=edge.Query.Nearest(tokens, using=PATCHES),
        prefetches=None if exact else [first],
        filter=kept,
        params=params,
        with_payload=True,
    )


def _filter(scope: PageScope) -> "qdrant_edge.Filter | None":
    import qdrant_edge as edge

    wanted: dict[str, Any] = {"document_id": scope.documents, "page": scope.pages}
    conditions = [
        edge.FieldCondition(key, match=edge.MatchAny(list(values)))
        for key, values in wanted.items()
        if values is not None
    ]
    return edge.Filter(must=list(conditions)) if conditions else None
