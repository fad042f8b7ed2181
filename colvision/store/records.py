"""The rows of the catalogue as values."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Literal, NamedTuple

from colvision.core.encoder import EncoderInfo
from colvision.core.health import Note
from colvision.core.metadata import Metadata
from colvision.core.page import PdfGeometry, PrintedWord
from colvision.core.text import page_form
from colvision.errors import EncoderMismatch

DEFAULT_COLLECTION = "default"  # in every library from its first moment on
INGESTING, CANCELLED, INTERRUPTED = "ingesting", "cancelled", "interrupted"
FAILED, DAMAGED, READY = "failed", "damaged", "ready"


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """A collection; `info` is None before its first commit pins an encoder. A shadow
    collection, which is to take the place of the collection `shadow_of`, has no name. Nor has a companion collection,
    which holds what the encoder called `encoder_name` makes of the documents of the collection `companion_of`.
    """

    key: int
    name: str | None
    shadow_of: int | None
    generation: int
    info: EncoderInfo | None
    components: int
    clipped: int
    companion_of: int | None = None
    encoder_name: str | None = None

    @property
    def clipped_share(self) -> float:
        """Share of vector components beyond the quantisation range, 0..1."""
        return self.clipped / self.components if self.components else 0.0

    def check_encoder(self, info: EncoderInfo) -> None:
        """Raises `EncoderMismatch` unless it is empty or was filled by an encoder of this fingerprint."""
        pinned = self.info
        if pinned is None or pinned.fingerprint == info.fingerprint:
            return
        pinned_options, options = pinned.options or pinned.name, info.options or "--encoder NAME"
        advice = f"open the library with {pinned_options}, or run"
        if pinned.fingerprint in info.former:
            advice = f"{info.former[pinned.fingerprint]}: run"
        elif options == pinned_options:
            changed = "its files have changed since: put back those of then, or run"
            advice = changed if pinned.loaded_from else "another version of it: run"
        own = "" if self.name == "default" else f" --collection {shlex.quote(str(self.name))}"
        raise EncoderMismatch(
            f"collection {self.name!r} was filled by {pinned.name} (fingerprint {pinned.fingerprint[:12]}), "
            f"not by {info.name} ({info.fingerprint[:12]}): {advice} `colvision reencode {options}{own}` to "
            f"fill the collection again with {info.name} from the kept files"
        )


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document; `pages` counts those of the file, `stored` and `failed` those that have been read.

    `collection_name` is "" in a shadow collection.

    `is_intact` is False when its entry in the catalogue is damaged: its columns cannot be believed.
    """

    key: int
    id: str
    collection: int
    collection_name: str
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
    metadata: Metadata
    notes: tuple[Note, ...]  # on the file as a whole
    stored: int
    failed: int
    is_intact: bool
    copies: tuple[str, ...] = ()  # other sources that had the same bytes

    @property
    def file_name(self) -> str:
        return f"{self.sha256}.{self.extension}"

    @property
    def paths(self) -> tuple[str, ...]:
        """All that its file is known to have come from: paths, and names of uploads."""
        return (self.source, *self.copies)

    @property
    def name_form(self) -> str:
        """The words of its name and of the folder that it lay in, as they are compared."""
        return _name_form(self.name, "" if self.upload else PurePath(self.source).parent.name)


@lru_cache(maxsize=65_536)
def _name_form(name: str, folder: str) -> str:
    return page_form(f"{PurePath(name).stem} {folder}")


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
    metadata: Metadata
    notes: tuple[Note, ...] = ()
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShardRow:
    """A shard; `damage`: why it is quarantined, `format` is that of its file; `is_intact` as in `DocumentRow`.

    `centroids` is the key of those that its inverted lists belong to, 0 where it has none.
    """

    key: int
    collection: int
    pages: int
    vectors: int
    bytes: int
    checksum: str
    damage: str
    format: int
    centroids: int = 0
    is_intact: bool = True

    @property
    def file_name(self) -> str:
        return shard_name(self.key)


@dataclass(frozen=True, slots=True)
class PageRow:
    """A stored page: the size of its page image in pixels, its place in a shard (`row` from 0).

    `reader` is the OCR engine that its text is from, "" for the PDF itself.
    """

    key: int
    number: int
    height: int
    width: int
    geometry: PdfGeometry | None
    shard: int
    row: int
    reader: str = ""


class NewPage(NamedTuple):
    """The columns of a stored page that is added; see `PageRow`. `image_checksum` is the crc32 of its JPEG, None for a
    page that has none of its own.
    """

    document: int
    number: int
    height: int
    width: int
    geometry: PdfGeometry | None
    shard: int
    row: int
    image_checksum: int | None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class PageText:
    """The text of a page and its words; `reader` as in `PageRow`."""

    text: str = ""
    words: tuple[PrintedWord, ...] = ()
    reader: str = ""


DamageKind = Literal["catalogue", "log", "text", "entry", "shard", "file", "page image", "document"]


@dataclass(frozen=True, slots=True)
class Damage:
    """A part of a library that is not what was stored: its kind, its file, the reason, and the documents it belongs to.

    "log" is a catalogue that has lost its newest changes, "entry" a row of it that has changed, "document" one that
    misses pages. `documents` are names, `ids` the same documents' ids.
    """

    kind: DamageKind
    path: Path
    reason: str
    documents: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, kind: DamageKind, path: Path, reason: str, rows: Iterable[DocumentRow]) -> "Damage":
        named = sorted({(row.name, row.id) for row in rows})
        return cls(kind, path, reason, tuple(name for name, _ in named), tuple(id_ for _, id_ in named))


def shard_name(key: int) -> str:
    """The name of a shard's file."""
    return f"{key:08d}.safetensors"
