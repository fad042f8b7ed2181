"""What a ranking is worth: nDCG, recall, precision and reciprocal rank, with pages that count neither way taken out."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from colvision.core.page import PageId
from colvision.evaluation.queries import Query
from colvision.evaluation.runs import Run

_DEPTH = 100  # pages of a ranking that count, once the neutral ones are out: reciprocal rank ends there


class Measures(NamedTuple):
    """One query's measures, or the means of several; every one lies in 0..1."""

    ndcg5: float
    ndcg10: float
    recall1: float
    recall10: float
    precision1: float
    precision5: float
    precision10: float
    mrr: float


LABELS = ("nDCG@5", "nDCG@10", "R@1", "R@10", "P@1", "P@5", "P@10", "MRR")  # in the order of `Measures`


def measure(ranking: Iterable[PageId], query: Query) -> Measures:
    """The measures of one ranking, best page first; pages are gold or not, no degrees between.

    DCG@k = sum over gold pages at rank i <= k of 1 / log2(i + 1) (Järvelin and Kekäläinen 2002), over that of the best
    possible ranking; recall@k over all gold pages; precision@k over k; reciprocal rank of the first gold page.
    """
    counted = [page for page in ranking if page not in query.neutral - query.gold][:_DEPTH]
    ranks = [rank for rank, page in enumerate(counted, 1) if page in query.gold]

    def ndcg(k: int) -> float:
        ideal = range(1, min(k, len(query.gold)) + 1)
        return sum(1 / math.log2(rank + 1) for rank in ranks if rank <= k) / sum(1 / math.log2(i + 1) for i in ideal)

    def found(k: int) -> int:
        return sum(rank <= k for rank in ranks)

    return Measures(
        ndcg5=ndcg(5),
        ndcg10=ndcg(10),
        recall1=found(1) / len(query.gold),
        recall10=found(10) / len(query.gold),
        precision1=found(1) / 1,
        precision5=found(5) / 5,
        precision10=found(10) / 10,
        mrr=1 / ranks[0] if ranks else 0.0,
    )


def measure_run(run: Run, queries: Iterable[Query]) -> dict[str, Measures]:
    """By query id, in the order of the queries; one that the run does not answer has 0 everywhere."""
    return {query.query_id: measure(run.ranking(query.query_id), query) for query in queries}


def mean(measured: Sequence[Measures]) -> Measures:
    """The mean of each measure over at least one query."""
    return Measures._make(sum(column) / len(measured) for column in zip(*measured, strict=True))


def by_group(measured: Mapping[str, Measures], queries: Iterable[Query]) -> dict[str, list[Measures]]:
    """The measures of the queries of each group: "all", each type, then content by what answers it."""
    groups: dict[str, list[Measures]] = {}
    for query in queries:
        for group in query.groups:
            groups.setdefault(group, []).append(measured[query.query_id])
    return {name: groups[name] for name in sorted(groups, key=lambda name: (name.count("/"), name))}
