"""Repairing a damaged library, as far as the kept files allow: lost pages are read and encoded again from them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from colvision.core.encoder import Encoder
from colvision.core.page import Page
from colvision.errors import EncoderError, InputError, LibraryReadOnly
from colvision.ingest import Callbacks, IngestOptions, LoadEncoder, ingest_again, read_by_others
from colvision.pdf import read_pages
from colvision.status import Document, document_of
from colvision.store import Damage, Store
from colvision.store.files import encode_jpeg
from colvision.store.records import DAMAGED, READY, DocumentRow


@dataclass(frozen=True, slots=True)
class Verification:
    """The damage before and after a repair, and the reasons why documents could not be repaired (`failed`).

    `unread` are the documents with pages that could not be read: nothing that was stored is damaged, but they are not
    all there. A repair tries those pages again.
    """

    found: tuple[Damage, ...]
    remaining: tuple[Damage, ...]
    failed: tuple[str, ...] = ()
    unread: tuple[Document, ...] = ()

    @property
    def is_intact(self) -> bool:
        """All that was stored is what was stored."""
        return not self.remaining


def verify_library(
    store: Store,
    encoder: Callable[[], Encoder],
    *,
    repair: IngestOptions | None = None,
    callbacks: Callbacks | None = None,
    others: LoadEncoder,
) -> Verification:
    """Reads all of a library and repairs it with these options; None changes nothing.

    `encoder` is called when pages are lost, or failed before, `others` for further encoders that lack pages.

    Raises `LibraryReadOnly` for a repair where nothing can be written.
    """
    if repair is not None and store.read_only:
        raise LibraryReadOnly(f"{store.path} cannot be written: nothing can be repaired in it")
    found = tuple(store.verify())
    if repair is None:
        return Verification(found, found, unread=_unread(store))
    _repair_store(store, {damage.kind for damage in found})
    _render_page_images(store, [damage for damage in found if damage.kind == "page image"], repair)
    failed = [*_encode_missing_pages(store, encoder, repair, callbacks or Callbacks())]
    for row in store.collections():
        options = replace(repair, collection=str(row.name))
        failed += read_by_others(store, others, options=options, callbacks=callbacks or Callbacks())
    return Verification(found, tuple(store.verify()) if found else (), tuple(failed), _unread(store))


def _unread(store: Store) -> tuple[Document, ...]:
    rows = [row for row in _documents(store) if row.failed and row.is_intact]
    health = store.health(rows)
    return tuple(document_of(row, store.shown_folder(row), each) for row, each in zip(rows, health, strict=True))


def _repair_store(store: Store, kinds: set[str]) -> None:
    steps = {
        "catalogue": store.repair.reindex_catalogue,
        "text": store.repair.rebuild_text,
        "entry": store.repair.delete_damaged_entries,
        "shard": store.repair.recover_shards,
    }
    for kind, step in steps.items():
        if kind in kinds:
            step()


def _render_page_images(store: Store, damages: Iterable[Damage], options: IngestOptions) -> None:
    """Renders pages from their kept file, as an ingest does."""
    lost: dict[str, set[int]] = defaultdict(set)
    for damage in damages:
        lost[damage.path.parent.name].add(int(damage.path.stem))
    files = {row.sha256: store.original_path(row) for row in _documents(store)}
    for sha256, numbers in lost.items():
        jpegs: dict[int, bytes] = {}
        try:
            for page in read_pages(files[sha256], numbers=tuple(sorted(numbers)), renderer=options.renderer):
                if isinstance(page, Page):
                    jpegs[page.number] = encode_jpeg(page.image)
        except InputError:
            continue  # the file is damaged as well, which `verify` names by itself
        store.repair.write_page_images(sha256, jpegs)


def _encode_missing_pages(
    store: Store, encoder: Callable[[], Encoder], options: IngestOptions, callbacks: Callbacks
) -> Iterable[str]:
    """Stores the pages that documents have lost or that failed; yields the reasons of failures."""
    for row in _documents(store):
        has_lost = row.state == DAMAGED and row.stored + row.failed < row.pages
        if not row.is_intact or not (has_lost or (row.state == READY and row.failed)):
            continue
        try:
            own_options = replace(options, collection=row.collection_name)
            report = ingest_again(store, encoder(), row, options=own_options, callbacks=callbacks)
        except EncoderError as error:
            yield f"{row.name} was not repaired: {error}"
            continue
        if report.outcome == "failed":
            yield f"{row.name} was not repaired: {report.reason}"


def _documents(store: Store) -> Sequence[DocumentRow]:
    names = [row.name for row in store.collections() if row.name is not None]
    return [row for name in names for row in store.documents(name)]
