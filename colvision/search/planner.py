"""Which pages are scored, and how; their order."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colvision.embedding import EncoderInfo, Floats, QueryEmbedding, ScoredQuery
from colvision.maxsim import token_maxima
from colvision.search.hits import Answer, Hit
from colvision.search.options import SearchOptions
from colvision.search.weights import soft_idf
from colvision.store import Part, Snapshot


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """Pages that may be hits, as columns of equal length."""

    maxima: Floats  # (pages, t)
    document: NDArray[np.int64]  # key in the snapshot
    page: NDArray[np.int32]


def search_pages(
    snapshot: Snapshot, query: QueryEmbedding, *, info: EncoderInfo, options: SearchOptions | None = None
) -> Answer:
    """Every live page is scored on its stored codes (mode "exact").

    score(page) = sum over tokens of weight * link(max over the page's vectors of the similarity). Ties break by
    document name, then page.
    """
    options = options or SearchOptions()
    started = time.perf_counter()
    everything = _all_pages(snapshot, query, info.code_range)
    weights = query.weights
    if options.soft_idf and info.link.is_probability:
        weights = weights * soft_idf(info.link(everything.maxima))
    scored = ScoredQuery(query, weights, info.link, snapshot.generation, info.fingerprint)
    candidates = _filtered(everything, snapshot, options.documents)
    contributions = scored.contributions(candidates.maxima)  # (pages, t)
    scores = contributions.sum(axis=1, dtype=np.float64)
    best = _ranked(scores, candidates, snapshot)[: options.k]
    hits = tuple(_hit(i, scores, contributions, candidates, (snapshot, scored)) for i in best.tolist())
    spent = (time.perf_counter() - started) * 1000
    return Answer(hits, scored, len(scores), "exact", {"score": spent, "total": spent})


def _all_pages(snapshot: Snapshot, query: QueryEmbedding, code_range: float) -> _Candidates:
    parts = [_live(part, query.vectors, code_range) for part in snapshot.parts]
    if not parts:
        tokens = len(query.tokens)
        return _Candidates(np.zeros((0, tokens), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int32))
    return _Candidates(
        np.concatenate([part.maxima for part in parts]),
        np.concatenate([part.document for part in parts]),
        np.concatenate([part.page for part in parts]),
    )


def _live(part: Part, vectors: Floats, code_range: float) -> _Candidates:
    """A shard's live pages. Dead ones are scored with the rest: cutting them out of the flat rows would cost more."""
    maxima = token_maxima(vectors, part.shard.codes, part.shard.starts, code_range)
    return _Candidates(maxima[part.live], part.document[part.live], part.page[part.live])


def _filtered(everything: _Candidates, snapshot: Snapshot, documents: frozenset[str] | None) -> _Candidates:
    if documents is None:
        return everything
    wanted = [key for key, row in snapshot.documents.items() if row.id in documents]
    kept = np.isin(everything.document, np.array(wanted, dtype=np.int64))
    return _Candidates(everything.maxima[kept], everything.document[kept], everything.page[kept])


def _ranked(scores: NDArray[np.float64], candidates: _Candidates, snapshot: Snapshot) -> NDArray[np.int64]:
    by_name = sorted(snapshot.documents, key=lambda key: snapshot.documents[key].name)
    place = {key: i for i, key in enumerate(by_name)}
    names = np.array([place[key] for key in candidates.document.tolist()], dtype=np.int64)
    order: NDArray[np.int64] = np.lexsort((candidates.page, names, -scores))
    return order


def _hit(
    i: int,
    scores: NDArray[np.float64],
    contributions: Floats,
    candidates: _Candidates,
    origin: tuple[Snapshot, ScoredQuery],
) -> Hit:
    snapshot, scored = origin
    row = snapshot.documents[int(candidates.document[i])]
    return Hit(
        document=row.name,
        document_id=row.id,
        page=int(candidates.page[i]),
        score=float(scores[i]),
        similarity=candidates.maxima[i],
        contributions=contributions[i],
        terms={},
        query=scored,
    )
