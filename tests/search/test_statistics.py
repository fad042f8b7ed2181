"""Statistics of parts are those of the whole, in whatever order they are added."""

from functools import reduce
from itertools import permutations
from operator import add

import numpy as np
import pytest

from colvision.core.embedding import QueryEmbedding
from colvision.core.encoder import Calibration
from colvision.search.idf import ExpectedFrequencies, soft_idf
from colvision.search.statistics import CollectionStatistics, ScoreSample
from colvision.store.fulltext import TextStatistics

LINK = Calibration(slope=20.0, midpoint=0.6)
QUERY = QueryEmbedding.of_words("bleed the pump", ["bleed", "the", "pump"], np.eye(3, 8, dtype=np.float32))


def test_expected_frequencies_add_up_to_the_last_bit_in_any_order():
    maxima = np.random.default_rng(0).uniform(0, 1, (1000, 3)).astype(np.float32)
    whole = ExpectedFrequencies.of(QUERY, LINK, maxima)
    assert whole.words / 2**24 == pytest.approx(LINK(maxima).sum(axis=0), rel=1e-6)
    parts = [ExpectedFrequencies.of(QUERY, LINK, part) for part in np.split(maxima, [1, 300, 301])]
    for order in permutations(parts):
        together = reduce(add, order)
        assert together.pages == 1000 and together.words.tolist() == whole.words.tolist()
        weights = soft_idf(together.pages, together.words)
        assert weights.tobytes() == soft_idf(whole.pages, whole.words).tobytes()


def test_a_sample_is_the_same_pages_wherever_they_lie():
    drawn = np.random.default_rng(1)
    keys = drawn.integers(0, 2**63, 2000, dtype=np.uint64)
    scores = keys.astype(np.float64) / 2**63

    def sample(part):
        rows = ScoreSample.rows(keys[part])
        return ScoreSample(keys[part][rows], scores[part][rows])

    whole = sample(np.arange(2000))
    assert len(whole.keys) == 256 and whole.keys.max() == np.sort(keys)[255]
    for cuts in ([700, 1300], [3], [1999]):
        parts = [sample(part) for part in np.split(drawn.permutation(2000), cuts)]
        assert reduce(add, parts).mean == reduce(add, parts[::-1]).mean == whole.mean


def test_a_part_without_pages_changes_nothing():
    known = CollectionStatistics(3, 60, texts=TextStatistics(3, 90, (2, 0)))
    empty = CollectionStatistics(0, 0, texts=TextStatistics(0, 0, (0, 0)))
    together = known + empty + CollectionStatistics(0, 0)
    assert (together.pages, together.mean_vectors, together.texts) == (3, 20.0, known.texts)
    assert CollectionStatistics(0, 0).mean_vectors == 1.0
    assert not empty.texts.finds_pages
    assert TextStatistics(10, 90, (1, 0)).finds_pages
    assert not TextStatistics(10, 90, (6, 0)).finds_pages  # a word on more than half of the pages
