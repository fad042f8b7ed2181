"""The questions of a fine-tuning: from a file or the documents' own headings, split by documents, with negatives."""

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import colvision
from colvision.cli import main
from colvision.core.page import PageId
from colvision.errors import InputError
from colvision.evaluation import Query
from colvision.finetune.negatives import NegativeMining, mine_examples
from colvision.finetune.queries import heading_queries, library_pages, read_library_queries, split_queries
from colvision.finetune.recipe import FinetuneRecipe
from colvision.store.records import PageText
from colvision.store.writer import EncodedPage
from tests.helpers import ROOT, stores
from tests.helpers.pdf_files import pages_objects, pdf_file, text_page

DOCS = ROOT / "docs" / "finetune.md"


def query(number: int, *pages: tuple[str, int]) -> Query:
    return Query(f"q{number}", f"words {number}", "query", "", frozenset(PageId(*page) for page in pages))


def add_texts(store, name: str, *texts: str, file: Path) -> None:
    """A document whose pages have these text layers."""
    pending = store.pending.begin(file, stores.source_file(name), stores.TOY.info, pages=len(texts), renderer="toy 1")
    plain = [stores.encoded(number, "page") for number, _ in enumerate(texts, 1)]
    pages = [
        EncodedPage(page.number, page.embedding, page.jpeg, page.height, page.width, None, PageText(text))
        for page, text in zip(plain, texts, strict=True)
    ]
    store.writer.commit(pending, pages, stores.TOY.info)
    assert store.writer.finish(pending) == ""


def with_bookmarks(*marks: tuple[str, int], pages: int) -> bytes:
    """A PDF with an outline: (title, page from 1)."""
    objects = pages_objects([text_page("page")] * pages)
    first = len(objects) + 2
    objects[1] = f"<< /Type /Catalog /Pages 2 0 R /Outlines {first - 1} 0 R >>"
    objects[first - 1] = f"<< /Type /Outlines /First {first} 0 R /Last {first + len(marks) - 1} 0 R >>"
    for place, (title, page) in enumerate(marks):
        following = f"/Next {first + place + 1} 0 R" if place + 1 < len(marks) else ""
        target = f"/Dest [{3 + 2 * (page - 1)} 0 R /Fit]"
        objects[first + place] = f"<< /Title ({title}) /Parent {first - 1} 0 R {following} {target} >>"
    return pdf_file(objects)


def ask_headings(library: colvision.Library) -> dict[str, Query]:
    return {each.text: each for each in heading_queries(library, "default", library_pages(library, "default"))}


def test_bookmarks_become_questions_without_their_numbers(store, tmp_path):
    marks = [("Cover", 1), ("3.2  Bleeding the pump", 2), ("Appendix B: A list of parts", 3), ("4", 3), ("Cover", 3)]
    file = tmp_path / "pump.pdf"
    file.write_bytes(with_bookmarks(*marks, pages=3))
    add_texts(
        store, "pump.pdf", "contents: Bleeding  the pump 2", "3.2 Bleeding the pump\n9 Not a heading", "x", file=file
    )
    found = ask_headings(colvision.Library(store, stores.TOY))
    assert set(found) == {"Bleeding the pump", "A list of parts"}  # "Cover" stands twice, "4" asks nothing
    assert found["Bleeding the pump"].gold == {PageId("pump.pdf", 2)}
    assert found["Bleeding the pump"].neutral == {PageId("pump.pdf", 1)}


def test_without_bookmarks_the_numbered_lines_of_the_text_are_the_queries(store, tmp_path):
    contents = "1 Safety rules ........ 2\n2 Changing the oil 3"
    pages = (contents, "1 Safety rules\n24 V supply.\nA plain line", "2.1 Changing the oil\nwords\nManual of the pump")
    add_texts(store, "pump.pdf", *pages, file=stores.write(tmp_path, "pump.txt", "no PDF"))
    found = ask_headings(colvision.Library(store, stores.TOY))
    assert {text: set(each.gold) for text, each in found.items()} == {
        "Safety rules": {PageId("pump.pdf", 2)},
        "Changing the oil": {PageId("pump.pdf", 3)},
    }


def test_a_heading_that_begins_with_a_word_of_one_letter_keeps_it(store, tmp_path):
    file = tmp_path / "pump.pdf"
    file.write_bytes(with_bookmarks(("A guide to pumps", 1), pages=1))
    add_texts(store, "pump.pdf", "", file=file)
    assert set(ask_headings(colvision.Library(store, stores.TOY))) == {"A guide to pumps"}


def test_questions_of_a_file_name_documents_with_or_without_their_ending(tmp_path):
    line = {
        "query_id": "q",
        "text": "oil",
        "gold": [{"doc": "pump", "page": 1}],
        "neutral": [{"doc": "pump.pdf", "page": 0}],
    }
    file = stores.write(tmp_path, "questions.jsonl", json.dumps(line))
    (found,) = read_library_queries(file, {"pump.pdf": (1, 2)})
    assert (found.gold, found.neutral) == ({PageId("pump.pdf", 2)}, {PageId("pump.pdf", 1)})


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ({"other.pdf": (1, 2)}, "no such page"),
        ({"pump.pdf": (1,)}, "no such page"),
        ({"pump.pdf": (1, 2), "pump.tiff": (1, 2)}, "2 documents of this name"),
    ],
)
def test_a_question_about_a_page_that_the_library_lacks_is_refused(tmp_path, pages, message):
    file = stores.write(
        tmp_path, "q.jsonl", json.dumps({"query_id": "q", "text": "oil", "gold": [{"doc": "pump", "page": 1}]})
    )
    with pytest.raises(InputError, match=f"answered by pump, page 2, and the library has {message}"):
        read_library_queries(file, pages)


def test_no_document_is_in_two_parts_and_the_one_with_most_questions_is_trained_on():
    questions = [query(number, (f"manual-{number % 7}", number)) for number in range(1, 50)]
    questions += [query(number, ("large", number)) for number in range(50, 90)]
    for seed in range(20):
        parts = split_queries(questions, seed=seed)
        documents = [set(parts.documents(part)) for part in (parts.train, parts.stop, parts.test)]
        assert not (documents[0] & documents[1] or documents[0] & documents[2] or documents[1] & documents[2])
        assert "large" in documents[0]
        assert len(parts.test) >= 0.2 * len(questions) and len(parts.stop) >= 0.1 * len(questions)
        assert len(parts.train) + len(parts.stop) + len(parts.test) == len(questions)


def test_a_question_that_several_parts_answer_is_left_out():
    questions = [query(number, (f"manual-{number % 3}", number)) for number in range(1, 13)]
    parts = split_queries([*questions, query(99, *[(f"manual-{number}", 1) for number in range(3)])], seed=0)
    assert parts.left_out == 1
    assert "q99" not in {each.query_id for part in (parts.train, parts.stop, parts.test) for each in part}


def test_two_documents_are_too_few():
    with pytest.raises(InputError, match="about 2 documents; fine-tuning needs at least 3"):
        split_queries([query(1, ("a", 1)), query(2, ("b", 1))], seed=0)


def test_negatives_are_what_a_search_mistakes_for_the_answer(store, tmp_path):
    words = ("bleed pump", "oil filter", "x", "valve")
    stores.add(store, stores.write(tmp_path, "pump.pdf", "1"), *words)
    stores.add(store, stores.write(tmp_path, "apart.pdf", "2"), "bleed gauge")
    library = colvision.Library(store, stores.TOY)
    query = Query(
        "q", "bleed pump", "query", "", frozenset({PageId("pump.pdf", 1)}), frozenset({PageId("pump.pdf", 4)})
    )
    mined = NegativeMining("default", ["pump.pdf"], 5)
    (found,) = mine_examples(library, [query], mined, progress=lambda step: None)
    assert found.negatives == (PageId("pump.pdf", 2), PageId("pump.pdf", 3))  # not apart.pdf, not the neutral page
    assert found.neutral == query.gold | query.neutral


def test_a_page_that_matches_as_well_as_the_answer_is_no_negative(store, tmp_path):
    """Nobody noted that it answers, too: pushing it away would teach the opposite."""
    stores.add(store, stores.write(tmp_path, "pump.pdf", "1"), "bleed pump", "bleed pump", "valve")
    library = colvision.Library(store, stores.TOY)
    query = Query("q", "bleed pump", "query", "", frozenset({PageId("pump.pdf", 1)}))
    (found,) = mine_examples(library, [query], NegativeMining("default", ["pump.pdf"], 5), progress=lambda step: None)
    assert found.negatives == (PageId("pump.pdf", 3),)


def test_the_command_refuses_mini_in_a_sentence(store, tmp_path):
    stores.add(store, stores.write(tmp_path, "pump.pdf", "1"), "bleed")
    store.close()
    answer = CliRunner().invoke(main, ["finetune", "mini", str(tmp_path / "out"), "--library", str(store.path)])
    assert answer.exit_code == 1
    assert "mini has no language model to adapt" in answer.stderr


def test_every_option_of_the_command_is_in_the_docs_with_its_usual_value():
    text = DOCS.read_text(encoding="utf-8")
    command = get_command(main).commands["finetune"]
    usual = {parameter.name: getattr(FinetuneRecipe(), parameter.name, None) for parameter in command.params}
    assert len([value for value in usual.values() if value is not None]) > 5
    for parameter in command.params:
        if parameter.name != "help" and parameter.opts[0].startswith("--"):
            assert f"`{parameter.opts[0]}" in text, parameter.opts[0]
            value = usual[parameter.name]
            if value is not None:
                row = re.search(rf"^\| `{parameter.opts[0]}[ `].*$", text, flags=re.MULTILINE)[0]
                shown = {False: "off", True: "on"}[value] if isinstance(value, bool) else value
                assert f"| {shown:g} |" in row if isinstance(shown, float | int) else f"| {shown} |" in row, row
