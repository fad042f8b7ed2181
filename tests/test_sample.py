"""The sample manual: what is committed is what the script makes, and every question has its page."""

import json
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pypdfium2
import pytest

DATA = Path(__file__).parent.parent / "data"
MANUAL, SCAN = "sample-manual", "sample-manual-scan"
QUESTION_FILES = {MANUAL: "questions.jsonl", SCAN: "questions-scan.jsonl"}


def read_questions(document):
    return [json.loads(line) for line in (DATA / QUESTION_FILES[document]).read_text(encoding="utf-8").splitlines()]


def page_sizes(path):
    document = pypdfium2.PdfDocument(path)
    sizes = [page.get_size() for page in document]
    document.close()
    return sizes


def producer(path):
    document = pypdfium2.PdfDocument(path)
    found = document.get_metadata_value("Producer")
    document.close()
    return found


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


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the files as the script makes them now."""
    folder = tmp_path_factory.mktemp("sample")
    subprocess.run([sys.executable, DATA / "make_manual.py", folder], check=True)
    return folder


@pytest.mark.parametrize("name", [f"{MANUAL}.pdf", *QUESTION_FILES.values()])
def test_the_script_makes_the_committed_file_to_the_byte(made, name):
    assert (made / name).read_bytes() == (DATA / name).read_bytes()


def test_the_scan_is_the_committed_one_where_the_versions_are_the_same(made):
    fresh, committed = made / f"{SCAN}.pdf", DATA / f"{SCAN}.pdf"
    assert page_sizes(fresh) == page_sizes(committed)
    assert f"pillow {version('pillow')}" in producer(fresh)
    assert (producer(fresh) != producer(committed)) or fresh.read_bytes() == committed.read_bytes()


def test_the_files_stay_small():
    assert (DATA / f"{MANUAL}.pdf").stat().st_size < 300_000
    assert (DATA / f"{SCAN}.pdf").stat().st_size < 3_000_000


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


def test_every_font_is_embedded_so_that_a_machine_without_fonts_shows_the_same():
    raw = (DATA / f"{MANUAL}.pdf").read_bytes()
    assert raw.count(b"/FontFile2 ") == raw.count(b"/Type /Font ") == 6


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


def test_bookmarks_and_contents_name_the_same_pages(texts):
    document = pypdfium2.PdfDocument(DATA / f"{MANUAL}.pdf")
    marks = [(mark.get_title(), mark.get_dest().get_index()) for mark in document.get_toc()]
    document.close()
    assert len(marks) == 20
    for title, page in marks[2:]:
        number, name = title.split(" ", 1)
        assert name.lower() in texts[page]
        assert f"{number} {name} {'fold-out, a3 ' if 'arrangement' in name else ''}{page + 1}".lower() in texts[1]
