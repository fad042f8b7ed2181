"""BM25 over the text layers, against an oracle: how a text is written, no query language, what changes no score."""

import math
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from colvision.store import Store
from tests.helpers.stores import FAN, PUMP, TOY, add, begin, encoded, text_scores, write


@pytest.fixture(scope="module")
def pump(tmp_path_factory):
    """A store with the pages of `PUMP`, for tests that only read."""
    folder = tmp_path_factory.mktemp("fusion")
    with Store(folder / "library") as opened:
        add(opened, write(folder, "pump.pdf", "pump"), *PUMP)
        yield opened


def oracle(pages, query):
    """Okapi BM25 with Lucene's idf, word by word; {page: score}. No word here has a stem other than itself."""
    words = {page: re.findall(r"\w+", text) for page, text in pages.items()}
    mean = sum(map(len, words.values())) / len(words)
    scores = Counter()
    for word in set(query.split()):
        on = [page for page, own in words.items() if word in own]
        idf = math.log(1 + (len(words) - len(on) + 0.5) / (len(on) + 0.5)) if len(on) <= len(words) / 2 else 0.0
        for page in on:
            times = words[page].count(word)
            scores[page] += idf * times / (times + 1.2 * (0.25 + 0.75 * len(words[page]) / mean))
    return {page: score for page, score in scores.items() if score}


def test_text_scores_are_bm25(store, tmp_path):
    rng = np.random.default_rng(0)
    vocabulary = [f"w{number}" for number in range(30)]
    odds = 1 / np.arange(1, 31)
    pages = [" ".join(rng.choice(vocabulary, rng.integers(3, 40), p=odds / odds.sum())) for _ in range(40)]
    add(store, write(tmp_path, "one.pdf", "1"), *pages[:25])
    add(store, write(tmp_path, "two.pdf", "2"), *pages[25:])
    known = {("one.pdf" if i < 25 else "two.pdf", i % 25 + 1): page for i, page in enumerate(pages)}
    for _ in range(50):
        query = " ".join(rng.choice([*vocabulary, "unknown"], rng.integers(1, 6)))
        assert text_scores(store, query) == pytest.approx(oracle(known, query))


def test_no_page_scores_more_than_the_best(pump):
    for query in ("pump", "bleed pump", "spare parts and a fuse", "pump valve " * 9):
        found = pump.text_scores("default", query)
        assert 0 < found.scores.max() < found.best


SCRIPTS = (
    "更换液压油泵的密封圈。",
    "油圧ポンプの交換手順。",
    "유압펌프를 교체한다.",
    "เปลี่ยนปั๊มไฮดรอลิก",
    "पंप बदलें",
    "error E-11 of the fuse",
    "do not turn 3 times: DO 3",
    "turn ½ back",
    "Hydrau\u00ad\nlik\u00adpumpe, Ｐｕｍｐｅ",
    "Maße der Nut",
    "page 73 of part 0844",
)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """A store with a page of each of `SCRIPTS`, for tests that only read."""
    folder = tmp_path_factory.mktemp("scripts")
    with Store(folder / "library") as opened:
        add(opened, write(folder, "texts.pdf", "texts"), *SCRIPTS)
        yield opened


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("液压油泵", 1),
        ("泵", 1),
        ("ポンプ", 2),
        ("ﾎﾟﾝﾌﾟ", 2),
        ("유압펌프", 3),
        ("ปั๊ม", 4),
        ("पंप", 5),
        ("E11", 6),
        ("E-11", 6),
        ("DO 3", 7),
        ("½ turn", 8),
        ("1/2 turn", 8),
        ("Ｐｕｍｐｅ", 9),
        ("hydraulikpumpe", 9),
        ("MASSE", 10),
    ],
)
def test_text_is_found_however_it_is_written(scripts, query, page):
    found = text_scores(scripts, query)
    assert max(found, key=found.get) == ("texts.pdf", page)


@pytest.mark.parametrize("query", ["73-0844", "DO 4", "液液", "E1"])
def test_parts_of_a_code_apart_are_not_the_code(scripts, query):
    assert text_scores(scripts, query) == {}


def test_a_text_is_shown_as_it_was_written(scripts):
    row = scripts.find("texts.pdf")
    assert scripts.page_text(row, 9) == SCRIPTS[8]


def test_a_word_is_found_in_its_other_forms_and_without_accents(store, tmp_path):
    add(store, write(tmp_path, "a.pdf", "a"), "bleeding the cafe pumps", "nothing else", "at all", "here")
    for query in ("bleed", "PUMP", "café"):
        assert list(text_scores(store, query)) == [("a.pdf", 1)]


@pytest.mark.parametrize(
    "query",
    [
        '"pump',
        "pump*",
        "pu*",
        "NEAR(pump valve)",
        "pump AND valve",
        "pump NOT pump",
        "text:pump",
        "-pump",
        "^pump",
        "(pump",
        "pump'; DROP TABLE pages; --",
        "+",
    ],
)
def test_a_query_is_words_whatever_signs_it_holds(pump, query):
    plain = " ".join(re.findall(r"\w+", query))
    assert text_scores(pump, query) == text_scores(pump, plain)
    assert set(text_scores(pump, query)) >= (set(text_scores(pump, "pump")) if "pump" in plain else set())


@pytest.mark.parametrize("query", ["", " \n", "\0", "\ud800", "🛠", "٣ ポンプ", "'\"%_\\", "x" * 100_000])
def test_no_text_is_too_strange_to_ask_for(pump, query):
    assert text_scores(pump, query) == {}
    assert text_scores(pump, f"pump {query}") == text_scores(pump, "pump")


def test_a_word_counts_once_however_often_the_query_has_it(pump):
    assert text_scores(pump, "pump " * 10_000) == text_scores(pump, "pump")


def test_only_the_first_words_of_a_very_long_query_count(pump):
    many = " ".join(f"word{number}" for number in range(100))
    assert text_scores(pump, f"valve {many}") == text_scores(pump, "valve")
    assert text_scores(pump, f"{many} valve") == {}


def test_other_collections_and_deleted_documents_change_no_text_score(store, tmp_path):
    add(store, write(tmp_path, "pump.pdf", "pump"), *PUMP)
    before = text_scores(store, "close the valve")
    fan = write(tmp_path, "fan.pdf", "fan")
    add(store, fan, *FAN, collection="other")
    assert text_scores(store, "close the valve") == before
    row = add(store, fan, *FAN)
    assert text_scores(store, "close the valve") != before
    store.writer.delete(row)
    assert text_scores(store, "close the valve") == before


def test_a_word_that_other_collections_repeat_is_still_looked_up(store, tmp_path):
    add(store, write(tmp_path, "pump.pdf", "pump"), *PUMP)
    before = text_scores(store, "wiring diagram")
    add(store, write(tmp_path, "wiring.pdf", "wiring"), *["wiring"] * 20, collection="other")
    assert text_scores(store, "wiring diagram") == before
    assert list(before) == [("pump.pdf", 4)]


def test_a_replacement_is_not_read_before_it_is_complete(store, tmp_path):
    add(store, write(tmp_path, "pump.pdf", "pump"), *PUMP)
    before = text_scores(store, "fuse pump")
    pending = begin(store, write(tmp_path, "pump.pdf", "other bytes"), pages=3)
    store.writer.commit(pending, [encoded(number, page) for number, page in enumerate(FAN, 1)], TOY.info)
    assert text_scores(store, "fuse pump") == before
    assert store.writer.finish(pending) == ""
    assert list(text_scores(store, "fuse pump")) == [("pump.pdf", 3)]


def test_text_is_searched_in_a_library_that_is_opened_for_reading(pump):
    with Store(pump.path, read_only=True) as reader:
        assert text_scores(reader, "valve pump") == text_scores(pump, "valve pump")


def test_threads_that_ask_at_once_get_their_own_answers(pump):
    queries = ["bleed the pump", "spare parts", "noisy motor", "wiring"] * 8
    alone = [text_scores(pump, query) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda query: text_scores(pump, query), queries)) == alone


def test_the_places_of_words_are_those_by_which_a_page_holds_them(pump):
    printed = ["Bleed", "the", "valves,", "then", "E-11", "or", "E", "11.", "油泵"]
    layers = pump._text_layers
    assert layers.places(printed, ["valve", "bleeding", "E11", "泵", "spring", "11"]) == {
        "valve": (2,),
        "bleeding": (0,),
        "E11": (4, 6, 7),
        "泵": (8,),
        "11": (4, 7),
    }
    assert layers.places([], ["valve"]) == {}
