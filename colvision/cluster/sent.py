"""What is sent to replicas, and how.

A call is packed here, once for all replicas that it goes to, and its answer there: Ray passes on bytes as they are, in
a fraction of the time that it takes for objects, or for what is put into its store.
"""

import pickle  # noqa: TID251  between processes of one Ray, as it does itself: nothing that is stored or comes from elsewhere
from dataclasses import dataclass
from typing import Any, NamedTuple

from colvision.core.embedding import QueryEmbedding
from colvision.core.encoder import EncoderInfo
from colvision.core.metadata import Metadata
from colvision.search import SearchOptions
from colvision.search.statistics import CollectionStatistics


@dataclass(frozen=True, slots=True, eq=False)
class SentQueries:
    """Encoded queries to a collection, under a `token` by which their two halves belong together."""

    token: str
    queries: tuple[QueryEmbedding, ...]
    collection: str
    options: SearchOptions
    info: EncoderInfo


def pack(value: object) -> bytes:
    """Only between processes of one Ray, which trust each other as Ray does."""
    packed: bytes = pickle.dumps(value, protocol=5)
    return packed


def unpack(packed: bytes) -> Any:  # noqa: ANN401  what was packed
    return pickle.loads(packed)


class BegunQuery(NamedTuple):
    """The first half of a question: what one `generation` of a partition has for the statistics of all."""

    generation: int
    statistics: CollectionStatistics


@dataclass(frozen=True, slots=True)
class FileToPlace:
    """A file of which is to be decided which document it is; `path` is where it lies, "" for an upload."""

    collection: str
    name: str
    path: str
    sha256: str
    replace: bool
    document_id: str = ""
    brought: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a file belongs, and what a new document is called and known by."""

    partition: int
    document_id: str
    name: str


@dataclass(frozen=True, slots=True)
class IngestWork:
    """How a writer is to take a file in: see `SearchableDocuments.ingest`."""

    collection: str
    name: str
    path: str
    document_id: str
    replace: bool
    metadata: Metadata | None = None
    pool: int | None = None
    ocr: str | None = None
