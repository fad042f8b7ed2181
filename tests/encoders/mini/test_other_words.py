"""Other words for a query's own: which words have them, what the list holds, and how it is made."""

import numpy as np
import pytest

from colvision.encoders import mini
from colvision.encoders.mini import other_words
from colvision.encoders.mini.other_words import LIKENESS
from colvision.encoders.mini.training import alignment, wordnet
from colvision.encoders.mini.words import FUNCTION_WORDS


def others(text):
    [query] = mini.load().encode_queries([text])
    return query.other_words


def test_a_word_in_any_form_has_others_and_they_count_less():
    [query] = mini.load().encode_queries(["typefaces"])
    assert "font" in query.other_words["typefaces"]
    assert query.weights.tolist() == [1.0] + [0.0] * (len(query.tokens) - 1)
    assert query.likeness == pytest.approx([1.0] + [LIKENESS] * (len(query.tokens) - 1))
    np.testing.assert_allclose(query.without_other_words().vectors, query.vectors[:1])


def test_a_german_word_has_english_ones():
    assert others("Verzeichnis") == {"verzeichnis": ("directory",)}


def test_words_in_quotes_codes_and_what_the_query_has_itself_have_none():
    assert others('"typeface" „Verzeichnis“ «directory»') == {}
    assert others("E-11 12-34567-A DO 3 100") == {}
    assert "font" not in others("typeface font").get("typeface", ())


def test_the_list_is_small_and_has_neither_function_words_nor_a_word_for_itself():
    listed = other_words._listed()
    assert other_words._FILE.stat().st_size < 600_000
    assert max(map(len, listed.values())) <= 3
    assert not FUNCTION_WORDS & {other for each in listed.values() for other in each}
    assert not [word for word, each in listed.items() if word in each]
    assert not [
        pair for pair in (("left", "right"), ("top", "bottom"), ("open", "close")) if pair[1] in listed[pair[0]]
    ]


def test_the_list_carries_the_notice_of_its_source():
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in other_words._FILE.read_text(encoding="utf-8")


NOTICE = "  1 WordNet 3.0 Copyright  \n  2   \n  3 All of it.  \n"
DATA = {
    "noun": "00000100 06 n 02 vent 0 outlet 0 001 @ 00000200 n 0000 | an opening\n"
    "00000200 06 n 01 opening 0 000 | a hole\n"
    "00000300 07 n 02 vent 2 release 0 000 | freeing\n",
    "verb": "00000400 30 v 02 open 0 unfold 0 001 ! 00000500 v 0101 01 + 08 00 | not closed\n"
    "00000500 30 v 02 close 0 shut 0 001 ! 00000400 v 0101 00 | not open\n"
    "00000600 30 v 02 open 1 shut 1 000 00 | odd\n",
    "adj": "",
    "adv": "",
}
INDEX = {
    "noun": "vent n 2 1 @ 2 1 00000100 00000300\n",
    "verb": "open v 2 1 ! 2 0 00000400 00000600\n",
    "adj": "",
    "adv": "",
}


def test_synonyms_are_those_of_a_words_senses_by_how_often_it_is_meant_so(tmp_path):
    for part in DATA:
        (tmp_path / f"data.{part}").write_text(NOTICE + DATA[part])
        (tmp_path / f"index.{part}").write_text(NOTICE + INDEX[part])
    (tmp_path / "cntlist.rev").write_text("vent%1:06:00:: 1 3\n")
    found = wordnet.read_synonyms(tmp_path)
    assert found["vent"] == pytest.approx({"outlet": 4 / 4.5, "release": 0.5 / 4.5})
    assert set(found["open"]) == {"unfold"}, "shut is an antonym in another sense"
    assert wordnet.read_licence(tmp_path) == "WordNet 3.0 Copyright\n\nAll of it."


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
