"""The sample manual: the files are the ones that the questions are about, and what is asked for stands on its pages."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pypdfium2
import pytest

DATA = Path(__file__).parent.parent / "data"
MANUAL, SCAN = "sample-manual", "sample-manual-scan"
QUESTION_FILES = {MANUAL: "questions.jsonl", SCAN: "questions-scan.jsonl"}
SHA256 = {
    MANUAL: "8eb07f1a598b4a796b23961321084a0e7e5681ce63e2a987ab0c2d1dd04e4f71",
    SCAN: "768a02d6dda8358172952d31569aea073f035758d8886aee7c1b40483fedad8d",
}

# What a content question asks for, as its page says it (" | " between pages); of a drawing, words that belong to it.
ANSWERS = {
    "exploded drawing of electric motor, coupling and pump": "1 qh-1104 electric motor",
    "star pattern for the eight bolts of a round cover": "tighten in a star, 1 to 8",
    "which way round must the fan turn, yellow arrow": "as the yellow arrow on the cowl shows",
    "picture of a padlock hung in the red main switch": "main switch q0 at 0, locked",
    "scissor lift table seen from the side, raised": "section a-a, table raised",
    "floor plan of the machine room with door and wall duct": "plan, floor level",
    "symbols of pump, check valve, relief valve and tank in one scheme": "pilot-operated check valve qh-4436",
    "seven-segment display with a fault code lit up": "display of cu-3 with a present error",
    "two bottles, one with bubbles and one with clear oil": "without bubbles for three jogs",
    "clear hose from the brass screw into a bottle": "push the clear hose on the screw",
    "pin numbers of the round four-pole sensor connector": "seen on the pins of the plug",
    "chain sling angle for hoisting the unit": "chain sling of two legs",
    "top view of the footprint with hole spacing": "footprint from above",
    "machine seen from the front with balloons for every service point": "where the points of the table are",
    "name plate with serial number and year": "rating plate",
    "section through the relief valve with cap and lock nut": "relief valve qh-4423 in section",
    "blue and yellow safety signs: goggles, gloves, boots, lightning": "wear safety glasses",
    "crossed-out dustbin": "electronic scrap",
    "flow chart with diamonds: is it the pump or a valve": "pump or valve? four questions",
    "photo-like view of the whole power pack on the front page": "keep with the machine",
    "how thick is the oil when the hall is cold": "viscosity of the oil against temperature",
    "litres per minute left at 200 bar": "flow in l/min",
    "kilowatts the motor draws as pressure goes up": "motor input in kw",
    "time line of pressing the button: one second on, five seconds off": "press raise for one second, wait five",
    "how tight do the long M8 screws of the pump have to be": "pump to bellhousing, m8 × 90",
    "after how many years must the hoses be replaced": "hoses on ports a and b, by the date",
    "what does E11 on the display mean": "e11",
    "which colour is the wire of the emergency stop chain": "vt violet emergency stop chain",
    "weight of the machine without oil": "mass without oil",
    "load goes down by itself overnight": "load sinks by itself",
    "pump howls and rattles, what can it be": "loud rattle or howl",
    "waste code for old hydraulic oil": "13 01 10",
    "length and bore of the lines to the lift table": "line a, pressure unit a table a dn 10 6.4 m",
    "order number of the gauge filled with glycerine": "pressure gauge 0-250 bar, ø 63, glycerine",
    "how long is the control unit under warranty": "control unit cu-3 36 months",
    "square millimetres of the cable to the pendant control": "pendant control control box post p1 12 × 0.75",
    "back-up fuse in the mains": "back-up fuse, gg 16 | fuse 16 a gg",
    "list to fill in with the values of the first run": "measured must be found",
    "protection class against water and dust": "ip 54 en 60529",
    "how do I get the air out of the pump": "open half a turn, no more",
    "first aid when oil got into the eye": "oil in the eye",
    "reset the service counter after 1000 hours": "to reset the service counter",
    "how far from the wall must the unit stand": "300 mm at the sides, 150 mm behind",
    "change the return filter cartridge step by step": "changing the filter element",
    "adjust the opening pressure of the safety valve": "setting the relief valve",
    "what is a pilot line": "pilot line steuerleitung",
    "send a broken part back, return number": "return number",
    "how many litres for the first filling": "first filling: 24 litres",
    "gap between the two coupling halves": "2 to 3 mm between the",
    "milliamps of the pressure sensor at 100 bar": "10.4 ma at 100 bar",
    "show older faults on the display": "s1 shows older ones",
    "Wie senke ich die Last bei Stromausfall ab?": "notablass bei stromausfall",
    "Was muss der Bediener jeden Tag prüfen?": "tägliche prüfung",
    "Luft aus der Pumpe lassen, Entlüftungsschraube": "find the bleed screw",
    "Drehmoment für die Ölablassschraube": "drain plug g 1/2 1 steel 60",
    "Schaltplan mit den Aderfarben": "wire colours code colour",
    "Explosionszeichnung von Motor und Pumpe": "bellhousing, aluminium, ø 250 1 8",
    "Wohin mit dem Altöl?": "collector of used oil",
    "Was heißt Zahnkranz auf Englisch?": "spider zahnkranz",
}


def read_questions(document):
    return [json.loads(line) for line in (DATA / QUESTION_FILES[document]).read_text(encoding="utf-8").splitlines()]


def page_sizes(path):
    document = pypdfium2.PdfDocument(path)
    sizes = [page.get_size() for page in document]
    document.close()
    return sizes


@pytest.fixture(scope="module")
def texts():
    """The text layer of every page of the born-digital manual, in one line and in small letters."""
    document = pypdfium2.PdfDocument(DATA / f"{MANUAL}.pdf")
    found = []
    for page in document:
        layer = page.get_textpage()
        found.append(" ".join(layer.get_text_range().lower().split()))
        layer.close()
        page.close()
    document.close()
    return found


@pytest.mark.parametrize("document", SHA256)
def test_the_files_are_those_that_floors_and_figures_were_measured_on(document):
    assert hashlib.sha256((DATA / f"{document}.pdf").read_bytes()).hexdigest() == SHA256[document]


def test_the_manual_is_a4_with_one_fold_out_in_landscape():
    sizes = [(round(width), round(height)) for width, height in page_sizes(DATA / f"{MANUAL}.pdf")]
    assert len(sizes) == 20
    assert Counter(sizes) == {(595, 842): 19, (1191, 842): 1}


def test_the_scan_has_the_same_pages_but_no_text():
    assert page_sizes(DATA / f"{SCAN}.pdf") == page_sizes(DATA / f"{MANUAL}.pdf")
    document = pypdfium2.PdfDocument(DATA / f"{SCAN}.pdf")
    layers = [page.get_textpage() for page in document]
    assert [layer.count_chars() for layer in layers] == [0] * 20
    for layer in layers:
        layer.close()
    document.close()


@pytest.mark.parametrize("document", QUESTION_FILES)
def test_questions_are_many_different_and_point_at_pages_that_exist(document):
    questions = read_questions(document)
    assert len(questions) >= 40
    for key in ("query_id", "text"):
        assert len({question[key] for question in questions}) == len(questions)
    assert {question["type"] for question in questions} == {"content", "title", "known_item"}
    for question in questions:
        gold, neutral = ({(page["doc"], page["page"]) for page in question[key]} for key in ("gold", "neutral"))
        assert gold
        assert not gold & neutral
        assert {doc for doc, _ in gold | neutral} == {document}
        assert all(0 <= page < 20 for _, page in gold | neutral)


def test_the_scan_has_the_questions_of_the_manual():
    one, other = (
        [
            (q["text"], [p["page"] for p in q["gold"]], [p["page"] for p in q["neutral"]])
            for q in read_questions(document)
        ]
        for document in QUESTION_FILES
    )
    assert one == other


def test_every_page_is_the_answer_to_a_question():
    asked = {page["page"] for question in read_questions(MANUAL) for page in question["gold"]}
    assert asked == set(range(20)) - {1}  # the table of contents answers none


def test_the_words_of_a_title_question_stand_on_its_page(texts):
    titles = [question for question in read_questions(MANUAL) if question["type"] == "title"]
    assert len(titles) > 10
    for question in titles:
        (gold,) = question["gold"]
        assert question["text"].lower() in texts[gold["page"]]


def test_a_known_item_stands_on_its_gold_pages_and_no_others(texts):
    known = [question for question in read_questions(MANUAL) if question["type"] == "known_item"]
    assert len(known) > 10
    for question in known:
        words = question["text"].lower().split()
        found = {number for number, text in enumerate(texts) if all(word in text for word in words)}
        assert found == {page["page"] for page in question["gold"]}, question["text"]


def test_the_answer_to_a_content_question_stands_on_its_gold_pages_and_on_no_wrong_one(texts):
    content = [question for question in read_questions(MANUAL) if question["type"] == "content"]
    assert {question["text"] for question in content} == set(ANSWERS)
    for question in content:
        phrases = ANSWERS[question["text"]].split(" | ")
        found = {number for number, text in enumerate(texts) if any(phrase in text for phrase in phrases)}
        gold, neutral = ({page["page"] for page in question[key]} for key in ("gold", "neutral"))
        assert gold <= found <= gold | neutral, question["text"]


def test_bookmarks_and_contents_name_the_same_pages(texts):
    document = pypdfium2.PdfDocument(DATA / f"{MANUAL}.pdf")
    marks = [(mark.get_title(), mark.get_dest().get_index()) for mark in document.get_toc()]
    document.close()
    assert len(marks) == 20
    for title, page in marks[2:]:
        number, name = title.split(" ", 1)
        assert name.lower() in texts[page]
        assert f"{number} {name} {'fold-out, a3 ' if 'arrangement' in name else ''}{page + 1}".lower() in texts[1]
