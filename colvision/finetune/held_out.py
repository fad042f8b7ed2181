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
from colvision.evaluation import ProgressCallback, Query, Run, Step
from colvision.evaluation.metrics import mean, measure_run
from colvision.evaluation.runs import DEPTH, Ranked, rank
from colvision.maxsim import exact_maxima

Pictures = Callable[[PageId], Image.Image]


@dataclass(frozen=True, slots=True)
class HeldOutQuestions:
    """Questions, and every page that may be taken for their answer."""

    questions: tuple[Query, ...]
    pages: tuple[PageId, ...]

    @classmethod
    def of(
        cls, questions: Sequence[Query], pages: Mapping[str, Sequence[int]], *, most: int | None = None
    ) -> "HeldOutQuestions":
        """All pages of the documents that answer; at most about `most`, those first that answer."""
        gold = {page for query in questions for page in query.gold}
        documents = sorted({page.document for page in gold})
        others = [PageId(name, number) for name in documents for number in pages[name]]
        kept = list(dict.fromkeys([*sorted(gold), *others]))[: max(len(gold), most or len(others))]
        return cls(tuple(questions), tuple(sorted(kept)))


@dataclass(frozen=True, slots=True)
class Check:
    """One look at questions that are not trained on: their loss decides, nDCG@10 is for people."""

    step: int
    loss: float
    ndcg10: float


def search_run(encoder: Encoder, held: HeldOutQuestions, pictures: Pictures, *, progress: ProgressCallback) -> Run:
    """The ranked pages of every question, as a search over exact vectors would rank them."""
    asked = encoder.encode_queries([query.text for query in held.questions])
    scores = _scores(encoder, asked, held, pictures, progress)  # (pages, questions)
    answers = {
        query.query_id: rank(map(Ranked, held.pages, map(float, column)))[:DEPTH]
        for query, column in zip(held.questions, scores.T, strict=True)
    }
    return Run("-".join(encoder.info.name.split()), answers)


class CheckSettings(NamedTuple):
    """When a check is made, and the temperature of its loss: that of the training."""

    step: int
    temperature: float


def check(
    encoder: Encoder, held: HeldOutQuestions, pictures: Pictures, *, at: CheckSettings, progress: ProgressCallback
) -> Check:
    """The mean loss of each question's pages against all that do not answer it."""
    asked = encoder.encode_queries([query.text for query in held.questions])
    scores = _scores(encoder, asked, held, pictures, progress)
    losses, answers = [], {}
    for query, embedding, column in zip(held.questions, asked, scores.T, strict=True):
        logits = column.astype(np.float64) / (float(embedding.weights.sum()) * at.temperature)
        gold = np.array([page in query.gold for page in held.pages])
        rivals = np.array([page not in query.gold | query.neutral for page in held.pages])
        losses += [_surprise(logits[place], logits[rivals]) for place in np.flatnonzero(gold)]
        answers[query.query_id] = rank(map(Ranked, held.pages, map(float, column)))
    measured = measure_run(Run("check", answers), held.questions)
    return Check(at.step, float(np.mean(losses)), mean(list(measured.values())).ndcg10)


def _surprise(own: float, rivals: NDArray[np.float64]) -> float:
    """-log softmax of `own` among itself and its rivals."""
    all_of_them = np.append(rivals, own)
    top = float(all_of_them.max())
    return top + math.log(float(np.exp(all_of_them - top).sum())) - own


def _scores(
    encoder: Encoder,
    asked: Sequence[QueryEmbedding],
    held: HeldOutQuestions,
    pictures: Pictures,
    progress: ProgressCallback,
) -> Floats:
    """(pages, questions): sums of weight * best similarity."""
    tokens = np.concatenate([each.vectors for each in asked])
    weights = np.concatenate([each.weights for each in asked])
    starts = np.cumsum([0, *(len(each.tokens) for each in asked[:-1])])
    rows = []
    for embedding in encoder.encode_pages(_report_step(held.pages, pictures, progress)):
        maxima = exact_maxima(tokens, embedding.vectors, np.array([0, len(embedding.vectors)], dtype=np.int64))
        rows.append(np.add.reduceat(maxima[0] * weights, starts))
    return np.stack(rows)


def _report_step(pages: Iterable[PageId], pictures: Pictures, progress: ProgressCallback) -> Iterator[Page]:
    named = list(pages)
    for done, page in enumerate(named, 1):
        yield Page(pictures(page), page.page, page.document)
        progress(Step("reading pages kept apart", done, len(named)))
