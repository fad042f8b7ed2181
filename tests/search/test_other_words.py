"""Words of much the same meaning: they find pages, count less than the word itself, and say what they are."""

import numpy as np
import pytest

import colvision
from colvision.core.embedding import QueryEmbedding
from colvision.core.encoder import Calibration
from colvision.search.idf import ExpectedFrequencies, expected_counts, soft_idf, weigh_words
from colvision.search.results import NO_MATCH
from colvision.testing import text_page
from tests.helpers.thesaurus import LIKENESS, Thesaurus

PAGES = {
    "bleed.png": ["bleed", "oil"],
    "vent.png": ["vent", "oil"],
    "fan.png": ["fan", "oil"],
    "nut.png": ["nut", "oil"],
}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    for name, words in PAGES.items():
        text_page(words, shape=(1600, 1312)).save(folder / name)
    with colvision.open_library(tmp_path_factory.mktemp("library"), encoder=Thesaurus()) as opened:
        opened.ingest(folder)
        yield opened


def test_a_page_with_another_word_comes_after_the_word_itself_and_before_the_others(library):
    answer = library.search("bleed")
    assert [hit.document for hit in answer][:2] == ["bleed.png", "vent.png"]
    bleed, vent, rest = answer[0], answer[1], answer[2]
    assert float(vent.contributions.sum()) == pytest.approx(LIKENESS * float(bleed.contributions.sum()), rel=0.02)
    assert rest.score < 0.1 * vent.score
    assert answer.other_words == {"bleed": ("vent",)}
    assert answer.to_dict()["other_words"] == {"bleed": ["vent"]}
    printed = [hit.query.printed_words(hit.similarity) for hit in (bleed, vent, rest)]
    assert printed == [{}, {"bleed": "vent"}, {}]


def test_exact_words_are_looked_for_alone(library):
    for answer in (library.search("bleed", exact_words=True), *library.search_many(["bleed"], exact_words=True)):
        assert answer.other_words == {}
        assert answer[1].score == pytest.approx(answer[2].score, abs=0.05)


def test_an_explanation_sums_to_the_score_and_names_the_word_that_is_there(library):
    hit = library.search("bleed oil")[1]
    why = library.explain(hit)
    assert why.score == pytest.approx(hit.score, abs=1e-5)
    assert dict(why.score_terms) == pytest.approx(dict(hit.score_terms), abs=1e-6)
    assert why.query.printed_words(why.similarities) == {"bleed": "vent"}
    assert "vent" in {token for region in why.regions() for token in region.tokens}
    assert why.strength("bleed").max() < LIKENESS + 1e-3


def test_a_word_of_every_page_stands_for_a_rare_one_as_far_as_its_own_rarity_goes(library):
    answer = library.search("nut")
    assert answer[0].document == "nut.png"
    assert answer[1].score < 0.2 * answer[0].score  # "oil" is on every page


def test_a_page_that_has_other_words_alone_is_no_good_match(library):
    assert library.search("bleed").notice == ""
    assert library.search("bleed", where="document!=bleed.png").notice == NO_MATCH


def test_how_rare_a_word_is_does_not_depend_on_other_words():
    query = QueryEmbedding(
        text="bleed",
        vectors=np.eye(2, dtype=np.float32),
        tokens=("bleed", "vent"),
        is_query=np.ones(2, np.bool_),
        weights=np.array([1, 0], np.float32),
        words=("bleed",),
        word=np.zeros(2, np.int32),
        spelling=(0, 1),
        likeness=(1.0, 0.6),
    )
    link = Calibration(slope=60.0, midpoint=0.5)
    maxima = np.array([[1, 0], [0, 1], [0, 1], [0, 0]], np.float32)
    weighed, weights = weigh_words(query, ExpectedFrequencies.of(query, link, maxima))
    rarity = soft_idf(len(maxima), expected_counts(link(maxima)))
    assert weights == pytest.approx([rarity[0], 0])
    assert weighed.likeness == pytest.approx((1.0, 0.6 * rarity[1] / rarity[0]))
