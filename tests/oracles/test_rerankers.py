"""The same weights, questions, texts and pictures through sentence-transformers' `CrossEncoder`, and through colvision.

`make oracles` makes the reference arrays anew; here they are only compared.
"""

import numpy as np
import pytest

from colvision.core.reranker import Candidate, Reranker
from colvision.encoders import load_reranker
from tests.oracles.checkpoints import checkpoint, reference
from tests.oracles.inputs import QUESTIONS, TEXTS, pages
from tests.oracles.reranker_folders import CASES

pytestmark = pytest.mark.slow

TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=CASES)
def case(request, tmp_path_factory) -> tuple[str, Reranker, list[Candidate]]:
    folder = checkpoint(request.param, tmp_path_factory.mktemp("oracle"))
    reranker = load_reranker(folder, device="cpu", dtype="float32")
    shown = {"text": [Candidate(text) for text in TEXTS], "image": [Candidate(image=page) for page in pages()]}
    return request.param, reranker, shown[reranker.reads]


def test_scores_are_those_of_the_original(case):
    """In a batch and alone, where there is no padding."""
    name, reranker, shown = case
    for number, question in enumerate(QUESTIONS):
        expected = reference(name, f"scores{number}")
        assert len(set(expected.round(4))) == len(shown)
        alone = [score for each in shown for score in reranker.score(question, [each])]
        for scores in (reranker.score(question, shown), alone):
            np.testing.assert_allclose(scores, expected, rtol=0, atol=TOLERANCE)
