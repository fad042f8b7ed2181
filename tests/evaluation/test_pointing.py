"""Whether the best patch for a word lies on it: half a patch of grace, tokens of a word together, words that count."""

from dataclasses import replace

import numpy as np
import pytest

from colvision.core.embedding import PatchGrid, QueryEmbedding
from colvision.core.encoder import Calibration
from colvision.core.page import Box
from colvision.core.query import ScoredQuery
from colvision.errors import InputError
from colvision.evaluation import EvaluationOptions, evaluate, find_corpus
from colvision.evaluation.pointing import is_hit, read_words, summarise
from colvision.explain import Explanation
from colvision.testing import ToyEncoder
from tests.helpers.evaluation_set import page, write_lines


def explanation(similarity_map, cells):
    t = len(similarity_map)
    vectors = np.eye(t, 4, dtype=np.float32)
    embedding = QueryEmbedding.of_words("w", [f"w{i}" for i in range(t)], vectors)
    scored = ScoredQuery(embedding, np.ones(t, np.float32), Calibration(), "toy")
    return Explanation(scored, PatchGrid(cells), similarity_map.astype(np.float32), (), {}, 0.0, None)


def test_a_hit_is_the_centre_of_the_best_patch_in_a_box_grown_by_half_a_patch():
    cells = np.arange(10, dtype=np.int32).reshape(2, 5)  # a rectangular grid: cells are 0.2 wide and 0.5 high
    similar = np.zeros((1, 2, 5))
    similar[0, 1, 3] = 1.0  # its centre is (0.7, 0.75)
    why = explanation(similar, cells)
    assert is_hit(why, [Box(0.65, 0.7, 0.75, 0.8)])
    assert is_hit(why, [Box(0.0, 0.0, 0.1, 0.1), Box(0.79, 0.99, 0.9, 1.0)])  # 0.09 right and 0.24 below the centre
    assert not is_hit(why, [Box(0.81, 0.75, 0.9, 0.8)])
    assert not is_hit(why, [Box(0.0, 0.0, 0.1, 0.1)])


def test_other_words_do_not_point():
    cells = np.array([[0, 1]], dtype=np.int32)
    why = explanation(np.array([[[0.6, 0.0]], [[0.0, 0.9]]]), cells)
    query = replace(why.query, embedding=replace(why.query.embedding, likeness=(1.0, 0.5)))
    assert is_hit(replace(why, query=query), [Box(0.2, 0.4, 0.3, 0.6)])


def test_the_tokens_of_a_word_choose_its_best_patch_together():
    cells = np.array([[0, 1, 2, -1]], dtype=np.int32)
    similar = np.array([[[0.9, 0.8, 0.0, np.nan]], [[0.0, 0.8, 0.9, np.nan]]])
    assert is_hit(explanation(similar, cells), [Box(0.3, 0.4, 0.4, 0.6)])
    assert not is_hit(explanation(similar, cells), [Box(0.0, 0.4, 0.1, 0.6)])


def test_a_share_of_words_is_over_words_not_over_pages():
    pointing = summarise([(page(1), True)] * 3 + [(page(2), False)])
    assert (pointing.words, pointing.share) == (4, 0.75)


@pytest.mark.slow
def test_words_that_are_printed_on_the_pages_are_pointed_at(evaluation_set, tmp_path):
    rows, cols = 1500 // 16, 1400 // 32
    first, second = [0.0, 0.0, 1 / cols, 1 / rows], [1 / cols, 0.0, 2 / cols, 1 / rows]
    words = [
        {"doc": "pump", "page": 1, "word": "close", "boxes": [first]},
        {"doc": "pump", "page": 1, "word": "valve", "boxes": [second]},
        {"doc": "fan", "page": 1, "word": "motor", "boxes": [first]},
        {"doc": "fan", "page": 1, "word": "motor", "boxes": [[0.5, 0.5, 0.6, 0.6]]},
        {"doc": "fan", "page": 1, "word": " ", "boxes": [first]},
        {"doc": "book", "page": 1, "word": "motor", "boxes": [first]},
    ]
    path = write_lines(tmp_path / "words.jsonl", words)
    assert read_words(path)[0].page == page(2)
    options = EvaluationOptions(cache=evaluation_set.cache, words=path)
    report, _ = evaluate(
        find_corpus(evaluation_set.manuals), evaluation_set.queries, encoder=ToyEncoder(), options=options
    )
    assert (report.pointing.words, report.pointing.share) == (5, 0.6)
    assert "best patch on the word: 0.600 of 5 words" in str(report)
    assert report.to_dict()["pointing"]["share"] == 0.6


def test_words_of_pages_that_are_not_searched_are_an_error(evaluation_set, tmp_path):
    path = write_lines(tmp_path / "words.jsonl", [{"doc": "book", "page": 1, "word": "motor", "boxes": [[0, 0, 1, 1]]}])
    options = EvaluationOptions(cache=evaluation_set.cache, words=path)
    with pytest.raises(InputError, match="none of the words"):
        evaluate(find_corpus(evaluation_set.manuals), evaluation_set.queries, encoder=ToyEncoder(), options=options)
