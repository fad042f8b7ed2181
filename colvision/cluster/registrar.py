"""Which document a file is, decided once over all partitions: one process of Ray's decides, a file after the other."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from colvision.cluster.layout import ClusterLayout
from colvision.cluster.replica import NEWEST
from colvision.cluster.router import Router
from colvision.cluster.sent import FileToPlace, Placement
from colvision.store.identity import SourceFile, decide, new_id

_KEPT_SECONDS = 3600.0  # for which a decision is remembered whose file was not told to be stored


@dataclass(frozen=True, slots=True)
class _Pending:
    """A decision on a new document that its partition may not know of yet."""

    file: FileToPlace
    placement: Placement
    since: float

    def is_of(self, file: FileToPlace) -> bool:
        is_same_source = bool(file.path) and file.path == self.file.path
        return self.file.collection == file.collection and (self.file.sha256 == file.sha256 or is_same_source)


class Registrar:
    """Keeps no data: what is stored the partitions know, and what is on its way is remembered until it is there."""

    def __init__(self, layout: ClusterLayout, router_of: Callable[[ClusterLayout], Router]) -> None:
        self._layout = layout
        self._router = router_of(layout)
        self._pending: list[_Pending] = []

    def ping(self) -> None:
        """Answers when it is ready."""

    def place(self, file: FileToPlace) -> Placement:
        """Where a file belongs. Raises `InputError` when it could replace several documents, `PartitionUnavailable`."""
        now = time.monotonic()
        self._pending = [each for each in self._pending if now - each.since < _KEPT_SECONDS]
        known = next((each for each in self._pending if each.is_of(file)), None)
        if known is not None:
            return known.placement
        source = file.path or file.name
        wanted = SourceFile(file.collection, file.name, source, not file.path, file.replace, brought=file.brought)
        replies = self._router.ask("candidates", lambda _: (wanted, file.sha256), version=NEWEST)
        rows = [row for partition in sorted(replies) for row in replies[partition].value]
        # Keys are those of one partition: elsewhere a row of the same key is another document.
        visible = [row for row in rows if row.visible]
        decision = decide(wanted, file.sha256, visible, lambda name: self.name_exists(file.collection, name))
        existing = decision.existing or decision.replaced
        if existing is not None:
            return Placement(self._layout.partition_of(existing.id), "", file.name)
        document_id = self._free_id(file.document_id)
        placement = Placement(self._layout.partition_of(document_id), document_id, decision.name)
        self._pending.append(_Pending(file, placement, now))
        return placement

    def stored(self, file: FileToPlace) -> None:
        """What was decided on a file is in its partition, or will not be."""
        self._pending = [each for each in self._pending if not each.is_of(file)]

    def name_exists(self, collection: str, name: str) -> bool:
        """Whether a document of a collection has a name, or is to have it."""
        if any(each.file.collection == collection and each.placement.name == name for each in self._pending):
            return True
        replies = self._router.ask("name_exists", lambda _: (collection, name), version=NEWEST)
        return any(reply.value for reply in replies.values())

    def _free_id(self, wanted: str) -> str:
        """The requested id, unless a document has it."""
        if not wanted:
            return new_id()
        found = self._router.ask_one(self._layout.partition_of(wanted), "meant_by", wanted)
        return new_id() if any(each.level == 0 for each in found) else wanted
