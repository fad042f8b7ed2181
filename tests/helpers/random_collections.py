"""Collections of made-up vectors on real shards: large ones in a second."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from colvision.core.embedding import PatchGrid, QueryEmbedding
from colvision.core.encoder import Calibration, EncoderInfo
from colvision.maxsim import quantise
from colvision.store import Snapshot, SnapshotShard
from colvision.store.records import CollectionRow, DocumentRow
from colvision.store.shards import Shard, ShardPage
from colvision.store.shards.writing import write_shard

DIM, QUANTISATION_RANGE = 64, 0.6
PAGES_A_DOCUMENT = 20
PLAIN = EncoderInfo("made", "made", DIM, QUANTISATION_RANGE)
SHARP = EncoderInfo("made", "sharp", DIM, QUANTISATION_RANGE, Calibration(slope=20, midpoint=0.6))


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def made_pages(rng, pages):
    """Pages of 3 to 9 vectors."""
    return [unit(rng.standard_normal((int(rng.integers(3, 10)), DIM))) for _ in range(pages)]


def document(key: int, name: str, **metadata) -> DocumentRow:
    return DocumentRow(
        key=key, id=f"id{key}", collection=1, collection_name="default", name=name, source=name, upload=True,
        sha256="0" * 64, extension="pdf", bytes=1, pages=PAGES_A_DOCUMENT, renderer="pdfium", state="ready", reason="",
        visible=True, replaces=None, worker="", added="2026-01-01", stored=PAGES_A_DOCUMENT, failed=0,
        metadata=metadata, notes=(), is_intact=True,
    )  # fmt: skip


def made_snapshot(folder: Path, pages, *, shards: int = 3, dead: frozenset[int] = frozenset()) -> Snapshot:
    """Documents of `PAGES_A_DOCUMENT` pages, named d000 on, with metadata `number`; `dead` pages were deleted."""
    documents: Mapping[int, DocumentRow] = {
        i + 1: document(i + 1, f"d{i:03}", number=i) for i in range(-(-len(pages) // PAGES_A_DOCUMENT))
    }
    stored_shards = []
    for number, places in enumerate(np.array_split(np.arange(len(pages)), shards)):
        stored = [_stored(pages[place]) for place in places]
        owner = places // PAGES_A_DOCUMENT + 1
        page = places % PAGES_A_DOCUMENT + 1
        path = folder / f"{number}.safetensors"
        write_shard(
            path, stored, list(zip(owner.tolist(), page.tolist(), strict=True)), quantisation_range=QUANTISATION_RANGE
        )
        live = ~np.isin(places, list(dead))
        stored_shards.append(SnapshotShard(Shard(path), np.where(live, owner, -1), page.astype(np.int32), live))
    row = CollectionRow(1, "default", None, generation=1, info=PLAIN, components=1, clipped=0)
    return Snapshot(row, documents, tuple(stored_shards), dict.fromkeys(documents, ""))


def _stored(vectors) -> ShardPage:
    n = len(vectors)
    return ShardPage(quantise(vectors, QUANTISATION_RANGE), PatchGrid.full(1, n), np.zeros(n, np.uint8))


def query_near(rng, vectors, tokens: int = 6, noise: float = 0.5) -> QueryEmbedding:
    """A query whose tokens are near vectors of a page."""
    near = vectors[rng.integers(0, len(vectors), tokens)]
    return QueryEmbedding.of_words(
        "near", [f"t{i}" for i in range(tokens)], unit(near + noise * unit(rng.standard_normal((tokens, DIM))))
    )
