"""Files that appear whole: another evaluation may be making the same one, and neither disturbs the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A name of one's own to write to, beside `path`; left without an error the file takes that name, else it goes."""
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
