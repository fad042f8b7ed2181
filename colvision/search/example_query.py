"""A page or an image as the query: what looks like it, or holds the same printed words.

Several hundred patches would make a slow query of near-equal tokens, most of them paper. So it is cut to those that
are least alike: each next one is the patch farthest, by its cosine, from all that are taken (Gonzalez 1985).

The score is the mean similarity, whatever the encoder's calibration: two patches that both hold print are more alike
than a word and the patch that holds it, so nearly all of mini's match probabilities would be 1. Of the sample manual's
40 pages, born-digital and as a scan, similarities put the same page of the other file first for all 40, the next one
16 % below it; probabilities with soft idf for 38, the next one 0.7 % below.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colvision.core.embedding import Floats, PatchGrid, QueryEmbedding, VectorKind
from colvision.core.encoder import Encoder, reads_text, textless
from colvision.core.page import Page
from colvision.errors import DamagedFile, UnsupportedFile
from colvision.maxsim import dequantise
from colvision.pdf import FailedPage, read_pages
from colvision.search.results import Answer
from colvision.store import Store
from colvision.store.records import DocumentRow

MAX_TOKENS = 64  # three times a query in words; the fourth row of a hundred patches of paper adds nothing to the first
_PAPER = 1275, 1650  # (width, height) in pixels: US Letter at 150 dpi
_LEAST_ASPECT, _GREATEST_ASPECT = 1.0, 1.5  # height / width: A4 has 1.41, Letter 1.29; others are parts of pages


def stored_query(store: Store, collection: str, row: DocumentRow, page: int) -> QueryEmbedding:
    """A stored page's codes as a query. Raises `PageNotFound`, `LibraryDamaged`."""
    stored = store.stored_page(row, page)
    info = store.collection(collection).info
    vectors = dequantise(stored.codes, info.quantisation_range if info is not None else 1.0)
    return page_query(vectors, stored.kind, stored.grid, text=f"page {page} of {row.name}")


def image_query(encoder: Encoder, image: str | Path | Image.Image) -> QueryEmbedding:
    """An image, or the first page of a file, encoded as a page. Raises `InputError`.

    How large an image was on its page is unknown, so it is searched for as a whole page and at half the height and
    width of one, in equal parts; a PDF knows its size. See `docs/search.md` for what that finds.
    """
    page = Page(image, source="an image") if isinstance(image, Image.Image) else _first_page(image)
    if reads_text(encoder) and textless(page):
        raise UnsupportedFile(
            f"{page.source} has no text, and {encoder.info.name} reads nothing else of a page: ask in words, with a "
            "PDF that has a text layer, or with an encoder of page images"
        )
    pages = [page] if page.geometry is not None else [replace(page, image=image) for image in _page_images(page.image)]
    queries = [
        page_query(embedding.vectors, embedding.kind, embedding.grid, text=page.source)
        for embedding in encoder.encode_pages(pages)
    ]
    return join_queries(queries, text=page.source)


def _page_images(image: Image.Image) -> tuple[Image.Image, Image.Image]:
    """The image as a page, and at half its size on a blank one."""
    is_like_a_page = _LEAST_ASPECT <= image.height / image.width <= _GREATEST_ASPECT
    whole = image.convert("RGB") if is_like_a_page else _paste_on_paper(_PAPER, image, 1.0)
    return whole, _paste_on_paper(whole.size, image, 0.5)


def _paste_on_paper(paper_size: tuple[int, int], image: Image.Image, share: float) -> Image.Image:
    """White paper with the image at the top left, at this share of the size at which it would fit."""
    scale = share * min(paper_size[0] / image.width, paper_size[1] / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    paper = Image.new("RGB", paper_size, "white")
    paper.paste(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), (0, 0))
    return paper


def exclude_page(answer: Answer, document_id: str, page: int, k: int) -> Answer:
    """The first `k` hits that are not this page."""
    others = [hit for hit in answer.hits if (hit.document_id, hit.page) != (document_id, page)][:k]
    return replace(answer, hits=tuple(replace(hit, rank=rank) for rank, hit in enumerate(others, start=1)))


def _first_page(path: str | Path) -> Page:
    [page] = read_pages(path, numbers=[1])
    if isinstance(page, FailedPage):
        raise DamagedFile(f"{Path(path).name} cannot be the query: {page.reason}")
    return replace(page, source=Path(path).name)


def page_query(
    vectors: Floats, kind: NDArray[np.uint8], grid: PatchGrid, *, text: str, max_tokens: int = MAX_TOKENS
) -> QueryEmbedding:
    """(n, dim) vectors of a page, of any length, -> at most `max_tokens` of its patches as a query, from the top left.

    Every token is a word, named by its place, and counts 1 / tokens: the score is a mean. Of a page without
    patches all vectors are tokens.
    """
    patches = np.flatnonzero(kind == VectorKind.PATCH)
    rows = patches if len(patches) else np.arange(len(vectors))
    unit = vectors[rows] / np.maximum(np.linalg.norm(vectors[rows], axis=1, keepdims=True), 1e-6)
    taken = np.sort(_least_alike(unit, max_tokens))
    words = tuple(_cell_name(row, col) for row, col in grid.first_cells(len(vectors))[rows[taken]].tolist())
    tokens = len(taken)
    return QueryEmbedding(
        text=text,
        vectors=unit[taken].astype(np.float32),
        tokens=words,
        is_query=np.ones(tokens, dtype=np.bool_),
        weights=np.full(tokens, 1 / tokens, dtype=np.float32),
        words=words,
        word=np.arange(tokens, dtype=np.int32),
        is_example=True,
    )


def join_queries(queries: Sequence[QueryEmbedding], *, text: str) -> QueryEmbedding:
    """Queries of pages as one, in which each counts as much as another: its score is the mean of theirs."""
    words = tuple(word for query in queries for word in query.words)
    return QueryEmbedding(
        text=text,
        vectors=np.concatenate([query.vectors for query in queries]),
        tokens=words,
        is_query=np.concatenate([query.is_query for query in queries]),
        weights=np.concatenate([query.weights for query in queries]).astype(np.float32) / np.float32(len(queries)),
        words=words,
        word=np.arange(len(words), dtype=np.int32),
        is_example=True,
    )


def _least_alike(unit: Floats, count: int) -> NDArray[np.int64]:
    """Places of the vectors, the one most unlike the mean first."""
    if len(unit) <= count:
        return np.arange(len(unit), dtype=np.int64)
    taken = [int(np.argmin(unit @ unit.mean(axis=0)))]
    nearest = unit @ unit[taken[0]]  # (n,) cosine to the nearest that is taken
    while len(taken) < count:
        taken.append(int(np.argmin(nearest)))
        nearest = np.maximum(nearest, unit @ unit[taken[-1]])
    return np.array(taken, dtype=np.int64)


def _cell_name(row: int, col: int) -> str:
    """A cell in words; rows and columns are counted from 1 for people."""
    return f"row {row + 1}, column {col + 1}" if row >= 0 else "the whole page"
