"""What an answer says was found and was not, and what a document's name tells of its pages."""

from dataclasses import replace

import pytest

import colvision
from colvision.core.encoder import Calibration
from colvision.search.results import NO_MATCH
from colvision.store import Store
from colvision.store.records import PageText
from colvision.testing import ToyEncoder
from tests.helpers.stores import begin, encoded, write


class Reader(ToyEncoder):
    """It reads words as `mini` does: its calibration is a probability, and Cyrillic letters are not read."""

    def __init__(self):
        super().__init__(dim=64)
        self.info = replace(self.info, calibration=Calibration(60.0, 0.9))

    def encode_queries(self, texts):
        found = super().encode_queries(texts)
        return [replace(query, unread=frozenset(w for w in query.words if not w.isascii())) for query in found]


def made(folder, documents, encoder=None):
    """A library of {path below /manuals: [(words on the picture, text layer)]}."""
    encoder = encoder or Reader()
    with Store(folder / "library") as store:
        for path, pages in documents.items():
            name = path.rpartition("/")[2]
            pending = begin(
                store, write(folder, name, path), pages=len(pages), encoder=encoder, source=f"/manuals/{path}"
            )
            encoded_pages = [
                replace(encoded(number, *printed.split(), encoder=encoder), text=PageText(text))
                for number, (printed, text) in enumerate(pages, 1)
            ]
            store.writer.commit(pending, encoded_pages, encoder.info)
            assert store.writer.finish(pending) == ""
    return colvision.open_library(folder / "library", encoder=encoder)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    pages = [("~ |", "the governor spring"), ("~ |", "замена насоса"), ("oil pump", ""), ("fan", ""), ("key", "")]
    with made(tmp_path_factory.mktemp("evidence"), {"a.pdf": pages}) as opened:
        yield opened


def test_what_the_text_layer_holds_is_no_bad_match(library):
    for fusion in (True, False):  # the layers are asked for what they hold, whatever orders the pages
        answer = library.search("governor spring", text_fusion=fusion)
        assert (answer.notice, {hit.page: set(hit.in_text) for hit in answer}[1]) == ("", {"governor", "spring"})
        assert [hit["in_text"] for hit in answer.to_dict()["hits"] if hit["page"] == 1] == [["governor", "spring"]]
    assert library.search("governor spring")[0].page == 1
    assert library.search("croissant dough").notice == NO_MATCH
    assert library.search("croissant dough governor").notice == NO_MATCH  # one word of three


def test_letters_that_are_not_read_are_named_where_no_text_has_them(library):
    found = library.search("замена насоса")
    assert (found[0].page, found.notice) == (2, "")
    missing = library.search("замена клапана")
    assert missing[0].page == 2
    assert missing.notice.startswith("These letters are not read from pictures") and missing.notice.endswith(
        ": клапана."
    )
    mixed = library.search("oil pump клапана")
    assert mixed[0].page == 3 and NO_MATCH not in mixed.notice and "клапана" in mixed.notice
    assert NO_MATCH in library.search("croissant dough клапана").notice


def test_a_number_that_is_nowhere_is_said(library):
    assert library.search("oil pump").notice == ""
    assert library.search("oil pump 0844").notice == "Seen on none of the pages: 0844."
    assert "Seen" not in library.search("oil pump nowhere").notice  # a word may be put in other words


def test_a_number_that_a_text_layer_has_is_not_nowhere(tmp_path):
    with made(tmp_path, {"a.pdf": [("oil pump", "oil pump 73-0844"), ("fan", "page 73, part 0844")]}) as opened:
        answer = opened.search("oil pump 73-0844")
        assert (answer.notice, answer[0].page) == ("", 1)
        assert [hit.page for hit in answer if "73-0844" in hit.in_text] == [1]


SAME = [("cover", ""), ("drain plug", ""), ("spare parts", "")]
X = {f"manual-X{number}.pdf": SAME for number in (100, 200, 300)}


def places(answer):
    return [(hit.document, hit.page) for hit in answer]


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    with made(tmp_path_factory.mktemp("machines"), X) as opened:
        yield opened


@pytest.mark.parametrize("query", ["X200 drain plug", "drain plug of the x-200", "X 200 drain plug"])
def test_of_pages_that_are_alike_that_of_the_named_document_is_first(machines, query):
    answer = machines.search(query.replace("X 200", "X200"), k=9)
    assert places(answer)[:3] == [("manual-X200.pdf", 2), ("manual-X100.pdf", 2), ("manual-X300.pdf", 2)]
    assert {hit.document for hit in answer if "document" in hit.score_terms} == {"manual-X200.pdf"}
    assert machines.explain(answer[0]).score == pytest.approx(answer[0].score, abs=1e-5)
    assert set(machines.explain(answer[0]).score_terms) == set(answer[0].score_terms)
    [together] = machines.search_many([query.replace("X 200", "X200")], k=9)
    assert [hit.score for hit in together] == [hit.score for hit in answer]
    for hit in machines.search(query.replace("X 200", "X200"), k=9, document=["manual-X200.pdf", "manual-X300.pdf"]):
        assert hit.score == pytest.approx(
            dict(zip(places(answer), [h.score for h in answer], strict=True))[hit.document, hit.page]
        )


def test_the_notice_does_not_depend_on_how_many_hits_are_asked_for(machines):
    assert [machines.search("X200 plug", k=k).notice for k in (1, 3, 9)] == [""] * 3
    [alone] = machines.search("X200 plug", k=1)
    assert alone.document == "manual-X200.pdf"


def test_what_the_name_has_is_not_asked_of_the_page(machines):
    assert machines.search("manual X200").notice == ""
    assert machines.search("manual X200 4711").notice == f"{NO_MATCH} Seen on none of the pages: 4711."


def test_what_is_on_the_page_counts_more_than_the_name(tmp_path):
    documents = {"pump.pdf": [("valve", "")], "other.pdf": [("pump valve", ""), ("pump", "")]}
    with made(tmp_path, documents) as opened:
        assert places(opened.search("pump valve"))[0] == ("other.pdf", 1)
        assert places(opened.search("pump"))[-1] == ("pump.pdf", 1)


def test_the_folder_is_evidence_and_not_where_an_upload_came_from(tmp_path):
    page = [("drain plug", ""), ("fan", ""), ("key", "")]
    with made(tmp_path, {"lathe/a.pdf": page, "press/b.pdf": page}) as opened:
        answer = opened.search("press drain plug")
        assert places(answer)[0] == ("b.pdf", 1)
        assert [hit.document for hit in answer if "document" in hit.score_terms] == ["b.pdf"] * 3


def test_names_are_evidence_with_similarities_and_after_a_first_stage_too(tmp_path, monkeypatch):
    monkeypatch.setattr("colvision.maxsim.binary.FIRST_STAGE_PAGES", 1)
    with made(tmp_path, X, ToyEncoder(dim=64)) as opened:
        answers = {mode: opened.search("X200 drain plug", mode=mode, k=3) for mode in ("auto", "exact")}
        assert {mode: answer.mode for mode, answer in answers.items()} == {"auto": "rerank", "exact": "exact"}
        for answer in answers.values():
            assert places(answer)[0] == ("manual-X200.pdf", 2)
            assert [hit.score for hit in answer] == sorted((hit.score for hit in answer), reverse=True)


class ShortSighted(Reader):
    """It looks for two words of a query."""

    def encode_queries(self, texts):
        cut = super().encode_queries([" ".join(text.split()[:2]) for text in texts])
        return [replace(query, left_out=tuple(text.split()[2:])) for query, text in zip(cut, texts, strict=True)]


def test_what_a_query_is_too_long_for_is_told_beside_what_was_not_found(tmp_path):
    told = "The query is too long. Not looked for by the encoder: "
    with made(tmp_path, {"a.pdf": [("oil pump", "")]}, ShortSighted()) as library:
        assert library.search("oil pump").notice == ""
        assert library.search("oil pump fan").notice == f"{told}fan."
        assert library.search("oil pump a b c d e f g").notice == f"{told}a, b, c, d, e and 2 more."
        assert library.search(f"oil pump {'9' * 99}").notice == f"{told}{'9' * 40}."
        assert library.search("croissant dough fan").notice == f"{told}fan. {NO_MATCH}"
