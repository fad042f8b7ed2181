"""Find the page by looking at it: pages become patch vectors, MaxSim ranks them, a heatmap says why."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colvision.core.embedding import PageEmbedding as PageEmbedding
    from colvision.core.embedding import PatchGrid as PatchGrid
    from colvision.core.embedding import QueryEmbedding as QueryEmbedding
    from colvision.core.encoder import Encoder as Encoder
    from colvision.core.encoder import EncoderInfo as EncoderInfo
    from colvision.core.page import Page as Page
    from colvision.encoders import load_encoder as load_encoder
    from colvision.errors import ColvisionError as ColvisionError
    from colvision.explain import Explanation as Explanation
    from colvision.ingest import FileReport as FileReport
    from colvision.ingest import IngestReport as IngestReport
    from colvision.ingest import Progress as Progress
    from colvision.ingest import Upload as Upload
    from colvision.library import Library as Library
    from colvision.library import open_library as open_library
    from colvision.search import Answer as Answer
    from colvision.search import Hit as Hit
    from colvision.status import CollectionStatus as CollectionStatus
    from colvision.status import Document as Document
    from colvision.status import LibraryStatus as LibraryStatus

__version__ = "0.1.0"

# Looked up when first used: `import colvision` itself must not take the seconds that importing torch takes.
_HOMES = {
    "Answer": "search",
    "CollectionStatus": "status",
    "ColvisionError": "errors",
    "Document": "status",
    "Encoder": "core.encoder",
    "EncoderInfo": "core.encoder",
    "Explanation": "explain",
    "FileReport": "ingest",
    "Hit": "search",
    "IngestReport": "ingest",
    "Library": "library",
    "Page": "core.page",
    "PageEmbedding": "core.embedding",
    "PatchGrid": "core.embedding",
    "Progress": "ingest",
    "QueryEmbedding": "core.embedding",
    "LibraryStatus": "status",
    "Upload": "ingest",
    "load_encoder": "encoders",
    "open_library": "library",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'colvision' has no attribute {name!r}")
    found: object = getattr(import_module(f"colvision.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
