"""Text search and its fusion with MaxSim: BM25 against an oracle, no query language, layers that cannot be trusted."""

import json
import math
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import colvision
from colvision.cli import main
from colvision.core.encoder import Calibration
from colvision.maxsim import binary
from colvision.pdf import read_pages
from colvision.pdf.text_layer import is_legible
from colvision.search import execute
from colvision.store import Store
from colvision.testing import ToyEncoder
from tests.helpers.pdf_files import unmapped_file, written
from tests.helpers.stores import TOY, add, begin, encoded, write

PUMP = (
    "bleed the pump and close the valve",
    "the motor is noisy",
    "spare parts of the pump pump pump",
    "wiring diagram",
)
FAN = ("blade angle of the fan", "the valve", "fuse of the motor")


@pytest.fixture
def store(quick_path):
    with Store(quick_path / "library") as opened:
        yield opened


@pytest.fixture(scope="module")
def pump(tmp_path_factory):
    """A store with the pages of `PUMP`, for tests that only read."""
    folder = tmp_path_factory.mktemp("fusion")
    with Store(folder / "library") as opened:
        add(opened, write(folder, "pump.pdf", "pump"), *PUMP)
        yield opened


def text_scores(store, text, *, collection="default"):
    """{(document, page): score} of the pages that hold a word of the text."""
    found = store.text_scores(collection, text)
    documents, numbers = found.first(len(found.page_keys))
    names = {row.key: row.name for row in store.documents(collection)}
    scores = found.of(documents, numbers).tolist()
    return {(names[d], n): s for d, n, s in zip(documents.tolist(), numbers.tolist(), scores, strict=True)}


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


PROSE = (
    "Before the engine is started, check the level of the oil in the pump and close the valve. Read this manual with "
    "care and keep it near the machine. The warranty covers no damage that comes from other spare parts. "
) * 2


def shifted(text):
    """What a font without ToUnicode gives whose glyphs are numbered from 'space' = 3, as Word's subsets are."""
    return "".join(chr(ord(each) - 29) for each in text)


def in_another_alphabet(text, seed=0):
    letters = "abcdefghijklmnopqrstuvwxyz"
    drawn = "".join(np.random.default_rng(seed).permutation(list(letters)))
    return text.lower().translate(str.maketrans(letters, drawn))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        PROSE,
        PROSE.upper(),
        "Prüfen Sie den Ölstand der Pumpe und schließen Sie das Ventil, bevor der Motor gestartet wird. " * 5,
        "Zkontrolujte hladinu oleje v čerpadle a zavřete ventil před spuštěním motoru. " * 5,
        "Проверьте уровень масла в насосе и закройте клапан перед запуском двигателя. " * 5,
        "ポンプの油量を点検し、エンジンを始動する前にバルブを閉じてください。" * 5,
        "DIN 912 M8x40 12.9 4711-0815-03 A17/4 3,5 Nm 24 V 0.75 mm2 X1:14 S7-300 6ES7 315-2AG10 " * 10,
        "∫ \ue000 f(x) dx = ∑ a \uf8f4 + b and so on, as is shown in the text above",
    ],
)
def test_what_people_print_is_legible(text):
    assert is_legible(text)


@pytest.mark.parametrize(
    "text",
    [
        shifted(PROSE),
        in_another_alphabet(PROSE),
        "".join(chr(0xE000 + ord(each)) if each != " " else " " for each in PROSE),
        "\ufffd" * 40,
        "Проверьте уровень масла в насосе".encode().decode("latin-1"),
        "ポンプの油量を点検し、エンジンを始動する前に".encode().decode("latin-1"),
    ],
)
def test_a_layer_that_was_not_made_for_reading_is_noticed(text):
    assert not is_legible(text)


def test_few_letters_are_given_the_benefit_of_the_doubt():
    assert is_legible(in_another_alphabet("check the oil"))


def test_the_layer_of_a_font_that_does_not_say_its_letters_is_not_kept(quick_path, tmp_path):
    lines = [PROSE[i : i + 60] for i in range(0, len(PROSE) - 60, 60)]
    path = written(tmp_path, unmapped_file(*lines))
    (page,) = read_pages(path)
    assert len(page.text) > 200  # a layer there is, which says nothing
    with colvision.open_library(quick_path / "library", encoder=TOY) as library:
        assert library.ingest(path).files[0].outcome == "new"
        assert library.page_text("manual.pdf", 1) == ""


class Calibrated(ToyEncoder):
    """Its link is a probability, as `mini`'s is: text fusion is then on by itself."""

    def __init__(self):
        super().__init__()
        self.info = replace(self.info, calibration=Calibration(20.0, 0.8))


@pytest.fixture(scope="module")
def manuals(tmp_path_factory):
    """A library of three documents; the pages of scan.pdf have no text layer."""
    folder = tmp_path_factory.mktemp("manuals")
    with Store(folder / "library") as store:
        for name, pages in {"pump": PUMP, "fan": FAN, "scan": ("bleed", "angle", "seal")}.items():
            pending = begin(store, write(folder, f"{name}.pdf", name), pages=len(pages), encoder=Calibrated())
            made = [encoded(number, *page.split()[:6]) for number, page in enumerate(pages, 1)]
            texts = ["" if name == "scan" else page for page in pages]
            made = [replace(page, text=text) for page, text in zip(made, texts, strict=True)]
            store.writer.commit(pending, made, Calibrated().info)
            assert store.writer.finish(pending) == ""
    with colvision.open_library(folder / "library", encoder=Calibrated()) as library:
        yield library


def found(answer):
    return [(hit.document, hit.page) for hit in answer]


def test_pages_are_ordered_by_the_score_that_is_shown_and_text_is_a_part_of_it(manuals):
    fused, plain = (manuals.search("the valve", k=10, text_fusion=on) for on in (True, False))
    assert (fused.retrievers, plain.retrievers) == (("maxsim", "bm25"), ("maxsim",))
    scores = {(hit.document, hit.page): hit.score for hit in plain}
    pixels = {(hit.document, hit.page): hit.score - hit.score_terms.get("text", 0.0) for hit in fused}
    assert pixels == pytest.approx(scores)
    assert found(fused) != found(plain)
    for answer in (fused, plain):
        assert [hit.rank for hit in answer] == list(range(1, 11))
        assert [hit.score for hit in answer] == sorted((hit.score for hit in answer), reverse=True)
        for hit in answer:
            assert float(hit.contributions.sum()) + sum(hit.score_terms.values()) == pytest.approx(hit.score, abs=1e-5)
            assert manuals.explain(hit).score == pytest.approx(hit.score, abs=1e-5)
            assert dict(manuals.explain(hit).score_terms) == pytest.approx(dict(hit.score_terms), abs=1e-5)
    assert {hit.text_score for hit in plain} == {None}
    assert manuals.explain("the valve", "fan.pdf", 2).score == pytest.approx(fused[0].score, abs=1e-5)


def test_a_page_of_which_both_know_comes_first_and_says_what_its_text_scores(manuals):
    first = manuals.search("the valve", k=10)[0]
    assert (first.document, first.page) == ("fan.pdf", 2)
    assert first.text_score == text_scores_of(manuals, "the valve")["fan.pdf", 2]


def text_scores_of(library, text):
    with Store(library.path, read_only=True) as store:
        return text_scores(store, text)


def test_text_fusion_is_on_by_itself_only_where_it_was_measured(manuals, store, tmp_path):
    assert manuals.search("the valve").retrievers == ("maxsim", "bm25")
    add(store, write(tmp_path, "pump.pdf", "pump"), *PUMP)
    with colvision.open_library(store.path, encoder=TOY) as library:  # sums similarities, as ColPali does
        assert library.search("valve").retrievers == ("maxsim",)
        assert library.search("valve", text_fusion=True).retrievers == ("maxsim", "bm25")


def test_where_no_layer_knows_a_word_the_pixels_alone_are_searched(manuals):
    answer = manuals.search("seal", text_fusion=True)
    assert answer.retrievers == ("maxsim",)
    assert found(answer)[0] == ("scan.pdf", 3)


def test_a_scan_that_shows_all_words_stays_above_text_that_has_one_of_them(manuals):
    assert found(manuals.search("seal blade", text_fusion=True, k=2)) != found(manuals.search("blade", k=2))
    first = manuals.search("angle", text_fusion=True, k=3)
    assert ("scan.pdf", 2) in found(first)[:2]  # beside fan.pdf, whose page 1 has it in both


def test_filters_are_kept_and_change_no_text_score(manuals):
    everywhere = {(hit.document, hit.page): hit.text_score for hit in manuals.search("the valve", k=10)}
    only = manuals.search("the valve", k=10, document="pump.pdf")
    assert {hit.document for hit in only} == {"pump.pdf"}
    assert all(hit.text_score == everywhere[hit.document, hit.page] for hit in only)


def test_many_at_once_find_what_each_finds_alone(manuals):
    texts = ["the valve", "seal", "spare parts", "bleed the pump"]
    together = manuals.search_many(texts, k=5, text_fusion=True)
    assert [found(answer) for answer in together] == [found(manuals.search(text, k=5)) for text in texts]
    assert [answer.retrievers for answer in together] == [manuals.search(text).retrievers for text in texts]


def test_a_page_that_text_alone_finds_is_among_the_candidates_of_the_first_stage(store, tmp_path, monkeypatch):
    monkeypatch.setattr(binary, "FIRST_STAGE_PAGES", 1)
    monkeypatch.setattr(execute, "_CANDIDATES", 2)
    encoder = ToyEncoder(dim=64)
    pending = begin(store, write(tmp_path, "pump.pdf", "pump"), pages=60, encoder=encoder)
    pages = [replace(encoded(number, "valve", encoder=encoder), text="valve") for number in range(1, 60)]
    pages.append(replace(encoded(60, "other", encoder=encoder), text="the valve and its rare words"))
    store.writer.commit(pending, pages, encoder.info)
    assert store.writer.finish(pending) == ""
    with colvision.open_library(store.path, encoder=encoder) as library:
        pixels, both = (library.search("rare valve", k=5, text_fusion=on) for on in (False, True))
        assert (pixels.mode, pixels.candidates) == ("rerank", 40)  # four times the ten that a notice is made by
        assert (both.mode, both.candidates) == ("rerank", 41)


def test_the_command_names_its_retrievers(manuals, monkeypatch):
    monkeypatch.setattr("colvision.encoders.spec.load", lambda *given, **options: Calibrated())
    command = ["search", "the valve", "--library", str(manuals.path), "-k", "3"]
    answer = CliRunner().invoke(main, [*command, "--text-fusion"])
    assert answer.exit_code == 0, answer.output
    assert "; by its text " in answer.stdout and "valve" in answer.stdout and " [in text]" in answer.stdout
    assert "by their pixels and their text" in answer.stderr
    for option, retrievers in (("--no-text-fusion", ["maxsim"]), ("--text-fusion", ["maxsim", "bm25"])):
        values = json.loads(CliRunner().invoke(main, [*command, option, "--json"]).stdout)
        assert values["retrievers"] == retrievers
        assert (values["hits"][0]["text_score"] is None) == ("bm25" not in retrievers)
