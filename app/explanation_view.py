"""Answers and explanations as a client draws them: sub-words joined to words, similarities as bytes."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from colvision.core.embedding import Floats
from colvision.core.page import Box
from colvision.explain import Explanation, TokenMatch
from colvision.library import Document
from colvision.search import Answer, Hit

from .views import (
    AnswerView,
    ExplanationView,
    FoundPageView,
    FoundView,
    HitView,
    MatchView,
    RerankingView,
    ScaleView,
    WordView,
)

_PLACES = 5  # of a page or image that asks, which are shown one by one
_HARDLY_SEEN = 0.2  # probability below which the page says so, too
_NEAR_THE_BEST = 0.2  # of the way from a document's best page to its usual one, where an encoder gives no probability
_CODES = 254  # steps of a similarity in a byte; 0 is kept for "no vector here"


Words = Sequence[tuple[str, Sequence[int]]]  # as `QueryEmbedding.tokens_of_words`: each with its tokens


def _distinctive_patches(why: Explanation, example_name: str, usual: Floats) -> Words:
    """What of a page or image that asks tells this page from the other results, and all the rest as one word.

    `usual` (t,) are the mean similarities of the results: what every page has says nothing of this one.
    """
    lead = np.array([match.similarity for match in why.matches]) - usual
    distinctive: dict[tuple[int, int] | None, int] = {}
    for token in np.argsort(-lead, kind="stable").tolist():
        if len(distinctive) < _PLACES:
            distinctive.setdefault(why.matches[token].cell, token)
    rest = [token for token in range(len(lead)) if token not in distinctive.values()]
    places = [(f"place {number}", [token]) for number, token in enumerate(distinctive.values(), start=1)]
    return [*places, (f"the rest of {example_name}", rest)] if rest else places


def view_answer(
    answer: Answer,
    pages: Mapping[str, int],
    verdict: Callable[[Hit], str],
    *,
    is_listing: Callable[[Hit], bool],
    example_name: str,
) -> AnswerView:
    """`pages` is the number of pages of each document, by id; `verdict` says how a page was judged, `is_listing`
    whether it is a contents or index page.

    `example_name` names the page or image that was the query: its patches say nothing to a reader one by one.
    """
    words = [] if example_name else answer.query.embedding.tokens_of_words()
    hits = tuple(
        _hit(hit, pages.get(hit.document_id, hit.page), verdict(hit), words, is_listing(hit)) for hit in answer.hits
    )
    return AnswerView(
        query=answer.query.embedding.text,
        hits=hits,
        pages=answer.pages,
        mode=answer.mode,
        timing_ms={name: round(spent, 2) for name, spent in answer.timing_ms.items()},
        candidates=answer.candidates,
        retrievers=answer.retrievers,
        notice="" if example_name else answer.notice,
        other_words=answer.other_words,
        reranker=None if answer.reranking is None else RerankingView(**asdict(answer.reranking)),
    )


def view_found(answer: Answer) -> FoundView:
    """The pages of an answer that have all the words: those of a document, every one of which is in `answer`."""
    is_sure = answer.query.calibration.is_probability
    words = answer.query.embedding.tokens_of_words()
    seen = {hit: [_strength(float(hit.query.values(hit.similarity)[of].mean())) for _, of in words] for hit in answer}
    needed = np.full(len(words), _HARDLY_SEEN)
    if seen and not is_sure:
        strengths = np.array(list(seen.values()))  # (hits, words)
        usual, best = np.median(strengths, axis=0), strengths.max(axis=0)
        needed = best - _NEAR_THE_BEST * (best - usual)

    def has(hit: Hit) -> bool:
        return all(
            word in hit.in_text or strength >= least
            for (word, _), strength, least in zip(words, seen[hit], needed, strict=True)
        )

    pages = [
        FoundPageView(hit.page, min(seen[hit]), all(word in hit.in_text for word, _ in words))
        for hit in sorted(answer, key=lambda hit: hit.page)
        if words and has(hit)
    ]
    return FoundView(tuple(pages), answer.pages, is_sure)


def _hit(hit: Hit, pages: int, verdict: str, words: Words, is_listing: bool) -> HitView:
    return HitView(
        rank=hit.rank,
        text_score=hit.text_score,
        document=hit.document,
        folder=hit.folder,
        document_id=hit.document_id,
        page=hit.page,
        pages=pages,
        score=hit.score,
        rerank_score=hit.rerank_score,
        strength=_share(hit),
        words=tuple(_word(word, tokens, hit) for word, tokens in words),
        score_terms=dict(hit.score_terms),
        shares=hit.shares,
        is_listing=is_listing,
        verdict=verdict,
    )


def _word(word: str, tokens: Sequence[int], hit: Hit) -> WordView:
    similarity = hit.query.word_similarity(hit.similarity, tokens)
    return WordView(
        word=word,
        printed=hit.query.printed_words(hit.similarity).get(word, ""),
        similarity=similarity,
        contribution=float(hit.contributions[tokens].sum()),
        strength=_strength(float(hit.query.values(hit.similarity)[tokens].mean())),
        in_text=word in hit.in_text,
        in_name=word in hit.in_name,
        unread=word in hit.query.embedding.unread,
    )


def _share(hit: Hit) -> float:
    """Without the score's extra terms: those say how the words stand together, not whether they were seen."""
    highest = float(hit.query.weights.sum())
    return min(max(float(hit.contributions.sum()) / highest, 0.0), 1.0) if highest > 0 else 0.0


def _strength(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def view_explanation(
    why: Explanation, document: Document, page: int, answer: Answer, *, example_name: str
) -> ExplanationView:
    """`answer` holds the other results: what a map is compared with, so that a weak page looks weak.

    The map of a page or image that asks shows by how much a place is more alike than is usual among the results: on
    any page there is something as alike as the frame of a table.
    """
    results = np.stack([each.similarity for each in answer])  # (hits, tokens)
    usual = results.mean(axis=0) if example_name else np.zeros(results.shape[1], np.float32)
    return replace(
        _view(why, results, usual, example_name),
        document=document.name,
        document_id=document.id,
        page=page,
        pages=document.pages,
        reranker="" if answer.reranking is None else answer.reranking.name,
    )


def view_alone(why: Explanation) -> ExplanationView:
    """Of a page without other results: its map is compared with its own best match."""
    example_name = "the query" if why.query.embedding.is_example else ""
    return _view(why, why.similarities[None], np.zeros(len(why.matches), np.float32), example_name)


def _view(why: Explanation, results: Floats, usual: Floats, example_name: str) -> ExplanationView:
    """`results` (hits, t) are the best similarities of each, `usual` (t,) what of them the map leaves out."""
    words = _distinctive_patches(why, example_name, usual) if example_name else why.query.embedding.tokens_of_words()
    planes = _planes(
        why.similarity_map - usual[:, None, None],
        words if example_name else _shown_tokens(why, words),
        np.max if example_name or why.query.calibration.is_probability else np.mean,
    )  # (words, rows, cols)
    codes, low, high = coded(planes)
    is_lead = bool(usual.any())
    known = planes[np.isfinite(planes)]
    shown_from = float(np.median(known)) if known.size and not is_lead else 0.0
    calibration = why.query.calibration
    return ExplanationView(
        document="",
        document_id="",
        page=0,
        pages=0,
        score=why.score,
        score_terms=dict(why.score_terms),
        rows=planes.shape[1],
        cols=planes.shape[2],
        matches=tuple(_match(word, tokens, why) for word, tokens in words),
        map=codes,
        scale=ScaleView(
            low,
            high,
            calibration.is_probability,
            calibration.slope,
            calibration.midpoint,
            shown_from,
            shown_to=max(float((results - usual).max()), shown_from + 1e-6),
            is_lead=is_lead,
        ),
        reranker="",
    )


def _shown_tokens(why: Explanation, words: Words) -> Words:
    """The tokens of words that a map shows: their own, and the other word that stands in the place of one."""
    embedding, printed = why.query.embedding, why.query.printed_words(why.similarities)
    own = embedding.is_own
    return [
        (word, [token for token in tokens if own[token] or embedding.tokens[token] == printed.get(word)])
        for word, tokens in words
    ]


def _planes(values: Floats, words: Words, join: Callable[..., Floats]) -> Floats:
    """(tokens, rows, cols) -> (words, rows, cols): what `join` makes of a word's tokens in each cell.

    Pieces of a word are averaged; any patch of an example will do, and any part of a code, so the best counts.
    """
    if not words:
        return np.zeros((0, *values.shape[1:]), dtype=np.float32)
    return np.stack([join(values[list(tokens)], axis=0) for _, tokens in words])


def coded(planes: Floats) -> tuple[str, float, float]:
    """Similarities as base64 of bytes, see `ScaleView`, and the lowest and highest of them; NaN becomes 0."""
    known = np.isfinite(planes)
    low, high = (float(planes[known].min()), float(planes[known].max())) if known.any() else (0.0, 1.0)
    steps = np.rint((np.nan_to_num(planes, nan=low) - low) / max(high - low, 1e-6) * _CODES) + 1
    codes = np.where(known, steps, 0).astype(np.uint8)
    return base64.b64encode(codes.tobytes()).decode("ascii"), low, high


def _rounded(box: Box) -> tuple[float, float, float, float]:
    """In steps of a fraction of a pixel: there may be many of them."""
    left, top, right, bottom = (round(value, 5) for value in box)
    return left, top, right, bottom


def view_matches(why: Explanation) -> list[MatchView]:
    """What each word of a query found on a page."""
    return [_match(word, tokens, why) for word, tokens in why.query.embedding.tokens_of_words()]


def _match(word: str, tokens: Sequence[int], why: Explanation) -> MatchView:
    matches = [why.matches[token] for token in tokens]
    best: TokenMatch = max(matches, key=lambda match: match.contribution)
    box = best.box
    similarities = why.similarities
    values = why.query.values(similarities)
    return MatchView(
        word=word,
        printed=why.query.printed_words(similarities).get(word, ""),
        similarity=why.query.word_similarity(similarities, tokens),
        contribution=sum(match.contribution for match in matches),
        strength=_strength(float(values[list(tokens)].mean())),
        in_text=word in why.in_text,
        unread=word in why.query.embedding.unread,
        cell=best.cell,
        box=(box.left, box.top, box.right, box.bottom) if box is not None else None,
        text_boxes=tuple(map(_rounded, why.text_boxes.get(word, ()))),
    )
