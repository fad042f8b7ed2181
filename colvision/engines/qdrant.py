"""Qdrant: a server by its client, or a shard in a folder (see `qdrant_edge`).

`patches` are not in a graph (m=0) and are kept as float16, which holds the codes exactly, with int8 codes beside them;
`pooled_rows`, a mean a row of the grid, are in a graph. A search takes candidates by these and orders them by MaxSim
over the patches themselves: `quantization.ignore`, without which that order would be by the int8 codes.
Source: the collection settings and multi-stage queries of Qdrant's documentation, and trials (docs/engines.md).
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colvision.core.embedding import Floats
from colvision.core.encoder import EncoderInfo
from colvision.core.first_stage import FoundPage, PageScope
from colvision.engines.address import Server
from colvision.engines.engine import PATCHES, POOLED_ROWS, Engine, ExportedPage, found_page, require
from colvision.errors import LibraryError

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client import models as qdrant

MOST_NUMBERS = 1_048_576  # of one multivector: the server refuses more, Edge does not
PREFETCHED = 4  # candidates by pooled rows for each page that is asked for
_SCROLLED = 10_000  # ids at once
_SHARDS, _REPLICAS = 6, 2
_INDEXED = {"document_id": "keyword", "page": "integer", "facts": "keyword"}


def open_at(place: Path | Server, *, exact: bool) -> Engine:
    if isinstance(place, Path):
        from colvision.engines.qdrant_edge import QdrantEdge

        require("qdrant", "qdrant_edge")
        return QdrantEdge(place, exact=exact)
    require("qdrant", "qdrant_client")
    from qdrant_client import QdrantClient

    client = QdrantClient(url=place.url, api_key=os.environ.get("QDRANT_API_KEY"), check_compatibility=False)
    return Qdrant(client, place.name, exact=exact)


class Qdrant:
    """A collection of a server, or of whatever else the client speaks to."""

    name = "qdrant"
    most_numbers = MOST_NUMBERS

    def __init__(self, client: "QdrantClient", collection: str, *, exact: bool = False) -> None:
        self._client = client
        self._collection = collection
        self._exact = exact

    @property
    def pages(self) -> int:
        return int(self._client.count(self._collection, exact=True).count)

    def prepare(self, info: EncoderInfo) -> None:
        if not self._client.collection_exists(self._collection):
            self._client.create_collection(self._collection, **collection_config(info))
            for field, kind in _INDEXED.items():
                self._client.create_payload_index(self._collection, field, field_schema=kind)
            return
        vectors = self._client.get_collection(self._collection).config.params.vectors
        size = vectors[PATCHES].size if isinstance(vectors, dict) and PATCHES in vectors else None
        if size != info.dim:
            found = f"vectors of {size} numbers" if size else f"no vectors {PATCHES!r}"
            raise LibraryError(
                f"qdrant: collection {self._collection!r} holds {found}, not of {info.dim}: give another name"
            )

    def ids(self) -> Iterator[str]:
        offset: Any = None
        while True:
            found, offset = self._client.scroll(
                self._collection, limit=_SCROLLED, offset=offset, with_payload=False, with_vectors=False
            )
            yield from (str(record.id) for record in found)
            if offset is None:
                return

    def write(self, pages: Sequence[ExportedPage]) -> None:
        self._client.upsert(self._collection, [point(page) for page in pages], wait=True)

    def remove(self, ids: Sequence[str]) -> None:
        self._client.delete(self._collection, list(ids), wait=True)

    def finish(self) -> None:
        """The server optimises by itself."""

    def find(self, query: Floats, count: int, scope: PageScope) -> list[FoundPage]:
        answer = self._client.query_points(self._collection, **query_request(query, count, scope, exact=self._exact))
        return [found_page(each.payload or {}, each.score) for each in answer.points]

    def close(self) -> None:
        self._client.close()


def collection_config(info: EncoderInfo) -> dict[str, Any]:
    """What `create_collection` is given: six shards, two replicas of each, and a limit that says which page is too
    large.
    """
    from qdrant_client import models as qdrant

    max_sim = qdrant.MultiVectorConfig(comparator=qdrant.MultiVectorComparator.MAX_SIM)
    size, distance, datatype = info.dim, qdrant.Distance.DOT, qdrant.Datatype.FLOAT16
    int8 = qdrant.ScalarQuantizationConfig(type=qdrant.ScalarType.INT8, always_ram=False)
    limit = qdrant.StrictModeMultivector(max_vectors=MOST_NUMBERS // size)
    return {
        "vectors_config": {
            PATCHES: qdrant.VectorParams(
                size=size,
                distance=distance,
                datatype=datatype,
                on_disk=True,
                multivector_config=max_sim,
                hnsw_config=qdrant.HnswConfigDiff(m=0),
                quantization_config=qdrant.ScalarQuantization(scalar=int8),
            ),
            POOLED_ROWS: qdrant.VectorParams(
                size=size, distance=distance, datatype=datatype, multivector_config=max_sim
            ),
        },
        "shard_number": _SHARDS,
        "replication_factor": _REPLICAS,
        "write_consistency_factor": _REPLICAS,
        "on_disk_payload": True,
        "strict_mode_config": qdrant.StrictModeConfig(enabled=True, multivector_config={PATCHES: limit}),
        "metadata": {"encoder": info.fingerprint, "quantisation_range": info.quantisation_range},
    }


def point(page: ExportedPage) -> "qdrant.PointStruct":
    from qdrant_client import models as qdrant

    vectors = {PATCHES: page.codes.astype(float).tolist(), POOLED_ROWS: page.pooled_rows.tolist()}
    return qdrant.PointStruct(id=page.id, vector=vectors, payload=page.fields)


def query_request(query: Floats, count: int, scope: PageScope, *, exact: bool) -> dict[str, Any]:
    """What `query_points` is given."""
    from qdrant_client import models as qdrant

    tokens, kept = query.tolist(), query_filter(scope)
    first = qdrant.Prefetch(query=tokens, using=POOLED_ROWS, limit=PREFETCHED * count, filter=kept)
    ignore = qdrant.QuantizationSearchParams(ignore=True)
    return {
        "query": tokens,
        "using": PATCHES,
        "prefetch": None if exact else first,
        "query_filter": kept,
        "search_params": qdrant.SearchParams(exact=exact, quantization=ignore),
        "limit": count,
        "with_payload": ["document_id", "page", "encoder"],
    }


def query_filter(scope: PageScope) -> "qdrant.Filter | None":
    from qdrant_client import models as qdrant

    wanted = {"document_id": scope.documents, "page": scope.pages}
    conditions: list[qdrant.Condition] = [
        qdrant.FieldCondition(key=key, match=qdrant.MatchAny(any=list(values)))
        for key, values in wanted.items()
        if values is not None
    ]
    return qdrant.Filter(must=conditions) if conditions else None
