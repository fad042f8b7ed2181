"""A reranker for the toy application: the page with the least ink comes first."""

from collections.abc import Sequence

import numpy as np

from colvision.core.reranker import Candidate


class LeastInk:
    """Looks at page images; `name` and scores are the same in every process."""

    name = "least-ink"
    reads = "image"

    def score(self, query: str, pages: Sequence[Candidate]) -> list[float]:
        return [float(np.asarray(page.image.convert("L"), np.float64).mean()) for page in pages]
