"""A query as one answer scores it."""

from dataclasses import dataclass

from colvision.core.embedding import Floats, QueryEmbedding
from colvision.core.encoder import Calibration


@dataclass(frozen=True, slots=True, eq=False)
class ScoredQuery:
    """An encoded query with the weights that one answer gave its tokens: all that `explain` needs beside a page.

    `mean_vectors` is the mean number of vectors of the collection's pages.
    """

    embedding: QueryEmbedding
    weights: Floats  # (t,)
    calibration: Calibration
    fingerprint: str
    mean_vectors: float = 1.0

    def contributions(self, similarity: Floats) -> Floats:
        """(..., t) similarities -> (..., t) what each token adds to the score."""
        contributions: Floats = self.weights * self.calibration(similarity)
        return contributions
