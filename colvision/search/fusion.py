"""Scores of several encoders as one: what further encoders add to a page's own score.

Each encoder's score is taken as a share: (score - zero) / (best - zero), `zero` being the score of a page that has
nothing of the query. Where scores are sums of probabilities, `best` is what a page gets that surely has every word: an
encoder that sees next to nothing then says next to nothing. A similarity has no such meaning, and `best` is the best
page's. That is min-max normalisation (Lee 1997, "Analyses of multiple evidence combination")
with the score of no match in the place of the least; a convex combination of scores that were made comparable so finds
more than fusing ranks, and needs less tuning (Bruch, Gai and Ingber 2023, "An Analysis of Fusion Functions for Hybrid
Retrieval", arXiv 2210.11934). The shares are put together as those of the text layers are: see `TermScale`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from colvision.core.query import ScoredQuery, Scores, TermScale
from colvision.store.records import CollectionRow

ENCODER_WEIGHT = 1.0  # of a further encoder's share beside 1 of the collection's own: an equal say, not tuned on data
_LEAST = 1e-6  # by which a best page is better than none: where the own encoder sees nothing, others still order


@dataclass(frozen=True, slots=True, eq=False)
class OtherScores:
    """What a further encoder says of pages, (n,); `zero`, its score of no match, for those that it has not read."""

    name: str
    query: ScoredQuery
    scores: Scores
    zero: float

    def scale(self, query: ScoredQuery, own: Scores, floor: float) -> TermScale:
        """How these scores are fused with a query's own of the same pages, `floor` being that of no match."""
        best, best_here = _best(query, own, floor), _best(self.query, self.scores, self.zero)
        unit = max(best - floor, _LEAST) / (best_here - self.zero) if best_here > self.zero else 0.0
        return TermScale(unit, floor, self.zero, ENCODER_WEIGHT)


def _best(query: ScoredQuery, scores: Scores, zero: float) -> float:
    return query.best if query.calibration.is_probability else float(scores.max(initial=zero))


def default_encoders(companions: Sequence[CollectionRow]) -> list[str]:
    """Which further encoders a search asks that names none: all. Who adds one to a collection has chosen it."""
    return [row.encoder_name for row in companions if row.encoder_name is not None]
