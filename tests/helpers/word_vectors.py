"""Collections whose vectors are those of words, large enough for inverted lists: stored as an ingest stores them."""

import numpy as np

from colvision.core.embedding import PageEmbedding, PatchGrid, QueryEmbedding
from colvision.core.encoder import Calibration, EncoderInfo
from colvision.core.page import PdfGeometry
from colvision.store.identity import SourceFile
from colvision.store.records import PageText
from colvision.store.writer import EncodedPage

DIM = 64
INFO = EncoderInfo("words", "words", DIM, 0.6, Calibration(slope=40.0, midpoint=0.6))
WORDS = [f"word{number}" for number in range(400)]
PAGES_A_DOCUMENT, SHOWN = 20, 16


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


DIRECTIONS = unit(np.random.default_rng(0).standard_normal((len(WORDS), DIM)))


def shown(document, page):
    """The numbers of the words on a page, by Zipf's law."""
    rng = np.random.default_rng([document, page])
    weights = 1 / (np.arange(len(WORDS)) + 5)
    return rng.choice(len(WORDS), SHOWN, p=weights / weights.sum())


def embedding(words, seed):
    noise = 0.09 * np.random.default_rng(seed).standard_normal((len(words), DIM))
    return PageEmbedding.from_patches(unit(DIRECTIONS[words] + noise), PatchGrid.full(4, len(words) // 4))


def encoded(document, page, texts=False):
    words = shown(document, page)
    text = PageText(" ".join(WORDS[word] for word in words)) if texts else PageText()
    return EncodedPage(page, embedding(words, [document, page]), b"", 1, 1, PdfGeometry((0, 0, 1, 1), 0), text)


def add(store, folder, document, *, pages=PAGES_A_DOCUMENT, name="", info=INFO, texts=False, replace=False, version=0):
    """A document of words by its number; returns its row."""
    name = name or f"d{document:03}.pdf"
    path = folder / name
    path.write_bytes(f"%PDF- {document} {version}".encode())
    source_file = SourceFile("default", name, str(path), upload=False, replace=replace)
    pending = store.pending.begin(path, source_file, info, pages=pages, renderer="made")
    made = [encoded(document + 1000 * version, page, texts) for page in range(1, pages + 1)]
    store.writer.commit(pending, [page for page in made if page.number in pending.missing], info)
    assert store.writer.finish(pending) == ""
    return store.find(pending.document_id)


def query(*words):
    """Of words by their numbers."""
    return QueryEmbedding.of_words(
        " ".join(WORDS[word] for word in words), [WORDS[word] for word in words], DIRECTIONS[list(words)]
    )


def query_about(document, page, count=4):
    """Words of a page that are not the most frequent."""
    return query(*sorted(set(shown(document, page).tolist()) - set(range(5)))[:count])
