"""Fewer vectors a page: an encoder whose pages are pooled, as the collection that they go into was begun."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from colvision.embedding import Encoder, EncoderInfo, PageEmbedding, QueryEmbedding
from colvision.errors import LibraryError
from colvision.maxsim import pool
from colvision.page import Page
from colvision.store import Store


class Pooled:
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

    def encode_queries(self, texts: Sequence[str]) -> list[QueryEmbedding]:
        return self._encoder.encode_queries(texts)


def pooled(store: Store, encoder: Encoder, collection: str, factor: int | None) -> Encoder:
    """The encoder that fills a collection: pooled by `factor`, None for what the collection was begun with.

    Raises `LibraryError` for a factor other than that; `ValueError` for one below 1.
    """
    if factor is not None and factor < 1:
        raise ValueError(f"pool is {factor}; give 1 (every vector is kept), 2 or 3")
    infos = [row.info for row in store.collections() if row.name == collection and row.info is not None]
    begun = infos[0].pool if infos else factor or 1
    if factor is not None and factor != begun:
        raise LibraryError(
            f"collection {collection!r} was begun with pool {begun}, not {factor}: "
            "leave the option out, or ingest into a new library"
        )
    return Pooled(encoder, begun) if begun > 1 else encoder
