"""Candidates from outside: the library compares these, and says what is missing."""

from dataclasses import replace

import numpy as np
import pytest

from colvision.core.first_stage import FoundPage, PageScope
from colvision.errors import EncoderMismatch
from colvision.maxsim.int8 import rounded_query
from tests.helpers.made_pages import MadeEncoder, made_library, random_documents

DOCUMENTS, QUERIES = random_documents(3, 4, seed=5)
ENCODER = MadeEncoder(QUERIES)


class Stage:
    """Finds what it is told to, and remembers what it was asked."""

    name = "elsewhere"

    def __init__(self, found, *, pages=12, fingerprint=ENCODER.info.fingerprint):
        self.found = [FoundPage(document, page, 0.0, fingerprint) for document, page in found]
        self.pages = pages

    def find(self, query, count, scope):
        self.query, self.count, self.scope = query, count, scope
        return self.found


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    with made_library(tmp_path_factory.mktemp("stage") / "library", ENCODER, DOCUMENTS) as library:
        yield library


@pytest.fixture(scope="module")
def ids(library):
    return {row.name: row.id for row in library.documents()}


def places(answer):
    return {(hit.document, hit.page) for hit in answer}


def test_what_it_finds_is_compared_and_nothing_else(library, ids):
    first = ids["document 0.pdf"]
    stage = Stage([(first, 2), (first, 4), (first, 2), ("0" * 16, 1), (first, 99)])  # once more, and no such pages
    answer = library.search("0", first_stage=stage)
    assert places(answer) == {("document 0.pdf", 2), ("document 0.pdf", 4)}
    known = {(hit.document, hit.page): hit.score for hit in library.search("0", mode="exact", k=12)}
    assert all(hit.score == known[hit.document, hit.page] for hit in answer)
    assert (answer.candidates, answer.retrievers, answer.notice) == (2, ("elsewhere", "maxsim"), "")
    assert (stage.count, stage.scope) == (256, PageScope())
    np.testing.assert_array_equal(stage.query, rounded_query(QUERIES[0]))
    library.search("0", k=100, first_stage=stage)
    assert stage.count == 400


def test_a_stage_that_finds_nothing_is_an_answer_without_a_hit(library):
    assert library.search("0", first_stage=Stage([])).hits == ()


def test_a_filter_goes_along_as_documents_and_numbers_and_still_holds(library, ids):
    first, second = ids["document 0.pdf"], ids["document 1.pdf"]
    stage = Stage([(first, 1), (first, 2), (second, 2), (second, 4)])
    answer = library.search(
        "0", where='document="document 0.pdf" and page=2 or document="document 1.pdf"', first_stage=stage
    )
    assert stage.scope == PageScope(tuple(sorted([first, second])), (1, 2, 3, 4))
    assert places(answer) == {("document 0.pdf", 2), ("document 1.pdf", 2), ("document 1.pdf", 4)}
    library.search("0", document="document 1.pdf", first_stage=stage)
    assert stage.scope == PageScope((second,), None)


def test_that_it_holds_more_or_fewer_pages_is_told(library):
    assert library.search("0", first_stage=Stage([], pages=11)).notices == (
        "elsewhere holds 11 pages, the collection 12: export it again.",
    )


def test_vectors_of_another_encoder_are_refused(library, ids):
    stage = Stage([(ids["document 0.pdf"], 1)], fingerprint="0" * 64)
    with pytest.raises(EncoderMismatch, match="elsewhere holds pages of another encoder"):
        library.search("0", first_stage=stage)


@pytest.mark.parametrize(
    ("given", "said"), [({"mode": "exact"}, "give one of the two"), ({"encoders": ["a"]}, "alone")]
)
def test_what_goes_with_no_first_stage_goes_with_none_from_outside(library, given, said):
    with pytest.raises(ValueError, match=said):
        library.search("0", first_stage=Stage([]), **given)


def test_a_token_that_counts_twice_is_twice_as_long(library, tmp_path):
    stage = Stage([])
    weights = np.array([2.0, 0.0, *np.ones(6)], np.float32)

    class Weighted(MadeEncoder):
        def encode_queries(self, texts):
            return [replace(query, weights=weights) for query in super().encode_queries(texts)]

    with made_library(tmp_path / "weighted", Weighted(QUERIES), DOCUMENTS) as weighted:
        weighted.search("0", first_stage=stage)
    np.testing.assert_array_equal(stage.query[0], 2 * rounded_query(QUERIES[0])[0])
    assert len(stage.query) == 7  # one that counts nothing is not asked for
