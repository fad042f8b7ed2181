"""What a cluster is made of: `cluster.json` in its folder, and a folder for each partition, or an object store."""

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from colvision.atomic_io import atomic_write
from colvision.errors import LibraryFormat
from colvision.store.catalogue import FILE_NAME as CATALOGUE_NAME

FILE_NAME = "cluster.json"
_FORMAT = 1
_MOST = 4096  # partitions: each is asked by every question


@dataclass(frozen=True, slots=True)
class ClusterLayout:
    """A cluster in a folder `root`: so many `partitions`, which stay as many, and `replicas` of each.

    `mirror` is the fsspec URL of the object store that holds the partitions; without one they are folders beside
    `cluster.json`, which every node sees. `id` tells it from other clusters of the same Ray.
    """

    root: Path
    id: str
    partitions: int
    replicas: int
    mirror: str | None = None
    address: str | None = None

    @classmethod
    def read(cls, root: Path) -> "ClusterLayout":
        """Raises `LibraryFormat` for a folder without one, or of another version."""
        try:
            known = json.loads((root / FILE_NAME).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise LibraryFormat(f"there is no cluster at {root}: give `partitions` to make one") from error
        except ValueError as error:
            raise LibraryFormat(f"{root / FILE_NAME} cannot be read ({error}): put it back from a copy") from error
        if not isinstance(known, dict) or known.pop("format", None) != _FORMAT:
            raise LibraryFormat(f"{root} is a cluster of another format than {_FORMAT}: open it with its own colvision")
        return cls(root, **known)

    @classmethod
    def create(
        cls, root: Path, partitions: int, replicas: int, mirror: str | None, address: str | None
    ) -> "ClusterLayout":
        """Raises `LibraryFormat` for a folder that holds other things, `ValueError` for counts that cannot be."""
        if not (1 <= partitions <= _MOST and replicas >= 1):
            raise ValueError(f"{partitions} partitions with {replicas} replicas: give 1 to {_MOST}, and at least one")
        root.mkdir(parents=True, exist_ok=True)
        other = next((entry.name for entry in root.iterdir() if not entry.name.startswith(".")), None)
        if other is not None:
            what = "is a library" if (root / CATALOGUE_NAME).exists() else f"holds {other!r}"
            raise LibraryFormat(f"{root} {what}: give a cluster an empty or a new folder")
        layout = cls(root, secrets.token_hex(8), partitions, replicas, mirror, address)
        known = {name: value for name, value in asdict(layout).items() if name != "root"}
        text = json.dumps({"format": _FORMAT} | known, indent=2)
        atomic_write(root / FILE_NAME, [text.encode()])
        return layout

    @property
    def namespace(self) -> str:
        """Of its actors."""
        return f"colvision-{self.id}"

    def folder(self, partition: int) -> Path:
        return self.root / partition_name(partition)

    def partition_of(self, document_id: str) -> int:
        """Where a document lies, from its first day to its last: its identity decides, not its name or content."""
        return int.from_bytes(hashlib.sha256(document_id.encode()).digest()[:8]) % self.partitions


def partition_name(partition: int) -> str:
    return f"partition-{partition:03}"


def is_cluster(folder: Path) -> bool:
    return (folder / FILE_NAME).is_file()
