"""Scores of several encoders as one: what further encoders add to a page's own score.

Each encoder's score is taken as a share of what its best page has more than a page that has nothing of the query:
(score - zero) / (best - zero). That is min-max normalisation (Lee 1997, "Analyses of multiple evidence combination")
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

    def scale(self, own: Scores, floor: float) -> TermScale:
        """How these scores are fused with the collection's own of the same pages, `floor` being that of no match."""
        best, best_here = float(own.max(initial=floor)), float(self.scores.max(initial=self.zero))
        unit = max(best - floor, _LEAST) / (best_here - self.zero) if best_here > self.zero else 0.0
        return TermScale(unit, floor, self.zero, ENCODER_WEIGHT)


def default_encoders(companions: Sequence[CollectionRow]) -> list[str]:
    """Which further encoders a search asks that names none: all. Who adds one to a collection has chosen it."""
    return [row.encoder_name for row in companions if row.encoder_name is not None]
