"""The form in which words are compared: what differs in print only is the same, what differs is not."""

import pytest

from colvision.core.text import Forms, holds, page_form, query_terms


@pytest.mark.parametrize(
    ("printed", "form"),
    [
        ("Ｐｕｍｐ １２３ ﬁlter Ⅳ", "pump 123 filter iv"),
        ("Hydrau\u00ad\r\nlik\u00adpumpe, zero\u200bwidth", "hydraulikpumpe zerowidth"),
        ("STRASSE Straße ẞ", "strasse strasse ss"),
        ("İSTANBUL ıslak", "istanbul islak"),
        ("pe\u0301riode x\u0302y ё", "periode xy е"),
        ("№ 5, №6", "no 5 no 6"),
        ("Ø12 ⌀12", "ø12 ø12"),
        ("25 ℃, 25 °C", "25 c 25 c"),
        ("5 µm, 5 μm", "5 μm 5 μm"),
        ("10\u2009000 10\u202f000", "10 000 10 000"),
        ("10³ cm³ CO₂ pump³", "10 3 cm3 co2 pump 3"),
        ("½ 1/2 3½ 3-1/2 1/2/2024", "½ ½ 3 ½ 3 ½ 1 2 2024"),
        ("a_b", "a b"),
        ("पंप बदलें", "पंप बदलें"),
        ("油泵 M8螺栓", "油 泵 油泵 m8 螺 栓 螺栓"),
        ("ﾎﾟﾝﾌﾟ", "ポ ン プ ポン ンプ"),
        ("🔧 ... \ud800", ""),
    ],
)
def test_a_text_in_the_form_in_which_it_is_found(printed, form):
    assert page_form(printed) == form


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("DO 3", [("do", "3")]),
        ("terminal E-11", [("e", "11")]),
        ("E11", [("e", "11")]),
        ("E\u201111 E 11", [("e", "11"), ("e", "11")]),
        ("12-34567-A", [("12", "34567", "a")]),
        ("10\u2009000 km", [("10", "000")]),
        ("12V relay", [("12", "v")]),
        ("valve 3-½", []),  # two words, as in 3 ½
        ("½", []),
        ("3-phase motor, do 3 turns", []),
        ("IBM 1401 consoles", []),  # a number that says something by itself
        ("25 °C 30 read/write", []),
        ("XJ-4711A2.b", [("xj", "4711a2", "b")]),
    ],
)
def test_what_of_a_query_is_one_thing_of_several_parts(query, codes):
    assert [term.parts for term in query_terms(query) if term.is_code] == codes


@pytest.mark.parametrize(
    ("text", "word", "is_there"),
    [
        ("see E 11", "E-11", True),
        ("see E11", "E-11", True),
        ("see E-11", "e11", True),
        ("page 73, part 0844", "73-0844", False),
        ("part 73-0844", "73-0844", True),
        ("更换液压油泵的密封圈。", "液压油泵", True),
        ("更换液压油管", "液压油泵", False),
        ("更换液压油泵", "泵", True),
        ("유압펌프를 교체한다.", "유압펌프", True),
        ("เปลี่ยนปั๊มไฮดรอลิก", "ปั๊ม", True),
        ("1 or 2 turns", "½", False),
        ("1/2 turn", "½", True),
        ("pump", "🔧", False),
    ],
)
def test_a_text_holds_a_word_however_it_is_printed(text, word, is_there):
    assert holds(page_form(text), word) == is_there
    assert Forms([page_form(text)]).holding(word) == ({0} if is_there else set())


def test_of_many_texts_those_that_hold_a_word_are_found_together():
    texts = ["", "oil pump", "pump", "E", "11 pumps", "manual E11 e-11", "oil 更换液压油泵", "", "E 11"]
    forms = [page_form(text) for text in texts]
    together = Forms(forms)
    for word in ("pump", "oil", "E-11", "油泵", "oil pump", "", "🔧", "valve"):
        assert together.holding(word) == {place for place, form in enumerate(forms) if holds(form, word)}
    assert Forms([]).holding("pump") == set()
