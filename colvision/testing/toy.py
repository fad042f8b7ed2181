"""A small, deterministic encoder: words printed in a fixed font are found by their shapes, with no weights to load."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from colvision.core.embedding import PageEmbedding, PatchGrid, QueryEmbedding
from colvision.core.encoder import Calibration, EncoderInfo
from colvision.core.page import Page

CELL_ROWS, CELL_COLS = 16, 32  # pixels
_RASTER = (8, 16)  # squares in a cell
_BLANK = 0.02  # a cell whose pixels vary less than this is paper
PLAIN = Calibration()  # none: similarities are added up
_FONT = ImageFont.load_default(12)


class ToyEncoder:
    """Finds the words of `text_page`, each a query token; keeps all that `colvision.Encoder` promises.

    A page of (height, width) pixels is cut into a grid of (height // 16, width // 32) cells; one with ink becomes a
    vector (dim,): a fixed random projection of how dark its squares of 2 x 2 pixels are. A query's words are drawn in
    the same font and projected alike. `seed` chooses the projection: another seed is another encoder, with another
    fingerprint, and so is another `calibration`. `ahead` pages are read before one is given, as by an encoder that
    works in batches.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        dim: int = 16,
        ahead: int = 0,
        quantisation_range: float = 1.0,
        calibration: Calibration = PLAIN,
    ) -> None:
        projection = np.random.default_rng(seed).standard_normal((_RASTER[0] * _RASTER[1], dim))
        self._projection = projection.astype(np.float32)
        self._ahead = ahead
        known = f"toy {seed} {dim}" if calibration == PLAIN else f"toy {seed} {dim} {calibration}"
        fingerprint = hashlib.sha256(known.encode()).hexdigest()
        self.info = EncoderInfo(f"toy-{seed}", fingerprint, dim, quantisation_range, calibration, {"toy": "1"})

    def encode_pages(self, pages: Iterable[Page]) -> Iterator[PageEmbedding]:
        waiting: list[Page] = []
        for page in pages:
            waiting.append(page)
            if len(waiting) > self._ahead:
                yield self._encode(waiting.pop(0))
        yield from map(self._encode, waiting)

    def encode_queries(self, texts: Sequence[str]) -> list[QueryEmbedding]:
        return [self._query(text) for text in texts]

    def _query(self, text: str) -> QueryEmbedding:
        words = [word for word in text.split() if any(map(str.isalnum, word))]
        if not words:
            raise ValueError(f"query {text!r} holds no letter or digit: there is nothing to look for")
        drawn = {word: _raster(word_picture(word))[0, 0] for word in set(words)}
        cells = np.stack([drawn[word] for word in words])  # (t, 8 * 16)
        return QueryEmbedding.of_words(text, words, self._project(cells))

    def _encode(self, page: Page) -> PageEmbedding:
        raster = _raster(page.image)  # (rows, cols, 8 * 16)
        rows, cols, _ = raster.shape
        inked = raster.std(axis=2).ravel() > _BLANK
        inked[0] |= not inked.any()  # a blank page keeps one vector
        cells = np.full(rows * cols, -1, dtype=np.int32)
        cells[inked] = np.arange(inked.sum())
        vectors = self._project(raster.reshape(rows * cols, -1)[inked])
        return PageEmbedding.from_patches(vectors, PatchGrid(cells.reshape(rows, cols)))

    def _project(self, cells: NDArray[np.float32]) -> NDArray[np.float32]:
        vectors = (cells + 1e-3) @ self._projection
        unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        return unit


def _raster(image: Image.Image) -> NDArray[np.float32]:
    """(rows, cols, 8 * 16): how dark each cell's squares of 2 x 2 pixels are, 0 for paper to 1 for ink."""
    width, height = image.size
    rows, cols = max(1, height // CELL_ROWS), max(1, width // CELL_COLS)
    whole = Image.new("L", (cols * CELL_COLS, rows * CELL_ROWS), 255)
    whole.paste(image.convert("L"), (0, 0))
    squares = 1.0 - np.asarray(whole.reduce(2), dtype=np.float32) / 255.0
    cells = squares.reshape(rows, _RASTER[0], cols, _RASTER[1]).transpose(0, 2, 1, 3)
    return cells.reshape(rows, cols, -1)


def word_picture(word: str) -> Image.Image:
    """A word (its first letters: what fits in a cell) as `text_page` prints it."""
    picture = Image.new("L", (CELL_COLS, CELL_ROWS), 255)
    ImageDraw.Draw(picture).text((1, 0), word[:CELL_COLS], font=_FONT, fill=0)
    return picture


def text_page(words: Sequence[str], *, shape: tuple[int, int] = (80, 96)) -> Image.Image:
    """A grey page of `shape` (height, width) pixels with one word a cell, row by row from the top left."""
    height, width = shape
    page = Image.new("L", (width, height), 255)
    cols = width // CELL_COLS
    for place, word in enumerate(words):
        row, col = divmod(place, cols)
        page.paste(word_picture(word), (col * CELL_COLS, row * CELL_ROWS))
    return page


PAGE_SHAPE = (1500, 1400)  # the area that pages are drawn at, so that printed cells come back where they were


def save_document(path: Path, pages: Sequence[Sequence[str]]) -> Path:
    """A PDF or TIFF, by the ending of `path`, with the given words on its pages; returns the path."""
    first, *more = (text_page(words, shape=PAGE_SHAPE) for words in pages)
    first.save(path, save_all=True, append_images=more, resolution=100)
    return path
