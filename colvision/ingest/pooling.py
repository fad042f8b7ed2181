"""Fewer vectors a page: patches, or tokens of text, that are alike share one, found by spherical k-means.

K-means on the sphere is Dhillon and Modha's, 2001.

Pooling patches of a page for late interaction follows Clavié, Chaffin and Adams 2024 and the ColPali authors' token
pooling, which cut a tree of Ward distances: as good, and twenty times slower. What pooling blurs is lost to the rerank
as well: it is for libraries that must be small.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats, Ints, PageEmbedding, PatchGrid, QueryEmbedding
from colvision.core.encoder import Encoder, EncoderInfo, drawing_processes, reads_text, unreadable_on
from colvision.core.health import Note
from colvision.core.page import Page
from colvision.errors import LibraryError
from colvision.maxsim.clustering import unit_means
from colvision.store import Store

_ITERATIONS = 4  # of k-means: neighbours start together, and later iterations move few patches


class PoolingEncoder:
    """Another encoder's pages with one vector for about `factor` patches; its queries as they are."""

    def __init__(self, encoder: Encoder, factor: int) -> None:
        self._encoder = encoder
        self._factor = factor

    @property
    def info(self) -> EncoderInfo:
        return replace(self._encoder.info, pool=self._factor)

    def encode_pages(self, pages: Iterable[Page]) -> Iterator[PageEmbedding]:
        for embedding in self._encoder.encode_pages(pages):
            yield pool(embedding, self._factor)

    def unreadable(self, page: Page) -> tuple[Note, ...]:
        return unreadable_on(page, self._encoder)

    @property
    def reads_text(self) -> bool:
        return reads_text(self._encoder)

    @property
    def drawing_processes(self) -> int:
        return drawing_processes(self._encoder)

    def encode_queries(self, texts: Sequence[str]) -> list[QueryEmbedding]:
        return self._encoder.encode_queries(texts)


def apply_pooling(store: Store, encoder: Encoder, collection: str, factor: int | None) -> Encoder:
    """The encoder of a collection: pooled by `factor`, None for the collection's own factor.

    Raises `LibraryError` for a factor other than that; `ValueError` for one below 1.
    """
    if factor is not None and factor < 1:
        raise ValueError(f"pool is {factor}; give 1 (every vector is kept), 2 or 3")
    infos = [row.info for row in store.collections() if row.name == collection and row.info is not None]
    own_factor = infos[0].pool if infos else factor or 1
    if factor is not None and factor != own_factor:
        raise LibraryError(
            f"collection {collection!r} was begun with pool {own_factor}, not {factor}: "
            "leave the option out, or ingest into a new collection"
        )
    return PoolingEncoder(encoder, own_factor) if own_factor > 1 else encoder


def pool(embedding: PageEmbedding, factor: int) -> PageEmbedding:
    """A page with about 1 / `factor` of its placed vectors; cells whose vectors were joined share one.

    What has no place on the page (markers, the whole page) is kept as it is, behind the others. A page keeps at least
    one vector. Raises `ValueError` for a factor below 1.
    """
    if factor < 1:
        raise ValueError(f"pooling by a factor of {factor}: give 1 (none), 2 or 3")
    is_placed = embedding.grid.first_cells(len(embedding.vectors))[:, 0] >= 0
    placed, others = np.flatnonzero(is_placed), np.flatnonzero(~is_placed)
    if factor == 1 or len(placed) < 2:
        return embedding
    order = placed[_by_neighbours(embedding.grid, placed, factor)]
    group = _join(embedding.vectors[order], np.arange(len(order)) // factor)  # (placed,)
    centres = unit_means(embedding.vectors[order], group)
    kinds = embedding.kind[order][np.unique(group, return_index=True)[1]]
    place = np.full(len(embedding.vectors) + 1, -1, np.int32)  # one more, for the cells of row -1
    place[order] = group
    return PageEmbedding(
        np.concatenate([centres, embedding.vectors[others]]),
        PatchGrid(place[embedding.grid.cells]),
        np.concatenate([kinds, embedding.kind[others]]),
    )


def _by_neighbours(grid: PatchGrid, patches: NDArray[np.int64], factor: int) -> NDArray[np.int64]:
    """An order of `patches` in which each `factor` that follow each other lie in one place of the page.

    The page is read in bands of rows as high as such a place is wide, column by column.
    """
    band = round(math.sqrt(factor))
    first = np.zeros(int(patches[-1]) + 1, np.int64)
    rows, cols = np.nonzero(grid.cells >= 0)
    first[grid.cells[rows, cols][::-1]] = np.ravel_multi_index((rows, cols), grid.cells.shape)[::-1]
    row, col = np.unravel_index(first[patches], grid.cells.shape)
    return np.lexsort((row, col, row // band))


def _join(vectors: Floats, group: NDArray[np.int64]) -> Ints:
    """(n, dim) unit vectors and a first group of each -> (n,) the groups after k-means, numbered without gaps."""
    for _ in range(_ITERATIONS):
        nearest = np.argmax(vectors @ unit_means(vectors, group).T, axis=1)  # (n,)
        is_settled = np.array_equal(nearest, group)
        group = np.unique(nearest, return_inverse=True)[1]
        if is_settled:
            break
    return group.astype(np.int32)
