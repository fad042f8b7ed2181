"""What a library must hold, as a small value made from the toy encoder, and what one does hold, read back whole."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cache

import numpy as np

from colvision.core.encoder import Calibration
from colvision.core.page import Page
from colvision.maxsim import quantise
from colvision.maxsim.inverted_lists import build_lists
from colvision.store import SnapshotShard, Store, rows
from colvision.store.files import encode_jpeg
from colvision.store.records import READY, DocumentRow, PageText
from colvision.store.shards import ShardPage
from colvision.store.writer import EncodedPage
from colvision.testing import ToyEncoder, text_page

_SEEN = Calibration(slope=20.0, midpoint=0.8)  # for collections with inverted lists
# A collection is filled by one of them, and encoded again by the other.
ENCODERS = (ToyEncoder(calibration=_SEEN), ToyEncoder(seed=1, calibration=_SEEN))


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document: `version` is what its original file says; `id` is "" where none was acknowledged yet."""

    name: str
    version: str
    id: str
    state: str
    pages: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()

    def fits(self, found: "StoredDocument") -> bool:
        return found == (self if self.id else replace(self, id=found.id))


@dataclass(frozen=True, slots=True)
class State:
    """The visible documents in the order of their names; `encoder` is the place in `ENCODERS` of who made the codes."""

    documents: tuple[StoredDocument, ...] = ()
    encoder: int = 0

    def get(self, name: str) -> StoredDocument | None:
        return next((each for each in self.documents if each.name == name), None)

    def put(self, document: StoredDocument) -> "State":
        kept = [each for each in self.documents if each.name != document.name]
        return replace(self, documents=tuple(sorted([*kept, document], key=lambda each: each.name)))

    def drop(self, name: str) -> "State":
        return replace(self, documents=tuple(each for each in self.documents if each.name != name))

    def fits(self, found: "State") -> bool:
        """Whether a library in the state `found` is as this one says; an empty one was made by nobody."""
        if len(self.documents) != len(found.documents):
            return False
        is_made_so = self.encoder == found.encoder or not any(each.pages for each in found.documents)
        return is_made_so and all(mine.fits(its) for mine, its in zip(self.documents, found.documents, strict=True))

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "State":
        fields = json.loads(text)
        rows = fields["documents"]
        documents = [
            StoredDocument(**row | {"pages": tuple(row["pages"]), "failed": tuple(row["failed"])}) for row in rows
        ]
        return cls(tuple(documents), fields["encoder"])


@cache
def encoded(version: str, number: int, encoder: int) -> EncodedPage:
    """Page `number` of a version of a document: its words say which it is."""
    words = [*version.split("."), f"p{number}", "bleed"]
    image = text_page(words)
    (embedding,) = ENCODERS[encoder].encode_pages([Page(image)])
    return EncodedPage(number, embedding, encode_jpeg(image), *Page(image).shape, None, PageText(" ".join(words)))


@cache
def expected(version: str, number: int, encoder: int) -> str:
    """The digest of all that is to be stored of a page."""
    page = encoded(version, number, encoder)
    codes = quantise(page.embedding.vectors, ENCODERS[encoder].info.quantisation_range)
    return digest(ShardPage(codes, page.embedding.grid, page.embedding.kind), page.jpeg, page.text.text)


def digest(page: ShardPage, jpeg: bytes, text: str) -> str:
    parts = (page.codes.tobytes(), page.grid.cells.tobytes(), page.kind.tobytes(), jpeg, text.encode())
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def read_state(store: Store) -> State:
    """What a library holds, every page read back; raises `AssertionError` where it is not what a version says."""
    assert store.verify() == []
    info = store.collection("default").info
    encoder = [each.info.fingerprint for each in ENCODERS].index(info.fingerprint) if info else 0
    snapshot = store.snapshot("default")
    pages: dict[int, list[int]] = {key: [] for key in snapshot.documents}
    for part in snapshot.shards:
        check_lists(part)
        for row in part.live.nonzero()[0].tolist():
            document, number = snapshot.documents[int(part.document[row])], int(part.page[row])
            jpeg, text = store.page_image_path(document, number).read_bytes(), store.page_text(document, number)
            found = digest(part.shard.page(row), jpeg, text)
            assert found == expected(_version(store, document), number, encoder), f"page {number} of {document.name}"
            pages[document.key].append(number)
    return State(
        tuple(_stored_document(store, row, sorted(pages[row.key])) for row in store.documents("default")), encoder
    )


def check_lists(part: SnapshotShard) -> None:
    """The inverted lists of a shard are those that its pages have by its centroids."""
    lists = part.shard.lists()
    if lists is None:
        return
    assert part.centroids is not None, f"{part.shard.path.name} has lists of centroids that are gone"
    built = build_lists(part.centroids, part.shard.codes, part.shard.starts, part.shard.quantisation_range)
    for name in ("lists", "starts", "pages", "residuals"):
        assert np.array_equal(getattr(lists.entries, name), getattr(built, name)), f"{name} of {part.shard.path.name}"


def _version(store: Store, row: DocumentRow) -> str:
    return store.original_path(row).read_text()


def _stored_document(store: Store, row: DocumentRow, pages: list[int]) -> StoredDocument:
    assert len(set(pages)) == len(pages) == row.stored, f"{row.name}: {row.stored} pages in the catalogue, not {pages}"
    (health,) = store.health([row])
    failed = tuple(each.page for each in health.failed)
    return StoredDocument(row.name, _version(store, row), row.id, row.state, tuple(pages), failed)


def leftovers(store: Store) -> list[str]:
    """Files below a library's folders that nothing in it names, when no writer is at work.

    Pictures of a document that is not complete, and halves of them, wait to be written over when it is gone on with.
    """
    known = rows.documents.select(store._db)  # hidden replacements, too
    named = {f"shards/{row.file_name}" for row in rows.shards.select(store._db)}
    named |= {f"files/{row.file_name}" for row in known} | {f"pages/{row.sha256}" for row in known}
    for row in known:
        named |= {f"pages/{row.sha256}/{number:04d}.jpg" for number in rows.pages.numbers(store._db, row.key)}
    waiting = tuple(f"pages/{row.sha256}/" for row in known if row.state != READY)
    folders = (store.path / name for name in ("shards", "files", "pages"))
    found = {str(path.relative_to(store.path)) for folder in folders for path in folder.rglob("*")}
    return sorted(path for path in found - named if not path.startswith(waiting or "-"))
