"""Libraries of made-up page vectors, for what compares vectors and reads no page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from colvision.core.embedding import Floats, PageEmbedding, PatchGrid, QueryEmbedding
from colvision.core.encoder import Calibration, EncoderInfo
from colvision.core.page import Page
from colvision.library import Library, open_library
from colvision.store import Store
from colvision.store.files import encode_jpeg
from colvision.store.records import PageText
from colvision.store.writer import EncodedPage
from colvision.testing import text_page
from tests.helpers.stores import source_file

_IMAGE = text_page(["page"])
_JPEG = encode_jpeg(_IMAGE)


class MadeEncoder:
    """Knows some queries, by their numbers as a text: `search("3")`."""

    def __init__(self, queries: Floats, *, quantisation_range: float = 0.45, probability: bool = False) -> None:
        self._queries = queries  # (queries, t, dim)
        calibration = Calibration(slope=20.0, midpoint=0.6) if probability else Calibration()
        self.info = EncoderInfo("made", "f" * 64, queries.shape[2], quantisation_range, calibration)

    def encode_pages(self, pages):
        raise NotImplementedError

    def encode_queries(self, texts: Sequence[str]) -> list[QueryEmbedding]:
        words = [f"token{i}" for i in range(self._queries.shape[1])]
        return [QueryEmbedding.of_words(text, words, self._queries[int(text)]) for text in texts]


def made_library(folder: Path, encoder: MadeEncoder, documents: dict[str, list[Floats]]) -> Library:
    """Of these documents, each a list of its pages' vectors (rows * cols, dim), in 5 or 25 columns."""
    with Store(folder) as store:
        for name, pages in documents.items():
            store_document(store, encoder, name, pages)
    return open_library(folder, encoder=encoder)


def store_document(store: Store, encoder: MadeEncoder, name: str, pages: list[Floats], **options) -> None:
    path = store.path.parent / name
    path.write_text(f"{name} {[len(page) for page in pages]} {pages[0][0, :4]}")
    pending = store.pending.begin(path, source_file(name, **options), encoder.info, pages=len(pages), renderer="made 1")
    for first in range(0, len(pages), 64):
        encoded = [_encoded(first + i + 1, page) for i, page in enumerate(pages[first : first + 64])]
        store.writer.commit(pending, encoded, encoder.info)
    assert store.writer.finish(pending) == ""


def _encoded(number: int, vectors: Floats) -> EncodedPage:
    cols = 25 if len(vectors) % 25 == 0 and len(vectors) >= 500 else 5  # about as many rows as a page has
    embedding = PageEmbedding.from_patches(vectors, PatchGrid.full(len(vectors) // cols, cols))
    return EncodedPage(number, embedding, _JPEG, *Page(_IMAGE).shape, None, PageText(""))


def random_documents(documents: int, pages: int, *, vectors: int = 25, dim: int = 64, seed: int = 0):
    """(documents of pages of unit vectors around 40 things, queries about some of them)."""
    rng = np.random.default_rng(seed)
    things = rng.standard_normal((40, dim))

    def page() -> Floats:
        shown = things[rng.integers(0, 40, vectors)] + 0.9 * rng.standard_normal((vectors, dim))
        return unit(shown)

    made = {f"document {i}.pdf": [page() for _ in range(pages)] for i in range(documents)}
    every = [page for of in made.values() for page in of]
    asked = [every[i][rng.integers(0, vectors, 8)] for i in rng.integers(0, len(every), 10)]
    return made, np.stack([unit(each + 0.1 * rng.standard_normal(each.shape)) for each in asked])


def unit(vectors) -> Floats:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
