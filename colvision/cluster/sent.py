"""What is sent to replicas."""

from dataclasses import dataclass
from typing import NamedTuple

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
