"""The last stage of a search: a reranker looks at the best pages together with the query, and orders them."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from colvision.core.reranker import Candidate, Reranker
from colvision.errors import DocumentNotFound, LibraryDamaged, PageNotFound
from colvision.search.results import Answer, Hit, Reranking

CANDIDATES = 50  # best pages that a reranker is given
_PICTURES_AT_ONCE = 8  # page images that are decoded and held: 6 MB each
_JUDGED = 10  # best pages of the first order, by which the notice is made


@dataclass(frozen=True, slots=True)
class RerankOptions:
    """`reranker` scores the best `candidates` of a search."""

    reranker: Reranker
    candidates: int = CANDIDATES

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise ValueError(f"candidates is {self.candidates}; a reranker needs at least one page")


def rerank_answer(answer: Answer, options: RerankOptions, k: int) -> Answer:
    """The `k` best of an answer by the reranker's score, ties in the first order.

    Pages without such a score stand below all that have one, in their first order: those beyond the candidates, and
    those that it can read nothing of, which the answer's notice counts. A document that was deleted meanwhile is left
    out. Raises what the reranker raises.
    """
    started = time.perf_counter()
    pages, beyond = answer.hits[: options.candidates], answer.hits[options.candidates :]
    scored, unread = _score(answer.query.embedding.text, pages, options.reranker)
    ordered = sorted(scored, key=lambda hit: -(hit.rerank_score or 0.0))  # stable: ties stay in the first order
    hits = tuple(replace(hit, rank=rank) for rank, hit in enumerate([*ordered, *unread, *beyond][:k], start=1))
    spent = (time.perf_counter() - started) * 1000
    timing = {**answer.timing_ms, "reranker": spent, "total": answer.timing_ms.get("total", 0.0) + spent}
    return replace(
        answer,
        hits=hits,
        judged=(answer.judged or answer.hits)[:_JUDGED],
        timing_ms=timing,
        reranking=Reranking(options.reranker.name, options.reranker.reads, len(pages), len(unread)),
    )


def _score(query: str, hits: Sequence[Hit], reranker: Reranker) -> tuple[list[Hit], list[Hit]]:
    """The hits with their scores, and those that cannot be read; texts all at once, pictures a few at a time."""
    step = _PICTURES_AT_ONCE if reranker.reads == "image" else max(len(hits), 1)
    scored: list[Hit] = []
    unread: list[Hit] = []
    for first in range(0, len(hits), step):
        readable = []
        for hit in hits[first : first + step]:
            with suppress(DocumentNotFound, PageNotFound):  # deleted or replaced since
                candidate = _read(hit, reranker)
                if candidate is None:
                    unread.append(hit)
                else:
                    readable.append((hit, candidate))
        scores = reranker.score(query, [candidate for _, candidate in readable]) if readable else []
        scored += [replace(hit, rerank_score=float(score)) for (hit, _), score in zip(readable, scores, strict=True)]
    return scored, unread


def _read(hit: Hit, reranker: Reranker) -> Candidate | None:
    """What the reranker reads of a page; None where there is no text, or the image is damaged."""
    if reranker.reads == "image":
        with suppress(LibraryDamaged):
            return Candidate(image=hit.image())
        return None
    text = hit.text
    return Candidate(text) if text.strip() else None
