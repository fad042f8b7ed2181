"""What the catalogue remembers, as values."""

from dataclasses import dataclass
from typing import NamedTuple

from colvision.embedding import EncoderInfo
from colvision.page import PdfGeometry

INGESTING, CANCELLED, FAILED, DAMAGED, READY = "ingesting", "cancelled", "failed", "damaged", "ready"


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """A collection; `info` is None before its first commit pins an encoder. Its name is None while it refills one."""

    key: int
    name: str | None
    refills: int | None
    generation: int
    info: EncoderInfo | None
    components: int
    clipped: int

    @property
    def clipped_share(self) -> float:
        """Share of vector components beyond the code range, 0..1."""
        return self.clipped / self.components if self.components else 0.0


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document; `pages` counts those of the file, `stored` and `failed` those that were read so far."""

    key: int
    id: str
    collection: int
    name: str
    source: str
    upload: bool
    sha256: str
    extension: str
    bytes: int
    pages: int
    renderer: str
    state: str
    reason: str
    visible: bool
    replaces: int | None
    worker: str
    added: str
    stored: int
    failed: int

    @property
    def file_name(self) -> str:
        return f"{self.sha256}.{self.extension}"


class NewDocument(NamedTuple):
    """The columns of a document that is added; see `DocumentRow`."""

    id: str
    collection: int
    name: str
    source: str
    upload: bool
    sha256: str
    extension: str
    bytes: int
    pages: int
    renderer: str
    visible: bool
    replaces: int | None
    worker: str


class ShardRow(NamedTuple):
    key: int
    collection: int
    pages: int
    vectors: int
    bytes: int
    checksum: str
    damage: str

    @property
    def file_name(self) -> str:
        return shard_name(self.key)


class PageRow(NamedTuple):
    """A stored page: the size of its picture in pixels, its place in a shard (`row` from 0)."""

    key: int
    number: int
    height: int
    width: int
    geometry: PdfGeometry | None
    shard: int
    row: int


class NewPage(NamedTuple):
    """The columns of a stored page that is added; see `PageRow`."""

    document: int
    number: int
    height: int
    width: int
    geometry: PdfGeometry | None
    shard: int
    row: int


def shard_name(key: int) -> str:
    return f"{key:08d}.safetensors"
