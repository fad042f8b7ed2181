"""Other words for a query's own: which words have them, what the list holds, and how it is made."""

import numpy as np
import pytest

from colvision.encoders import mini
from colvision.encoders.mini import other_words
from colvision.encoders.mini.other_words import LIKENESS
from colvision.encoders.mini.training import alignment
from colvision.encoders.mini.words import FUNCTION_WORDS


def others(text):
    [query] = mini.load().encode_queries([text])
    return query.other_words


def test_a_german_word_has_english_ones_that_count_less():
    [query] = mini.load().encode_queries(["Verzeichnis"])
    assert query.other_words == {"verzeichnis": ("directory",)}
    assert query.weights.tolist() == [1.0, 0.0]
    assert query.likeness == pytest.approx([1.0, LIKENESS])
    np.testing.assert_allclose(query.without_other_words().vectors, query.vectors[:1])


def test_an_english_word_has_none():
    assert others("bleed the hydraulic pump, tighten the bolts of two images") == {}


def test_another_word_is_looked_for_once():
    assert others("Anzeige anzeigen") == {"anzeige": ("display",)}


def test_inches_are_no_quotes():
    assert others('5" Verzeichnis 6"') == {"verzeichnis": ("directory",)}


def test_words_in_quotes_codes_and_what_the_query_has_itself_have_none():
    assert others('"Verzeichnis" „Verzeichnis“ «Verzeichnis»') == {}
    assert others("E-11 12-34567-A DO 3 100") == {}
    assert others("Verzeichnis directory") == {}


def test_the_list_is_small_and_has_neither_function_words_nor_a_word_for_itself():
    listed = other_words._listed()
    assert other_words._FILE.stat().st_size < 60_000
    assert max(map(len, listed.values())) <= 3
    assert not FUNCTION_WORDS & {other for each in listed.values() for other in each}
    assert not [word for word, each in listed.items() if word in each]


GERMAN = (
    "Das Paket foo wird geladen. Eine Zeile mehr steht nur hier. Die Datei bar.txt liegt im Verzeichnis. "
    "Das Verzeichnis foo enthält ein Paket. Die Datei foo gehört zum Paket bar. "
) * 3
ENGLISH = (
    "The package foo is loaded. The file bar.txt is in the directory. "
    "The directory foo contains a package. The file foo belongs to package bar. "
) * 3


def test_words_of_a_translation_are_told_by_the_sentences_that_have_both():
    german, english = alignment.sentences_of(GERMAN), alignment.sentences_of(ENGLISH)
    pairs = alignment.align_sentences(german, english)
    assert (german[0], english[0]) in pairs
    found = alignment.translate_words(pairs)
    best = {word: found[word][0].word for word in ("paket", "datei", "verzeichnis")}
    assert best == {"paket": "package", "datei": "file", "verzeichnis": "directory"}
    assert "foo" not in found
