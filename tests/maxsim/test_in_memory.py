"""Vectors that somebody brings, ranked as a library ranks its own."""

import numpy as np
import pytest

from colvision import Calibration, MaxSimIndex, Page
from colvision.core.embedding import QueryEmbedding
from colvision.testing import ToyEncoder, text_page
from colvision.testing.toy import PAGE_SHAPE

RNG = np.random.default_rng(5)


def unit(rows, dim=16):
    vectors = RNG.standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def brute(query, pages):
    return [sum(max(float(token @ vector) for vector in page) for token in query) for page in pages]


@pytest.mark.parametrize(("codec", "error"), [("float32", 1e-5), ("int8", 0.03)])
def test_pages_are_ranked_by_their_maxsim(codec, error):
    pages, query = [unit(rows) for rows in (3, 1, 7, 2, 5)], unit(4)
    index = MaxSimIndex.from_embeddings(pages, codec=codec)
    expected = brute(query, pages)
    np.testing.assert_allclose(index.scores(query), expected, atol=error)
    found = index.search(query, k=3)
    assert [page.row for page in found] == sorted(range(5), key=lambda row: -expected[row])[:3]
    assert [page.score for page in found] == pytest.approx(sorted(expected, reverse=True)[:3], abs=error)
    assert len(index) == 5 and repr(index) == f"MaxSimIndex(5 pages, 18 vectors of 16 {codec})"


def test_what_an_encoder_gives_can_be_searched_without_a_library():
    encoder = ToyEncoder()
    words = [["bleed", "valve"], ["oil", "filter"], ["hook"]]
    pages = encoder.encode_pages(Page(text_page(each, shape=PAGE_SHAPE)) for each in words)
    index = MaxSimIndex.from_embeddings(pages, codec="int8", quantisation_range=encoder.info.quantisation_range)
    (query,) = encoder.encode_queries(["oil filter"])
    best, *_ = index.search(query)
    assert best.row == 1 and best.score == pytest.approx(2, abs=0.05)


def test_weights_and_calibration_decide_what_a_token_adds():
    pages, vectors = [unit(3), unit(3)], unit(2)
    query = QueryEmbedding.of_words("a b", ["a", "b"], vectors)
    query.weights[:] = 1, 0
    link = Calibration(slope=10, midpoint=0.3)
    found = MaxSimIndex.from_embeddings(pages, calibration=link).scores(query)
    similarity = np.array([brute(vectors[:1], [page])[0] for page in pages], dtype=np.float32)
    np.testing.assert_allclose(found, link(similarity), atol=1e-5)


def test_equal_pages_come_in_their_order():
    page = unit(2)
    assert [each.row for each in MaxSimIndex.from_embeddings([page] * 4).search(page, k=9)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MaxSimIndex.from_embeddings([]), "at least one page"),
        (lambda: MaxSimIndex.from_embeddings([unit(2), unit(0)]), "a vector on each"),
        (lambda: MaxSimIndex.from_embeddings([unit(2, 16), unit(2, 8)]), "one dimension"),
        (lambda: MaxSimIndex.from_embeddings([unit(2)], codec="int4"), "expected 'float32' or 'int8'"),
        (lambda: MaxSimIndex.from_embeddings([unit(2)]).search(unit(2, 8)), "the query has 8 dimensions"),
        (lambda: MaxSimIndex.from_embeddings([unit(2)]).search(unit(2), k=0), "ask for at least one page"),
        (lambda: MaxSimIndex.from_embeddings([unit(2)]).search(unit(1)[0]), "expected \\(n, dim\\)"),
    ],
)
def test_what_cannot_be_compared_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
