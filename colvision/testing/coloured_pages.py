"""A library whose pages show three colours each, and a question for every page: learned within a test."""

import itertools
import json
from pathlib import Path

import numpy as np
from PIL import Image

import colvision
from colvision.core.encoder import Encoder
from colvision.core.page import Page
from colvision.store import Store
from colvision.store.files import encode_jpeg
from colvision.store.identity import SourceFile
from colvision.store.writer import EncodedPage

COLOURS = {
    "red": (230, 20, 20),
    "green": (10, 160, 30),
    "blue": (20, 40, 230),
    "yellow": (250, 230, 10),
    "black": (5, 5, 5),
    "pink": (255, 150, 200),
    "orange": (255, 130, 0),
    "purple": (120, 0, 150),
    "cyan": (0, 230, 230),
    "grey": (128, 128, 128),
}
_ROWS, _COLS, _PATCH = 2, 6, 28  # of a page; a patch in pixels
_PAGES = 20  # of a document


def coloured_library(folder: Path, encoder: Encoder) -> colvision.Library:
    """Six documents of twenty pages, every three of ten colours on one of them; `questions.jsonl` lies beside it.

    Pages are stored as small as they are: a real ingest would draw them at 150 dpi, which is most of a test's time.
    """
    rng = np.random.default_rng(11)
    triples = rng.permutation(list(itertools.combinations(COLOURS, 3))).tolist()
    store = Store(folder / "library")
    lines = []
    for document, start in enumerate(range(0, len(triples), _PAGES)):
        own = triples[start : start + _PAGES]
        file = folder / f"colours-{document}.pdf"
        file.write_text(str(own))
        _add(store, file, [_page(colours, rng) for colours in own], encoder)
        for page, colours in enumerate(own):
            gold = [{"doc": f"colours-{document}", "page": page}]
            lines.append({"query_id": f"{document}-{page}", "text": " and ".join(colours), "gold": gold})
    (folder / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return colvision.Library(store, encoder)


def _add(store: Store, file: Path, images: list[Image.Image], encoder: Encoder) -> None:
    source = SourceFile("default", file.name, str(file), upload=False, replace=False)
    pending = store.pending.begin(file, source, encoder.info, pages=len(images), renderer="none")
    embeddings = encoder.encode_pages(Page(image) for image in images)
    pages = [
        EncodedPage(number, embedding, encode_jpeg(image), image.height, image.width)
        for number, (embedding, image) in enumerate(zip(embeddings, images, strict=True), 1)
    ]
    store.writer.commit(pending, pages, encoder.info)
    store.writer.finish(pending)


def _page(colours: list[str], rng: np.random.Generator) -> Image.Image:
    """Each colour on a third of the patches, anywhere; never twice the same shade."""
    names = rng.permutation(colours * (_ROWS * _COLS // len(colours))).reshape(_ROWS, _COLS)
    pixels = np.array([[COLOURS[name] for name in row] for row in names]).repeat(_PATCH, axis=0).repeat(_PATCH, axis=1)
    return Image.fromarray(np.clip(pixels + rng.integers(-15, 16, pixels.shape), 0, 255).astype(np.uint8))
