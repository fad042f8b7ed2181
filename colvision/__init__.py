"""Find the page by looking at it: pages become patch vectors, MaxSim ranks them, a heatmap says why."""

# ruff: noqa: F405  # what `public` imports is what stands in `__all__`: a test compares them

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # who checks types sees a name that there is not; `__getattr__` would hide it
    from colvision.public import *  # noqa: F403
else:

    def __getattr__(name: str) -> object:
        """Looks a public name up when it is first used: `import colvision` itself is to take no time."""
        if name not in __all__:
            raise AttributeError(f"module 'colvision' has no attribute {name!r}")
        found = getattr(import_module("colvision.public"), name)
        globals()[name] = found
        return found


__version__ = "0.1.0"

__all__ = [
    "__version__",
    "Answer",
    "Box",
    "Calibration",
    "Candidate",
    "CheckpointRef",
    "Collection",
    "CollectionStatus",
    "ColvisionError",
    "Compaction",
    "Damage",
    "Document",
    "Encoder",
    "EncoderInfo",
    "EncoderOptions",
    "EncoderSpec",
    "EncoderStatus",
    "Explanation",
    "FailedPage",
    "FileReport",
    "Filter",
    "Hit",
    "IngestReport",
    "Library",
    "LibraryStatus",
    "Limits",
    "MaxSimIndex",
    "Mode",
    "OcrFileReport",
    "OcrReport",
    "Page",
    "PageEmbedding",
    "PageId",
    "PatchGrid",
    "PdfGeometry",
    "PrintedWord",
    "Progress",
    "QueryEmbedding",
    "RankedPage",
    "Region",
    "Reranker",
    "Reranking",
    "ScoredQuery",
    "ShardBytes",
    "TokenMatch",
    "Upload",
    "VectorKind",
    "Verification",
    "load_encoder",
    "load_reranker",
    "open_library",
    "parse_filter",
]


def __dir__() -> list[str]:
    return sorted(__all__)
