"""Bringing an engine to what a collection holds: what it lacks is written, what it has too much is removed."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from colvision.collection import SearchableDocuments
from colvision.core.encoder import EncoderInfo
from colvision.engines.engine import Engine, ExportedPage, document_of_id, facts_of, page_id
from colvision.errors import LibraryDamaged, LibraryError
from colvision.store import Snapshot, SnapshotShard

_BATCH_NUMBERS = 2_000_000  # that are written at once: 22 pages of 700 x 128, 10 MB of JSON
_BATCH_PAGES = 256
_REMOVED = 500  # at once


class ExportProgress(NamedTuple):
    """`done` of `total` pages are in the engine."""

    task: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ExportReport:
    """Pages that were written, those that were there already, and those that were removed."""

    engine: str
    written: int
    same: int
    removed: int

    def __str__(self) -> str:
        return f"{self.engine}: {self.written} pages written, {self.same} there already, {self.removed} removed"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class _Row(NamedTuple):
    part: SnapshotShard
    row: int
    id: str


def export_collection(
    collection: SearchableDocuments, engine: Engine, *, progress: Callable[[ExportProgress], None] | None = None
) -> ExportReport:
    """Writes a collection's pages to an engine: killed or stopped, it goes on when it is run again.

    What is there already stays, and pages that the collection no longer holds, or not as they are there, are removed
    once all others are written. Raises `LibraryError` for an empty collection, for a page that is too large for the
    engine, before anything is written, and for a place that holds another collection's pages; `LibraryDamaged` while a
    shard is quarantined.
    """
    snapshot = collection.snapshot()
    info = _check(snapshot)
    rows = list(_rows(snapshot, info))
    _check_sizes(snapshot, engine, rows)
    engine.prepare(info)
    held = set(engine.ids())
    _check_owner(engine, held, snapshot)
    missing = [row for row in rows if row.id not in held]
    done = len(rows) - len(missing)
    tell = progress or (lambda _: None)
    tell(ExportProgress("exporting", done, len(rows)))
    for batch in _batches(missing):
        engine.write([_read(row, snapshot, info) for row in batch])
        done += len(batch)
        tell(ExportProgress("exporting", done, len(rows)))
    surplus = sorted(held - {row.id for row in rows})
    for first in range(0, len(surplus), _REMOVED):
        engine.remove(surplus[first : first + _REMOVED])
    if missing or surplus:
        engine.finish()
    return ExportReport(engine.name, len(missing), len(rows) - len(missing), len(surplus))


def _check(snapshot: Snapshot) -> EncoderInfo:
    info = snapshot.collection.info
    if info is None or not snapshot.pages:
        raise LibraryError(f"collection {snapshot.collection.name!r} holds no page to export: ingest some first")
    stored = sum(row.stored for row in snapshot.documents.values())
    if stored != snapshot.pages:
        raise LibraryDamaged(
            f"{stored - snapshot.pages} pages cannot be read and would be missing: run `colvision verify --repair`"
        )
    return info


def _rows(snapshot: Snapshot, info: EncoderInfo) -> Iterator[_Row]:
    for part in snapshot.shards:
        for row in part.live.nonzero()[0].tolist():
            key = int(part.document[row])
            document = snapshot.documents[key]
            sum_ = part.shard.codes_sum(row)
            folder = snapshot.folders[key]
            number = int(part.page[row])
            yield _Row(part, row, page_id(document, number, sum_, fingerprint=info.fingerprint, folder=folder))


def _numbers(row: _Row) -> int:
    shard = row.part.shard
    return int(shard.starts[row.row + 1] - shard.starts[row.row]) * shard.dim


def _check_sizes(snapshot: Snapshot, engine: Engine, rows: list[_Row]) -> None:
    most = engine.most_numbers
    largest = max(rows, key=_numbers)
    if most is not None and _numbers(largest) > most:
        document = snapshot.documents[int(largest.part.document[largest.row])]
        dim = largest.part.shard.dim
        raise LibraryError(
            f"page {int(largest.part.page[largest.row])} of {document.name!r} has {_numbers(largest) // dim:,} vectors "
            f"of {dim} numbers; {engine.name} takes {most // dim:,} in one page: ingest into a new collection with "
            "--pool 2, or with fewer --max-patches"
        )


def _check_owner(engine: Engine, held: set[str], snapshot: Snapshot) -> None:
    ours = {row.id for row in snapshot.documents.values()}
    if held and not any(document_of_id(each) in ours for each in held):
        raise LibraryError(
            f"{engine.name} holds {len(held)} pages there, none of them of a document of this collection, and they "
            "would be removed: export to another place, or empty that one first"
        )


def _batches(rows: list[_Row]) -> Iterator[list[_Row]]:
    batch: list[_Row] = []
    numbers = 0
    for row in rows:
        if batch and (numbers + _numbers(row) > _BATCH_NUMBERS or len(batch) == _BATCH_PAGES):
            yield batch
            batch, numbers = [], 0
        batch.append(row)
        numbers += _numbers(row)
    if batch:
        yield batch


def _read(row: _Row, snapshot: Snapshot, info: EncoderInfo) -> ExportedPage:
    key = int(row.part.document[row.row])
    document = snapshot.documents[key]
    stored = row.part.shard.page(row.row)
    return ExportedPage(
        id=row.id,
        document_id=document.id,
        document=document.name,
        folder=snapshot.folders[key],
        page=int(row.part.page[row.row]),
        facts=facts_of(document),
        encoder=info.fingerprint,
        codes=stored.codes,
        grid=stored.grid,
    )
