"""A library whose encoder reads text: filled, asked, explained, opened again and encoded by another; scans by OCR."""

import pytest
from typer.testing import CliRunner

import colvision
from colvision.cli import main
from colvision.encoders import EncoderOptions, EncoderSpec, load_encoder
from colvision.encoders.text.colbert import ColbertEncoder
from colvision.errors import EncoderMismatch, UnsupportedFile
from colvision.evaluation import EvaluationOptions, evaluate, find_corpus, read_queries
from colvision.store import Store
from colvision.store.records import PageText
from colvision.testing import ToyEncoder, tiny_checkpoint
from tests.helpers.evaluation_set import page as qrels_page
from tests.helpers.evaluation_set import write_lines
from tests.helpers.ocr import ENGINES, LINES, save_scan
from tests.helpers.pdf_files import text_file, written
from tests.helpers.text_pages import holds, printed_page

pytestmark = pytest.mark.slow

TEXTS = ("bleed the hydraulic pump", "change the water filter", "table of contents")
QUERY = "the hydraulic pump"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    return [tiny_checkpoint(folder / f"colbert-{seed}", "colbert", seed=seed) for seed in (0, 1)]


def load(folder) -> ColbertEncoder:
    return load_encoder(folder, device="cpu", dtype="float32")


def test_a_library_is_filled_from_pdf_text_and_opened_again_without_a_word(tmp_path, checkpoints):
    written(tmp_path, text_file(*TEXTS), "pump.pdf")
    with colvision.open_library(tmp_path / "library", encoder=load(checkpoints[0])) as library:
        report = library.ingest(tmp_path / "pump.pdf")
        assert (report.pages, report.files[0].notes) == (3, ())
        expected = [(hit.page, hit.score) for hit in library.search(QUERY, mode="exact")]
        assert [page for page, _ in expected][0] == 1
        why = library.explain(library.search(QUERY)[0])
        assert why.contributions.sum() + sum(why.score_terms.values()) == pytest.approx(why.score, abs=1e-4)
        assert {match.token for match in why.matches} >= {"hydraulic", "pump", "[MASK]"}
    exact = EncoderSpec(options=EncoderOptions(device="cpu", dtype="float32"))
    with colvision.open_library(tmp_path / "library", encoder=exact) as library:
        assert [(hit.page, pytest.approx(hit.score)) for hit in library.search(QUERY, mode="exact")] == expected
        assert isinstance(library.encoder, ColbertEncoder)


def test_an_explanation_shows_the_printed_word_and_the_heatmap_is_hot_there(tmp_path, checkpoints):
    written(tmp_path, text_file(*TEXTS), "pump.pdf")
    with colvision.open_library(tmp_path / "library", encoder=load(checkpoints[0])) as library:
        library.ingest(tmp_path / "pump.pdf")
        first = library.search(QUERY)[0]
        assert first.page == 1
        check_explained(library, first)
        assert library.explain(first).heatmap("pump").size == library.page_image("pump.pdf", 1).size


@pytest.mark.parametrize("engine", ENGINES)
def test_what_ocr_reads_on_a_scan_is_found_and_explained_on_its_words(tmp_path, checkpoints, engine):
    save_scan(tmp_path / "scan.tiff", LINES, ("Change the water filter",))
    with colvision.open_library(tmp_path / "library", encoder=load(checkpoints[0])) as library:
        library.ingest(tmp_path / "scan.tiff", ocr=engine)
        first = library.search(QUERY)[0]
        assert first.page == 1
        check_explained(library, first)


def test_text_that_ocr_read_later_reaches_a_further_encoder_and_one_that_encodes_again(tmp_path, checkpoints):
    save_scan(tmp_path / "scan.tiff", LINES, ("Change the water filter",))
    with colvision.open_library(tmp_path / "library", encoder=ToyEncoder()) as library:
        library.ingest(tmp_path / "scan.tiff")
        texts = {number: PageText(text, reader="reciter 1") for number, text in enumerate(TEXTS[:2], start=1)}
        with Store(tmp_path / "library") as store:
            store.writer.set_texts(store.find("scan.tiff"), texts, {})
        library.add_encoder("words", load(checkpoints[0]))
        assert library.search(QUERY, encoders="words").retrievers == ("maxsim", "words")
        assert (
            library.explain(QUERY, "scan.tiff", 1, encoder="words").score
            > library.explain(QUERY, "scan.tiff", 2, encoder="words").score
        )
    with colvision.open_library(tmp_path / "library", encoder=load(checkpoints[0])) as library:
        library.remove_encoder("words")
        assert library.reencode().pages == 2
        assert library.search(QUERY)[0].page == 1


def overlaps(box, other):
    return max(box.left, other.left) < min(box.right, other.right) and max(box.top, other.top) < min(
        box.bottom, other.bottom
    )


def check_explained(library, hit):
    """The words of the query are framed, and hot, where the page has them."""
    why = library.explain(hit)
    places = {word.text.casefold(): word.box for word in library.page_words(hit.document, hit.page)}
    for word in ("hydraulic", "pump"):
        [match] = [match for match in why.matches if match.word == word]
        assert holds(places[word], match.box) and holds(match.box, places[word], slack=0.02)
        row, col = divmod(int(why.strength(word).argmax()), why.grid.cols)
        assert overlaps(places[word], why.grid.box(row, col))
    assert any(region.tokens == ("pump",) for region in why.regions())


def test_pages_without_text_are_told_and_an_image_is_no_query(tmp_path, checkpoints):
    printed_page(TEXTS[0]).image.save(tmp_path / "scan.png")
    with colvision.open_library(tmp_path / "library", encoder=load(checkpoints[0])) as library:
        [file] = library.ingest(tmp_path / "scan.png").files
        [note] = file.notes
        assert note.kind == "textless"
        assert "colvision ocr" in note.sentence("scan.png")
        [document] = library.documents()
        assert "1 page without text" in document.health.summary
        with pytest.raises(UnsupportedFile, match="has no text, and colbert-0 reads nothing else"):
            library.search_image(tmp_path / "scan.png")
        written(tmp_path, text_file(TEXTS[0]), "question.pdf")
        assert len(library.search_image(tmp_path / "question.pdf")) == 1


def test_pooled_pages_are_found_as_well(tmp_path, checkpoints):
    written(tmp_path, text_file(*TEXTS), "pump.pdf")
    with colvision.open_library(tmp_path / "library", encoder=load(checkpoints[0])) as library:
        library.ingest(tmp_path / "pump.pdf", pool=2)
        assert library.search(QUERY)[0].page == 1


def test_another_checkpoint_is_refused_with_what_to_do_and_encodes_all_again(tmp_path, checkpoints):
    written(tmp_path, text_file(*TEXTS), "pump.pdf")
    with colvision.open_library(tmp_path / "library", encoder=load(checkpoints[0])) as library:
        library.ingest(tmp_path / "pump.pdf")
    with colvision.open_library(tmp_path / "library", encoder=load(checkpoints[1])) as library:
        with pytest.raises(EncoderMismatch, match="filled by colbert-0 .*colvision reencode"):
            library.search(QUERY)
        assert library.reencode().pages == 3
        assert library.search(QUERY)[0].page == 1


def test_it_is_evaluated_as_any_encoder(tmp_path, checkpoints):
    (tmp_path / "manuals").mkdir()
    written(tmp_path / "manuals", text_file(*TEXTS), "pump.pdf")
    rows = [{"query_id": "q", "text": QUERY, "gold": [{"doc": "pump", "page": 0}]}]
    queries = read_queries(write_lines(tmp_path / "queries.jsonl", rows))
    options = EvaluationOptions(cache=tmp_path / "cache")
    _, run = evaluate(find_corpus(tmp_path / "manuals"), queries, encoder=load(checkpoints[0]), options=options)
    assert run.ranking("q")[0] == qrels_page(1)


def test_the_command_line_fills_asks_and_examines(tmp_path, checkpoints):
    def run(*words):
        answer = CliRunner().invoke(main, [*map(str, words)])
        assert answer.exit_code == 0, answer.output
        return answer.output

    written(tmp_path, text_file(*TEXTS), "pump.pdf")
    exact = ("--device", "cpu", "--dtype", "float32")
    library = ("--library", tmp_path / "library")
    told = run("ingest", tmp_path / "pump.pdf", "--encoder", checkpoints[0], *exact, *library)
    assert "one vector for each token of a page's text" in told
    assert "pump.pdf" in run("search", QUERY, *library)
    assert "nothing is wrong" in run("doctor", checkpoints[0], *exact)
