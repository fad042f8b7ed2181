"""Putting a damaged library right, as far as the kept files allow: what is lost is read and encoded again from them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from colvision.core.encoder import Encoder
from colvision.core.page import Page
from colvision.errors import EncoderError, InputError
from colvision.ingest import Callbacks, IngestOptions, ingest_again
from colvision.pdf import read_pages
from colvision.store import Damage, Store
from colvision.store.files import encode_jpeg
from colvision.store.records import DAMAGED, DocumentRow


@dataclass(frozen=True, slots=True)
class Verification:
    """What was damaged, what of it still is after a repair, and why documents could not be repaired."""

    found: tuple[Damage, ...]
    left: tuple[Damage, ...]
    failed: tuple[str, ...] = ()

    @property
    def is_intact(self) -> bool:
        return not self.left


def verify_library(
    store: Store,
    encoder: Callable[[], Encoder],
    *,
    repair: IngestOptions | None = None,
    callbacks: Callbacks | None = None,
) -> Verification:
    """Reads all of a library and puts right what can be, as `repair` says; None leaves it as it is.

    `encoder` is called when pages are lost.

    Raises `LibraryReadOnly` for a repair where nothing can be written.
    """
    found = tuple(store.verify())
    if repair is None or not found:
        return Verification(found, found)
    _in_store(store, {damage.what for damage in found})
    _redraw_page_images(store, [damage for damage in found if damage.what == "picture"])
    failed = tuple(_encode_again(store, encoder, repair, callbacks or Callbacks()))
    return Verification(found, tuple(store.verify()), failed)


def _in_store(store: Store, kinds: set[str]) -> None:
    steps = {
        "catalogue": store.repair.catalogue,
        "text": store.repair.text,
        "entry": store.repair.entries,
        "shard": store.repair.shards,
    }
    for what, step in steps.items():
        if what in kinds:
            step()


def _redraw_page_images(store: Store, damages: Iterable[Damage]) -> None:
    """Draws pages from their file as an ingest does."""
    lost: dict[str, set[int]] = defaultdict(set)
    for damage in damages:
        lost[damage.path.parent.name].add(int(damage.path.stem))
    files = {row.sha256: store.original_path(row) for row in _documents(store)}
    for sha256, numbers in lost.items():
        drawn: dict[int, bytes] = {}
        try:
            for page in read_pages(files[sha256], numbers=tuple(sorted(numbers))):
                if isinstance(page, Page):
                    drawn[page.number] = encode_jpeg(page.image)
        except InputError:
            continue  # the file is damaged as well, which is found by itself
        store.repair.pictures(sha256, drawn)


def _encode_again(
    store: Store, encoder: Callable[[], Encoder], options: IngestOptions, callbacks: Callbacks
) -> Iterable[str]:
    """Stores the lost pages of damaged documents; yields why that failed."""
    for row in _documents(store):
        if row.state != DAMAGED or not row.is_intact or row.stored + row.failed == row.pages:
            continue
        try:
            own = replace(options, collection=row.collection_name)
            done = ingest_again(store, encoder(), row, options=own, callbacks=callbacks)
        except EncoderError as error:
            yield f"{row.name} was not repaired: {error}"
            continue
        if done.outcome == "failed":
            yield f"{row.name} was not repaired: {done.reason}"


def _documents(store: Store) -> Sequence[DocumentRow]:
    names = [row.name for row in store.collections() if row.name is not None]
    return [row for name in names for row in store.documents(name)]
