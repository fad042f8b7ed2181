"""How well an encoder finds the pages of documents that were kept apart: for early stopping, and before and after."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colvision.core.embedding import Floats, QueryEmbedding
from colvision.core.encoder import Encoder
from colvision.core.page import Page, PageId
from colvision.evaluation import Query, Run, TaskProgress, TaskProgressCallback
from colvision.evaluation.metrics import mean, measure_run
from colvision.evaluation.runs import DEPTH, RunEntry, rank
from colvision.maxsim import exact_maxima

PageImages = Callable[[PageId], Image.Image]


@dataclass(frozen=True, slots=True)
class HeldOutQueries:
    """Queries, and every page that may be taken for their answer."""

    queries: tuple[Query, ...]
    pages: tuple[PageId, ...]

    @classmethod
    def of(
        cls, queries: Sequence[Query], pages: Mapping[str, Sequence[int]], *, most: int | None = None
    ) -> "HeldOutQueries":
        """All pages of the documents that answer; at most about `most`, those first that answer."""
        gold = {page for query in queries for page in query.gold}
        documents = sorted({page.document for page in gold})
        others = [PageId(name, number) for name in documents for number in pages[name]]
        kept = list(dict.fromkeys([*sorted(gold), *others]))[: max(len(gold), most or len(others))]
        return cls(tuple(queries), tuple(sorted(kept)))


@dataclass(frozen=True, slots=True)
class Check:
    """One check with queries that are not trained on: their loss decides, nDCG@10 is for people."""

    step: int
    loss: float
    ndcg10: float


def search_run(
    encoder: Encoder, held: HeldOutQueries, page_image: PageImages, *, progress: TaskProgressCallback
) -> Run:
    """The ranked pages of every query, as a search over exact vectors would rank them."""
    embeddings = encoder.encode_queries([query.text for query in held.queries])
    scores = _scores(encoder, embeddings, held, page_image, progress)  # (pages, queries)
    answers = {
        query.query_id: rank(map(RunEntry, held.pages, map(float, column)))[:DEPTH]
        for query, column in zip(held.queries, scores.T, strict=True)
    }
    return Run("-".join(encoder.info.name.split()), answers)


class CheckSettings(NamedTuple):
    """When a check is made, and the temperature of its loss: that of the training."""

    step: int
    temperature: float


def check(
    encoder: Encoder, held: HeldOutQueries, page_image: PageImages, *, at: CheckSettings, progress: TaskProgressCallback
) -> Check:
    """The mean loss of each query's pages against all that do not answer it."""
    embeddings = encoder.encode_queries([query.text for query in held.queries])
    scores = _scores(encoder, embeddings, held, page_image, progress)
    losses, answers = [], {}
    for query, embedding, column in zip(held.queries, embeddings, scores.T, strict=True):
        logits = column.astype(np.float64) / (float(embedding.weights.sum()) * at.temperature)
        gold = np.array([page in query.gold for page in held.pages])
        rivals = np.array([page not in query.gold | query.neutral for page in held.pages])
        losses += [_cross_entropy(logits[place], logits[rivals]) for place in np.flatnonzero(gold)]
        answers[query.query_id] = rank(map(RunEntry, held.pages, map(float, column)))
    measured = measure_run(Run("check", answers), held.queries)
    return Check(at.step, float(np.mean(losses)), mean(list(measured.values())).ndcg10)


def _cross_entropy(own: float, rivals: NDArray[np.float64]) -> float:
    """-log softmax of `own` among itself and its rivals."""
    logits = np.append(rivals, own)
    top = float(logits.max())
    return top + math.log(float(np.exp(logits - top).sum())) - own


def _scores(
    encoder: Encoder,
    embeddings: Sequence[QueryEmbedding],
    held: HeldOutQueries,
    page_image: PageImages,
    progress: TaskProgressCallback,
) -> Floats:
    """(pages, queries): sums of weight * best similarity."""
    tokens = np.concatenate([each.vectors for each in embeddings])
    weights = np.concatenate([each.weights for each in embeddings])
    starts = np.cumsum([0, *(len(each.tokens) for each in embeddings[:-1])])
    rows = []
    for page in encoder.encode_pages(_read_pages(held.pages, page_image, progress)):
        maxima = exact_maxima(tokens, page.vectors, np.array([0, len(page.vectors)], dtype=np.int64))
        rows.append(np.add.reduceat(maxima[0] * weights, starts))
    return np.stack(rows)


def _read_pages(pages: Iterable[PageId], page_image: PageImages, progress: TaskProgressCallback) -> Iterator[Page]:
    named = list(pages)
    for done, page in enumerate(named, 1):
        yield Page(page_image(page), page.page, page.document)
        progress(TaskProgress("reading pages kept apart", done, len(named)))
