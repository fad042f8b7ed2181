"""What a cluster holds, and how its partitions and replicas are."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from colvision.status import CollectionStatus, LibraryStatus, ShardBytes


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """A replica on a `node` of Ray; the rest is what it says itself, if it is `alive`. `version` is that of the mirror
    that it serves, 0 without one.
    """

    number: int
    alive: bool
    node: str = ""
    host: str = ""
    pid: int = 0
    is_writer: bool = False
    version: int = 0
    folder: str = ""


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """A partition: `library` is what the first replica that answers holds, None where none does."""

    number: int
    library: LibraryStatus | None
    replicas: tuple[ReplicaStatus, ...]

    @property
    def pages(self) -> int:
        return sum(each.pages for each in self.library.collections) if self.library is not None else 0

    @property
    def documents(self) -> int:
        return sum(each.documents for each in self.library.collections) if self.library is not None else 0


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """`warnings` are sentences for the user: on partitions and replicas that do not answer, and the libraries' own."""

    path: Path
    partitions: tuple[PartitionStatus, ...]
    warnings: tuple[str, ...]

    @property
    def pages(self) -> int:
        return sum(each.pages for each in self.partitions)

    @property
    def documents(self) -> int:
        return sum(each.documents for each in self.partitions)

    @property
    def encoder(self) -> str:
        """The name of the first partition's, "" where none answers."""
        return next((each.library.encoder for each in self.partitions if each.library is not None), "")

    @property
    def collections(self) -> tuple[CollectionStatus, ...]:
        """Those of all partitions that answer, each as one."""
        parts: dict[str, list[CollectionStatus]] = {}
        for each in self.partitions:
            for part in each.library.collections if each.library is not None else ():
                parts.setdefault(part.name, []).append(part)
        return tuple(map(merge_collections, parts.values()))

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        partitions = [
            {
                "number": each.number,
                "replicas": [asdict(replica) for replica in each.replicas],
                "library": None if each.library is None else each.library.to_dict(),
            }
            for each in self.partitions
        ]
        return {
            "path": str(self.path),
            "documents": self.documents,
            "pages": self.pages,
            "partitions": partitions,
            "warnings": list(self.warnings),
        }


def merge_collections(parts: Sequence[CollectionStatus]) -> CollectionStatus:
    """The parts of one collection as one; its generation and share of clipped components are the highest."""

    def total(name: str) -> int:
        return sum(getattr(each, name) for each in parts)

    names = [each.name for each in fields(ShardBytes)]
    return CollectionStatus(
        name=parts[0].name,
        encoder=next((each.encoder for each in parts if each.encoder is not None), None),
        documents=total("documents"),
        pages=total("pages"),
        failed_pages=total("failed_pages"),
        not_whole={name: summary for each in parts for name, summary in each.not_whole.items()},
        vectors=total("vectors"),
        shards=total("shards"),
        bytes=total("bytes"),
        shard_bytes=ShardBytes(**{name: sum(getattr(each.shard_bytes, name) for each in parts) for name in names}),
        clipped_share=max(each.clipped_share for each in parts),
        generation=max(each.generation for each in parts),
        needs_reencoding=any(each.needs_reencoding for each in parts),
    )


def status_warnings(partitions: tuple[PartitionStatus, ...]) -> tuple[str, ...]:
    warnings = []
    for each in partitions:
        dead = sum(not replica.alive for replica in each.replicas)
        if dead == len(each.replicas):
            warnings.append(f"partition {each.number}: no replica answers; what it holds is not found")
        elif dead:
            warnings.append(f"partition {each.number}: {dead} of {len(each.replicas)} replicas do not answer")
        nodes = [replica.node for replica in each.replicas if replica.alive]
        if len(nodes) > 1 and len(set(nodes)) == 1:
            warnings.append(f"partition {each.number}: all its replicas run on one node; `rebalance()` spreads them")
        if each.library is not None:
            warnings += [f"partition {each.number}: {warning}" for warning in each.library.warnings]
    return tuple(warnings)
