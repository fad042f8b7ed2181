"""What an ingest meets and leaves out, counted and named: silence means that all of a folder was read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from colvision.ingest.paths import shown_path

LeftOutKind = Literal["format", "link", "library"]
_NAMED = 5  # of each kind in a line for people; JSON has them all
_WHAT: dict[LeftOutKind, tuple[str, str]] = {
    "format": ("file that is no PDF or image", "files that are no PDF or image"),
    "link": ("linked folder", "linked folders"),
    "library": ("folder of a library", "folders of libraries"),
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file of another `format`, a `link` to a folder, or the folder of a `library`; `path` can be shown."""

    path: str
    kind: LeftOutKind

    @classmethod
    def of(cls, path: Path, kind: LeftOutKind) -> "LeftOut":
        return cls(shown_path(path), kind)

    def to_dict(self) -> dict[str, str]:
        """What JSON can hold."""
        return {"path": self.path, "kind": self.kind}


def describe_left_out(found: Iterable[LeftOut]) -> Iterator[str]:
    """One line, or none: `left out: 2 files that are no PDF or image (x.docx, y.bmp), 1 linked folder (old)`."""
    names: dict[LeftOutKind, list[str]] = {kind: [] for kind in get_args(LeftOutKind)}
    for each in found:
        names[each.kind].append(Path(each.path).name or each.path)
    parts = [
        f"{len(some)} {_WHAT[kind][len(some) > 1]} ({', '.join(some[:_NAMED])}{', ...' if len(some) > _NAMED else ''})"
        for kind, some in names.items()
        if some
    ]
    if parts:
        yield f"left out: {', '.join(parts)}"
