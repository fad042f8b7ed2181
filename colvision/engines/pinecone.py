"""Pinecone: one pooled vector a page, as its client knows no multi-vectors; MaxSim runs here, over its candidates.

A mean of a page says far less than its patches: a thousand candidates are asked for, and what is not among them is not
found. The index is made beforehand, with `index_config`.
"""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from colvision.core.embedding import Floats
from colvision.core.encoder import EncoderInfo
from colvision.core.first_stage import FoundPage, PageScope
from colvision.engines.address import Server
from colvision.engines.engine import ExportedPage, found_page, require, unit_mean
from colvision.errors import LibraryError

if TYPE_CHECKING:
    from pinecone import Index

_CANDIDATES = 1000  # at least: the mean of a page says little of what is on it
_LISTED = 100  # ids at once, the most there can be


def open_at(place: Server, *, exact: bool) -> "Pinecone":
    if exact:
        raise ValueError("pinecone holds one pooled vector a page and cannot compare patches: leave the exact mode out")
    require("pinecone", "pinecone")
    from pinecone import Pinecone as Client

    if "PINECONE_API_KEY" not in os.environ:
        raise ValueError("pinecone needs PINECONE_API_KEY in the environment")
    return Pinecone(Client().Index(host=place.url), place.name)


class Pinecone:
    """A namespace of an index."""

    name = "pinecone"
    most_numbers = None

    def __init__(self, index: "Index", namespace: str = "") -> None:
        self._index = index
        self._namespace = namespace

    @property
    def pages(self) -> int:
        namespaces = self._index.describe_index_stats().namespaces
        known = namespaces.get(self._namespace) or namespaces.get(self._namespace or "__default__")
        return 0 if known is None else int(known.vector_count)

    def prepare(self, info: EncoderInfo) -> None:
        dimension = self._index.describe_index_stats().dimension
        if dimension is not None and dimension != info.dim:
            raise LibraryError(f"pinecone: the index holds vectors of {dimension} numbers, not of {info.dim}")

    def ids(self) -> Iterator[str]:
        for listed in self._index.list(namespace=self._namespace, limit=_LISTED):
            yield from (str(each.id) for each in listed.vectors)

    def write(self, pages: Sequence[ExportedPage]) -> None:
        self._index.upsert(vectors=[record(page) for page in pages], namespace=self._namespace)

    def remove(self, ids: Sequence[str]) -> None:
        self._index.delete(ids=list(ids), namespace=self._namespace)

    def finish(self) -> None:
        """What was written is found a little later."""

    def find(self, query: Floats, count: int, scope: PageScope) -> list[FoundPage]:
        found = self._index.query(**query_request(query, max(count, _CANDIDATES), scope), namespace=self._namespace)
        return [found_page(each.metadata or {}, each.score) for each in found.matches]

    def close(self) -> None:
        self._index.close()


def index_config(info: EncoderInfo, *, cloud: str = "aws", region: str = "us-east-1") -> dict[str, Any]:
    """What `create_index` of Pinecone's client is given beside the name."""
    from pinecone import ServerlessSpec

    return {"dimension": info.dim, "metric": "dotproduct", "spec": ServerlessSpec(cloud=cloud, region=region)}


def record(page: ExportedPage) -> dict[str, Any]:
    return {"id": page.id, "values": page.pooled.tolist(), "metadata": page.fields}


def query_request(query: Floats, count: int, scope: PageScope) -> dict[str, Any]:
    """What `query` is given beside the namespace."""
    wanted = {"document_id": scope.documents, "page": scope.pages}
    conditions = [{name: {"$in": list(values)}} for name, values in wanted.items() if values is not None]
    return {
        "vector": unit_mean(query).tolist(),
        "top_k": count,
        "filter": {"$and": conditions} if conditions else None,
        "include_metadata": True,
        "include_values": False,
    }
