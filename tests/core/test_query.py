"""A query as it is scored: codes as a whole or not at all, what a text layer and a document's name add."""

from dataclasses import replace

import numpy as np
import pytest

from colvision.core.embedding import QueryEmbedding
from colvision.core.encoder import Calibration
from colvision.core.query import TEXT_WEIGHT, UNREAD, ScoredQuery, TermScale
from colvision.core.text import Forms
from colvision.search.idf import ExpectedFrequencies, weigh_words

LINK = Calibration(slope=40.0, midpoint=0.5)
HIGH, LOW = 0.9, 0.1  # similarities whose probabilities are 1 and 0


def scored(words, word, spelling=(), **options):
    tokens = len(word)
    embedding = QueryEmbedding(
        text=" ".join(words),
        vectors=np.eye(tokens, 16, dtype=np.float32),
        tokens=tuple(f"t{i}" for i in range(tokens)),
        is_query=np.ones(tokens, np.bool_),
        weights=np.ones(tokens, np.float32),
        words=tuple(words),
        word=np.array(word, np.int32),
        spelling=tuple(spelling),
        **options,
    )
    return ScoredQuery(embedding, embedding.weights, LINK, "f")


CODE = scored(["e-11", "fuse"], [0, 0, 0, 1], [0, 0, 1, 0])  # as "e" and "11", or as "e11"


@pytest.mark.parametrize(
    ("similarity", "seen"),
    [
        ([HIGH, LOW, LOW, LOW], [0, 0, 0, 0]),  # "e" alone is no E-11
        ([HIGH, HIGH, LOW, LOW], [1.5, 1.5, 0, 0]),
        ([LOW, LOW, HIGH, HIGH], [0, 0, 3, 1]),
    ],
)
def test_a_code_counts_as_a_whole_in_one_of_its_spellings(similarity, seen):
    assert CODE.contributions(np.array(similarity, np.float32)) == pytest.approx(seen, abs=1e-4)


def test_a_number_is_judged_by_its_own_midpoint_everywhere():
    """On pages, on patches, and where rarity is told."""
    link = Calibration(slope=40.0, midpoint=0.5, digits_midpoint=0.4)
    number = replace(scored(["4423", "pump"], [0, 1]), calibration=link)
    number = replace(number, embedding=replace(number.embedding, tokens=("4423", "pump")))
    patches = np.full((2, 3), 0.45, np.float32)
    expected = [link(np.float32(0.55)), link(np.float32(0.45))]
    np.testing.assert_allclose(number.calibrated(patches), np.repeat(np.array(expected)[:, None], 3, axis=1), rtol=1e-4)
    np.testing.assert_allclose(number.values(patches[:, 0]), expected, rtol=1e-4)
    together = [(number, False), (replace(number, embedding=replace(number.embedding, likeness=(1.0, 0.6))), True)]
    for query, has_others in together:
        expected = ExpectedFrequencies.of(query.embedding, link, np.full((5, 2), 0.45, np.float32))
        own, weights = weigh_words(query.embedding, expected)
        assert bool(own.likeness) == has_others
        assert weights[0] < weights[1]  # as it stands on more pages


def test_similarities_of_pieces_of_words_are_added_up_as_they_are():
    plain = replace(CODE, calibration=Calibration())
    similarity = np.array([HIGH, LOW, LOW, LOW], np.float32)
    np.testing.assert_array_equal(plain.contributions(similarity), similarity)
    assert plain.word_similarity(similarity, [0, 1, 2]) == pytest.approx((HIGH + 2 * LOW) / 3)
    assert CODE.word_similarity(similarity, [0, 1, 2]) == pytest.approx(LOW)


def test_the_spelling_that_a_page_prints_has_the_weight_of_the_word():
    apart = LINK(np.array([[HIGH, LOW], [LOW, HIGH], [LOW, LOW], [LOW, HIGH]], np.float32))  # (t, 2 patches)
    joined = LINK(np.array([[HIGH, LOW], [LOW, LOW], [HIGH, LOW], [LOW, HIGH]], np.float32))
    printed = CODE.as_printed(np.stack([apart.max(axis=1), joined.max(axis=1)]))
    assert printed.tokens == [0, 1, 2, 3]
    assert printed.weights.tolist() == [[1.5, 1.5, 0.0, 1.0], [0.0, 0.0, 3.0, 1.0]]
    assert printed.is_printed.tolist() == [[True, True, False, True], [False, False, True, True]]


def test_half_a_code_has_no_place_on_a_page():
    half = LINK(np.array([[HIGH, LOW, LOW, LOW]], np.float32))
    assert (half * CODE.as_printed(half).scale).max() < 0.01


def test_a_word_in_letters_that_are_not_read_is_nowhere():
    query = scored(["насос", "fuse"], [0, 1], unread=frozenset({"насос"}))
    assert query.contributions(np.full(2, HIGH, np.float32)) == pytest.approx([0, 1], abs=1e-4)
    assert query.as_printed(np.ones((3, 2), np.float32)).tokens == [1]


def test_the_order_is_that_of_a_weighted_mean_of_shares():
    rng = np.random.default_rng(0)
    scores, texts = 3 + 4 * rng.random(200), 5 * rng.random(200)
    query = replace(CODE, text_scale=TermScale(unit=(7.0 - 3.0) / 5.0, floor=3.0))
    match, text = (scores - 3.0) / 4.0, texts / 5.0
    mean = match + TEXT_WEIGHT * np.maximum(text, UNREAD * match)
    assert np.argsort(mean).tolist() == np.argsort(scores + query.text_term(scores, texts)).tolist()


def test_a_text_layer_can_only_add():
    scores = np.linspace(0, 4, 11)
    query = replace(CODE, text_scale=TermScale(unit=1.0, floor=0.0))
    assert query.text_term(scores, np.zeros(11)).tolist() == [0.0] * 11
    assert np.all(query.text_term(scores, np.full(11, 9.0)) > 0)
    assert CODE.text_term(scores, np.full(11, 9.0)).tolist() == [0.0] * 11  # it was not asked


def test_a_document_s_name_adds_what_its_page_lacks_and_less_than_the_page_would():
    named = CODE.named_tokens("manual e11 2021")
    assert named == (0, 1, 2)
    lacking, there = np.full(4, LOW, np.float32), np.full(4, HIGH, np.float32)
    assert 0 < CODE.document_term(lacking, named) < 0.5 * 3
    assert CODE.document_term(there, named) == pytest.approx(0.0, abs=1e-4)
    assert CODE.named_tokens("manual e12") == ()


def test_of_many_documents_those_whose_names_hold_a_word_are_found_together():
    names = ["manual e11 2021", "manual e12", "", "e 11 list"]
    together = CODE.named_documents(Forms(names))
    assert {place: tuple(tokens) for place, tokens in together.items()} == {
        place: tokens for place, name in enumerate(names) if (tokens := CODE.named_tokens(name))
    }
    assert set(together) == {0, 3}


VENT = scored(["bleed", "pump"], [0, 0, 1], [0, 1, 0], likeness=(1.0, 0.5, 1.0))  # "vent" may stand for "bleed"
VENT = replace(VENT, weights=np.array([2, 0, 1], np.float32))


@pytest.mark.parametrize(
    ("similarity", "counted"),
    [
        ([HIGH, LOW, LOW], [2, 0, 0]),
        ([LOW, HIGH, LOW], [0, 1, 0]),  # half of what the word itself would bring
        ([HIGH, HIGH, LOW], [2, 0, 0]),  # the word itself is there: the other adds nothing
    ],
)
def test_another_word_counts_less_and_only_where_the_word_itself_is_not_seen_better(similarity, counted):
    similarity = np.array(similarity, np.float32)
    assert VENT.contributions(similarity) == pytest.approx(counted, abs=1e-4)
    assert VENT.word_similarity(similarity, [0, 1]) == pytest.approx(HIGH)


def test_a_page_prints_the_word_or_another_in_its_place():
    best = LINK(np.array([[HIGH, HIGH, LOW], [LOW, HIGH, LOW]], np.float32))
    printed = VENT.as_printed(best)
    assert printed.tokens == [0, 1, 2]
    assert printed.weights.tolist() == [[2.0, 0.0, 1.0], [0.0, 2.0, 1.0]]
    np.testing.assert_allclose(printed.scale[:, :2], [[1, 0], [0, 0.5]], atol=1e-4)
