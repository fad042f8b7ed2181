"""MaxSim over codes in whole numbers, and by whoever computes it elsewhere."""

import numpy as np

from colvision.maxsim.int8 import rounded_query, token_maxima
from tests.helpers.made_pages import unit


def test_a_rounded_query_over_the_codes_as_they_are_gives_the_same_maxima():
    rng = np.random.default_rng(0)
    query = unit(rng.standard_normal((7, 64)))
    codes = rng.integers(-127, 128, (30, 64)).astype(np.int8)
    starts = np.array([0, 11, 12, 30])
    products = codes.astype(np.float64) @ rounded_query(query).astype(np.float64).T
    elsewhere = np.maximum.reduceat(products, starts[:-1], axis=0) * 0.4 / 127
    np.testing.assert_allclose(elsewhere, token_maxima(query, codes, starts, 0.4), rtol=1e-5)
    assert rounded_query(np.zeros((1, 8), np.float32)).tolist() == [[0.0] * 8]
