"""What a library tells of itself: its documents, its collections, and what is wrong with them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from colvision.core.encoder import EncoderInfo
from colvision.core.metadata import Metadata
from colvision.store import Damage, Store
from colvision.store.records import CollectionRow, DocumentRow, ShardRow
from colvision.store.shards import BITS_A_WORD, SHARD_FORMAT

CLIPPED_WARNING = 0.001  # share of vector components beyond the code range above which the scores suffer


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a library.

    `state` is ready, ingesting, cancelled, failed or damaged (with a `reason`); `stored` of its `pages` can be found,
    `failed` could not be read. `source` is the path that it came from, or the name of an upload; `metadata` is what was
    given with it.
    """

    id: str
    name: str
    collection: str
    state: str
    reason: str
    pages: int
    stored: int
    failed: int
    bytes: int
    source: str
    is_upload: bool
    renderer: str
    added: datetime
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class ShardBytes:
    """What the shards of a collection hold, in bytes; `dead` is the part of all of it that deleted pages take.

    `grids` are all that is neither codes nor bits; also the vectors that shards of an older colvision may hold.
    """

    codes: int
    bits: int
    grids: int
    dead: int

    @property
    def total(self) -> int:
        return self.codes + self.bits + self.grids

    @property
    def dead_share(self) -> float:
        return self.dead / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class CollectionStatus:
    """One collection; `encoder` is None before anything is in it; `bytes` are those of its shards, `parts` what of.

    `needs_reencoding`: the library's encoder, if loaded, is not the one that filled it.
    """

    name: str
    encoder: EncoderInfo | None
    documents: int
    pages: int
    failed_pages: int
    vectors: int
    shards: int
    bytes: int
    parts: ShardBytes
    clipped_share: float
    generation: int
    needs_reencoding: bool


@dataclass(frozen=True, slots=True)
class LibraryStatus:
    """What a library holds; `warnings` are sentences for the user.

    `files`, `pictures` and `catalogue` are bytes on the disk, beside those of the collections' shards.
    """

    path: Path
    read_only: bool
    encoder: str
    collections: tuple[CollectionStatus, ...]
    damaged: tuple[Damage, ...]
    warnings: tuple[str, ...]
    files: int
    pictures: int
    catalogue: int


def document_of(row: DocumentRow) -> Document:
    return Document(
        id=row.id,
        name=row.name,
        collection=row.collection_name,
        state=row.state,
        reason=row.reason,
        pages=row.pages,
        stored=row.stored,
        failed=row.failed,
        bytes=row.bytes,
        source=row.source,
        is_upload=row.upload,
        renderer=row.renderer,
        added=datetime.fromisoformat(row.added),
        metadata=row.metadata,
    )


def status_of(store: Store, encoder: str | EncoderInfo) -> LibraryStatus:
    """`encoder` is what the library is open with, or its name while it is not loaded."""
    names = [row.name for row in store.collections() if row.name is not None]
    loaded = None if isinstance(encoder, str) else encoder
    collections = tuple(_collection(store, name, loaded) for name in names)
    damaged = tuple(store.damaged())
    warnings = [shard.reason for shard in damaged]
    warnings += [warning for status in collections for warning in _warnings(status, loaded)]
    name = encoder if isinstance(encoder, str) else encoder.name
    files, pictures = store.files.sizes()
    sizes = files, pictures, store.catalogue_bytes
    return LibraryStatus(store.path, store.read_only, name, collections, damaged, tuple(warnings), *sizes)


def _collection(store: Store, name: str, loaded: EncoderInfo | None) -> CollectionStatus:
    row = store.collection(name)
    pinned = row.info
    documents = store.documents(name)
    shards = store.shards(name)
    return CollectionStatus(
        name=name,
        encoder=row.info,
        documents=len(documents),
        pages=sum(document.stored for document in documents),
        failed_pages=sum(document.failed for document in documents),
        vectors=sum(shard.vectors for shard in shards),
        shards=len(shards),
        bytes=sum(shard.bytes for shard in shards),
        parts=_shard_bytes(row, shards, store.live_pages(name)),
        clipped_share=row.clipped_share,
        generation=row.generation,
        needs_reencoding=bool(pinned and loaded and pinned.fingerprint != loaded.fingerprint),
    )


def _shard_bytes(row: CollectionRow, shards: list[ShardRow], live: Mapping[int, int]) -> ShardBytes:
    """From what the catalogue knows of the shards; no file is opened. `live` is how many pages of each are not dead."""
    dim = row.info.dim if row.info is not None else 0
    codes = dim * sum(shard.vectors for shard in shards)
    has_bits = dim % BITS_A_WORD == 0
    bits = dim // 8 * sum(shard.vectors for shard in shards if has_bits and shard.format >= SHARD_FORMAT)
    total = sum(shard.bytes for shard in shards)
    dead = sum(shard.bytes * (shard.pages - live.get(shard.key, 0)) // shard.pages for shard in shards)
    return ShardBytes(codes, bits, max(0, total - codes - bits), dead)


def _warnings(status: CollectionStatus, loaded: EncoderInfo | None) -> Iterator[str]:
    if status.clipped_share > CLIPPED_WARNING:
        yield (
            f"collection {status.name!r}: {status.clipped_share:.2%} of the vector components are beyond the "
            f"encoder's code range (expected below {CLIPPED_WARNING:.1%}): scores are less exact"
        )
    if loaded is None or status.encoder is None:
        return
    if status.needs_reencoding:
        yield (
            f"collection {status.name!r} was filled by {status.encoder.name}, the library is open with {loaded.name}: "
            f"open it with the first, or run `colvision reencode {loaded.options or '--encoder NAME'}`"
        )
    elif dict(loaded.versions) != dict(status.encoder.versions):
        yield (
            f"collection {status.name!r} was filled with {_listed(status.encoder)}, now in use is {_listed(loaded)}: "
            "vectors may differ a little"
        )


def _listed(info: EncoderInfo) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(info.versions.items()))
