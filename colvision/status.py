"""The status of a library: its documents, its collections, and their damage."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from colvision.core.encoder import EncoderInfo
from colvision.core.health import Health
from colvision.core.metadata import Metadata
from colvision.maxsim.inverted_lists import entry_bytes
from colvision.search.device import DeviceStatus, SearchDevice
from colvision.store import Damage, Store
from colvision.store.records import CollectionRow, DocumentRow, ShardRow
from colvision.store.shards import BITS_A_WORD, SHARD_FORMAT

CLIPPED_WARNING = 0.001  # share of vector components beyond the quantisation range, above which the scores suffer


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a library.

    `state` is ready, ingesting, cancelled, interrupted, failed or damaged (with a `reason`); `stored` of its `pages`
    can be found, `failed` could not be read. `source` is the path that it came from, or the name of an upload; `folder`
    is the part of that which tells it from others of the same file name, "" for an upload; `copies` are other paths and
    uploads with the same bytes. `metadata` was given with it. `health` says what of the file was not read; `sha256` is
    that of the file.
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
    folder: str
    copies: tuple[str, ...]
    is_upload: bool
    renderer: str
    added: datetime
    metadata: Metadata
    health: Health
    sha256: str

    @property
    def kind(self) -> Literal["pdf", "image"]:
        """By the content of the file, which decided what draws it."""
        return "image" if self.renderer.startswith("pillow") else "pdf"

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold; `added` in ISO 8601."""
        return asdict(self) | {"added": self.added.isoformat(), "health": self.health.to_dict()}


@dataclass(frozen=True, slots=True)
class ShardBytes:
    """The contents of the shards of a collection, in bytes; `dead` is the share of deleted pages in all of it.

    `grids` are all that is none of codes, bits and inverted `lists`; also the vectors that shards of an older colvision
    may hold.
    """

    codes: int
    bits: int
    grids: int
    dead: int
    lists: int = 0

    @property
    def total(self) -> int:
        return self.codes + self.bits + self.lists + self.grids

    @property
    def dead_share(self) -> float:
        return self.dead / self.total if self.total else 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"dead_share": self.dead_share}


@dataclass(frozen=True, slots=True)
class EncoderStatus:
    """A further encoder of a collection, called `name`: it has read all pages of `documents` out of `of`.

    `pages` of theirs are stored, `failed_pages` could not be read; `bytes` are its shards'.
    """

    name: str
    encoder: EncoderInfo
    documents: int
    of: int
    pages: int
    failed_pages: int
    shards: int
    bytes: int

    @property
    def is_complete(self) -> bool:
        return self.documents == self.of

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold; of the encoder its name and fingerprint."""
        row = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "encoder"}
        return row | {"encoder": self.encoder.name, "fingerprint": self.encoder.fingerprint}


@dataclass(frozen=True, slots=True)
class CollectionStatus:
    """One collection; `encoder` is None while it is empty; `bytes` are its shards', `shard_bytes` their contents'.

    `not_whole` are the documents of which not all was read, by name, each with its `Health.summary`.
    `needs_reencoding`: the library's encoder, if loaded, is not the one that filled it. `encoders` are the further
    ones; what they have made is counted with them, not with the collection.
    """

    name: str
    encoder: EncoderInfo | None
    documents: int
    pages: int
    failed_pages: int
    not_whole: Mapping[str, str]
    vectors: int
    shards: int
    bytes: int
    shard_bytes: ShardBytes
    clipped_share: float
    generation: int
    needs_reencoding: bool
    encoders: tuple[EncoderStatus, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold; of the encoder its name and fingerprint, the bytes of the shards beside the rest."""
        apart = ("encoder", "shard_bytes", "encoders")
        row = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in apart}
        row["encoders"] = [each.to_dict() for each in self.encoders]
        name, fingerprint = (self.encoder.name, self.encoder.fingerprint) if self.encoder else (None, None)
        return row | {"encoder": name, "fingerprint": fingerprint} | self.shard_bytes.to_dict()


@dataclass(frozen=True, slots=True)
class LibraryStatus:
    """What a library holds; `warnings` are sentences for the user.

    `files`, `page_images` and `catalogue` are bytes on the disk, beside those of the collections' shards.
    `search_device` is what this program keeps on the one that it searches by, None without one.
    """

    path: Path
    read_only: bool
    encoder: str
    collections: tuple[CollectionStatus, ...]
    damaged: tuple[Damage, ...]
    warnings: tuple[str, ...]
    files: int
    page_images: int
    catalogue: int
    search_device: DeviceStatus | None = None

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold: what `colvision status --json` prints."""
        return {
            "path": str(self.path),
            "read_only": self.read_only,
            "encoder": self.encoder,
            "collections": [each.to_dict() for each in self.collections],
            "bytes": {"files": self.files, "page_images": self.page_images, "catalogue": self.catalogue},
            "damaged": [asdict(each) | {"path": str(each.path)} for each in self.damaged],
            "warnings": list(self.warnings),
            "search_device": None if self.search_device is None else self.search_device.to_dict(),
        }


def document_of(row: DocumentRow, folder: str, health: Health) -> Document:
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
        folder=folder,
        copies=row.copies,
        is_upload=row.upload,
        renderer=row.renderer,
        added=datetime.fromisoformat(row.added),
        metadata=row.metadata,
        health=health,
        sha256=row.sha256,
    )


def status_of(store: Store, encoder: str | EncoderInfo, device: SearchDevice | None = None) -> LibraryStatus:
    """`encoder` is what the library is open with, or its name while it is not loaded."""
    names = [row.name for row in store.collections() if row.name is not None]
    loaded = None if isinstance(encoder, str) else encoder
    collections = tuple(collection_status(store, name, loaded) for name in names)
    damaged = tuple(store.known_damage())
    warnings = [shard.reason for shard in damaged]
    warnings += [warning for status in collections for warning in _warnings(status, loaded)]
    name = encoder if isinstance(encoder, str) else encoder.name
    sizes = *store.files.sizes(), store.catalogue_bytes
    on_device = None if device is None else device.status()
    warnings += [] if on_device is None else on_device.warnings()
    return LibraryStatus(store.path, store.read_only, name, collections, damaged, tuple(warnings), *sizes, on_device)


def collection_status(store: Store, name: str, loaded: EncoderInfo | None) -> CollectionStatus:
    """`loaded` is what the library is open with, None while it is not loaded. Raises `CollectionNotFound`."""
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
        not_whole={
            document.name: health.summary
            for document, health in zip(documents, store.health(documents), strict=True)
            if not health.is_whole
        },
        vectors=sum(shard.vectors for shard in shards),
        shards=len(shards),
        bytes=sum(shard.bytes for shard in shards),
        shard_bytes=_shard_bytes(row, shards, store.live_pages(name)),
        clipped_share=row.clipped_share,
        generation=row.generation,
        needs_reencoding=bool(pinned and loaded and pinned.fingerprint != loaded.fingerprint),
        encoders=tuple(encoder_status(store, each) for each in store.companions.of(name)),
    )


def encoder_status(store: Store, companion: CollectionRow) -> EncoderStatus:
    """What a companion collection holds."""
    assert companion.info is not None and companion.encoder_name is not None, "a companion is made with its encoder"
    pages, failed, documents, of = store.companions.counts(companion.key)
    shards = store.companions.shards(companion.key)
    return EncoderStatus(
        companion.encoder_name,
        companion.info,
        documents,
        of,
        pages,
        failed,
        len(shards),
        sum(shard.bytes for shard in shards),
    )


def _shard_bytes(row: CollectionRow, shards: list[ShardRow], live: Mapping[int, int]) -> ShardBytes:
    """From the rows of the shards; no file is opened. `live` is how many pages of each are not dead."""
    dim = row.info.dim if row.info is not None else 0
    codes = dim * sum(shard.vectors for shard in shards)
    has_bits = dim % BITS_A_WORD == 0
    bits = (
        dim
        // 8
        * sum(shard.vectors for shard in shards if has_bits and shard.format >= SHARD_FORMAT and not shard.centroids)
    )
    lists = entry_bytes(dim) * sum(shard.vectors for shard in shards if shard.centroids)
    total = sum(shard.bytes for shard in shards)
    dead = sum(shard.bytes * (shard.pages - live.get(shard.key, 0)) // shard.pages for shard in shards)
    return ShardBytes(codes, bits, max(0, total - codes - bits - lists), dead, lists)


def _warnings(status: CollectionStatus, loaded: EncoderInfo | None) -> Iterator[str]:
    if status.clipped_share > CLIPPED_WARNING:
        yield (
            f"collection {status.name!r}: {status.clipped_share:.2%} of the vector components are beyond the "
            f"encoder's quantisation range (expected below {CLIPPED_WARNING:.1%}): scores are less exact"
        )
    for each in status.encoders:
        if not each.is_complete:
            yield (
                f"collection {status.name!r}: {each.name} has read {each.documents} of {each.of} documents: "
                f"`colvision add-encoder {each.name}` goes on"
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
            f"collection {status.name!r} was filled with {_versions(status.encoder)}, now in use is "
            f"{_versions(loaded)}: vectors may differ a little"
        )


def _versions(info: EncoderInfo) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(info.versions.items()))
