"""Weaviate, from 1.29 on: a class of multi-vectors, in a graph. Its distance is minus MaxSim; it cannot be exact.

Its MUVERA encoding stays off: a page that is right may lie beyond the fiftieth by it.
"""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from colvision.core.embedding import Floats
from colvision.core.encoder import EncoderInfo
from colvision.core.first_stage import FoundPage, PageScope
from colvision.engines.address import Server
from colvision.engines.engine import PATCHES, ExportedPage, found_page, require
from colvision.errors import LibraryError

if TYPE_CHECKING:
    from weaviate import WeaviateClient

_GRPC = 50051


def open_at(place: Server, *, exact: bool) -> "Weaviate":
    if exact:
        raise ValueError("weaviate answers by its graph alone: leave the exact mode out")
    if not place.name[:1].isupper():
        raise ValueError(f"weaviate: the name of a class begins with a capital letter, not {place.name!r}")
    require("weaviate", "weaviate")
    import weaviate

    key = os.environ.get("WEAVIATE_API_KEY")
    secure = place.scheme == "https"
    client = weaviate.connect_to_custom(
        place.host,
        place.port,
        secure,
        place.options.get("grpc_host", place.host),
        int(place.options.get("grpc", 443 if secure else _GRPC)),
        secure,
        auth_credentials=None if key is None else weaviate.auth.Auth.api_key(key),
    )
    return Weaviate(client, place.name)


class Weaviate:
    """A class of a server."""

    name = "weaviate"
    most_numbers = None

    def __init__(self, client: "WeaviateClient", class_name: str) -> None:
        self._client = client
        self._class = class_name

    @property
    def _pages(self) -> Any:  # noqa: ANN401  a generic of theirs
        return self._client.collections.use(self._class)

    @property
    def pages(self) -> int:
        return int(self._pages.aggregate.over_all(total_count=True).total_count)

    def prepare(self, info: EncoderInfo) -> None:
        if not self._client.collections.exists(self._class):
            self._client.collections.create(self._class, **class_config())

    def ids(self) -> Iterator[str]:
        for each in self._pages.iterator(return_properties=["document_id"]):
            yield str(each.uuid)

    def write(self, pages: Sequence[ExportedPage]) -> None:
        from weaviate.classes.data import DataObject

        objects = [
            DataObject(uuid=page.id, properties=page.fields, vector={PATCHES: page.codes.astype(float).tolist()})
            for page in pages
        ]
        stored = self._pages.data.insert_many(objects)
        if stored.has_errors:
            first = next(iter(stored.errors.values()))
            raise LibraryError(f"weaviate refused {len(stored.errors)} of {len(objects)} pages: {first.message}")

    def remove(self, ids: Sequence[str]) -> None:
        from weaviate.classes.query import Filter

        self._pages.data.delete_many(where=Filter.by_id().contains_any(list(ids)))

    def finish(self) -> None:
        """The server builds its graph by itself."""

    def find(self, query: Floats, count: int, scope: PageScope) -> list[FoundPage]:
        found = self._pages.query.near_vector(**query_request(query, count, scope)).objects
        return [found_page(each.properties, -each.metadata.distance) for each in found]

    def close(self) -> None:
        self._client.close()


def class_config() -> dict[str, Any]:
    """What `collections.create` is given beside the name; the class takes the first vectors' length."""
    from weaviate.classes.config import Configure, DataType, Property, Tokenization, VectorDistances

    kinds = {"page": DataType.INT, "facts": DataType.TEXT_ARRAY}

    def field(name: str, *, is_asked: bool) -> Property:
        kind = kinds.get(name, DataType.TEXT)
        whole = None if kind is DataType.INT else Tokenization.FIELD
        return Property(
            name=name, data_type=kind, tokenization=whole, index_filterable=is_asked, index_searchable=False
        )

    asked = {"document_id": True, "document": False, "folder": False, "page": True, "facts": True, "encoder": False}
    graph = Configure.VectorIndex.hnsw(distance_metric=VectorDistances.DOT)
    return {
        "vector_config": Configure.MultiVectors.self_provided(name=PATCHES, vector_index_config=graph),
        "properties": [field(name, is_asked=is_asked) for name, is_asked in asked.items()],
    }


def query_request(query: Floats, count: int, scope: PageScope) -> dict[str, Any]:
    """What `near_vector` is given."""
    from weaviate.classes.query import Filter, MetadataQuery

    wanted = {"document_id": scope.documents, "page": scope.pages}
    conditions = [
        Filter.by_property(name).contains_any(list(values)) for name, values in wanted.items() if values is not None
    ]
    return {
        "near_vector": query.tolist(),
        "target_vector": PATCHES,
        "limit": count,
        "filters": Filter.all_of(conditions) if conditions else None,
        "return_metadata": MetadataQuery(distance=True),
        "return_properties": ["document_id", "page", "encoder"],
    }
