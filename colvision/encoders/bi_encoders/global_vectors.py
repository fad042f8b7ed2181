"""What a bi-encoder makes of a page and of a query: vectors of the whole, without a place on it."""

import re

import numpy as np

from colvision.core.embedding import Floats, PageEmbedding, PatchGrid, QueryEmbedding, VectorKind

NOWHERE = PatchGrid(np.full((1, 1), -1, dtype=np.int32))  # of such a page: a map of one cell, of which nothing is known
_WORD_CHARACTER = re.compile(r"[^\W_]")


def whole_page(vectors: Floats) -> PageEmbedding:
    """(n, dim) of unit length, one or one a passage, as a page: MaxSim is then the score of the best passage."""
    return PageEmbedding(vectors, NOWHERE, np.full(len(vectors), VectorKind.GLOBAL, dtype=np.uint8))


def whole_query(text: str, read: str, vector: Floats) -> QueryEmbedding:
    """(dim,) of unit length as a query of one token and one word, which is what of the query was `read`."""
    return QueryEmbedding(
        text=text,
        vectors=vector[None],
        tokens=(read,),
        is_query=np.ones(1, dtype=np.bool_),
        weights=np.ones(1, dtype=np.float32),
        words=(read,),
        word=np.zeros(1, dtype=np.int32),
    )


def query_text(text: str) -> str:
    """A query as it is read: white space counts once. Raises ValueError for one without a letter or digit."""
    if _WORD_CHARACTER.search(text) is None:
        raise ValueError(f"query {text!r} holds no letter or digit: there is nothing to look for")
    return " ".join(text.split())


def unit(vectors: Floats, dim: int) -> Floats:
    """(n, any) -> (n, dim) of unit length: the first components, of a model that was trained to be cut."""
    cut = np.ascontiguousarray(vectors[:, :dim], dtype=np.float32)
    lengths = np.linalg.norm(cut, axis=1, keepdims=True)
    made: Floats = cut / np.maximum(lengths, np.float32(1e-12))
    return made
