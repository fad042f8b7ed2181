"""A library whose encoder reads text: filled, asked, explained, opened again and encoded by another."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import colvision
from colvision.cli import main
from colvision.core.embedding import PageEmbedding
from colvision.core.page import Page
from colvision.encoders import EncoderOptions, EncoderSpec, load_encoder
from colvision.encoders.text.colbert import ColbertEncoder
from colvision.errors import EncoderMismatch, UnsupportedFile
from colvision.evaluation import EvaluationOptions, evaluate, find_corpus, read_queries
from colvision.testing import tiny_checkpoint
from tests.helpers.evaluation_set import page as qrels_page
from tests.helpers.evaluation_set import write_lines
from tests.helpers.pdf_files import text_file, written
from tests.helpers.text_pages import SIZE, holds, printed_page, word_box

pytestmark = pytest.mark.slow

TEXTS = ("bleed the hydraulic pump", "change the water filter", "table of contents")
QUERY = "the hydraulic pump"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    return [tiny_checkpoint(folder / f"colbert-{seed}", "colbert", seed=seed) for seed in (0, 1)]


def load(folder) -> ColbertEncoder:
    return load_encoder(folder, device="cpu", dtype="float32")


class WithOcr(ColbertEncoder):
    """The encoder behind an OCR engine that makes no mistakes: `printed` pages by their number."""

    def __init__(self, encoder: ColbertEncoder, printed: dict[int, Page]) -> None:
        super().__init__(encoder.checkpoint, encoder.model)
        self._printed = printed

    def encode_pages(self, pages: Iterable[Page]) -> Iterator[PageEmbedding]:
        return super().encode_pages(self._with_words(page) for page in pages)

    def _with_words(self, page: Page) -> Page:
        known = page if page.source == "generated" else self._printed[page.number]
        return replace(page, text=known.text, words=known.words)


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
    lines = [("check the oil", TEXTS[0], "before use"), ("then", TEXTS[1])]
    printed = {number: printed_page(*each, number=number) for number, each in enumerate(lines, start=1)}
    images = [page.image for page in printed.values()]
    images[0].save(tmp_path / "manual.tiff", save_all=True, append_images=images[1:])
    encoder = WithOcr(load(checkpoints[0]), printed)
    with colvision.open_library(tmp_path / "library", encoder=encoder) as library:
        library.ingest(tmp_path / "manual.tiff")
        [first, _] = library.search(QUERY)
        assert first.page == 1
        why = library.explain(first)
    for word in ("hydraulic", "pump"):
        place = word_box(printed[1], word)
        [match] = [match for match in why.matches if match.word == word]
        assert match.box.scaled(SIZE) == pytest.approx(place.scaled(SIZE), abs=3)
        strength = why.strength(word)
        row, col = divmod(int(strength.argmax()), why.grid.cols)
        assert holds(place, why.grid.box(row, col), slack=0.02)
    assert any(region.tokens == ("pump",) for region in why.regions())
    assert why.heatmap("pump").size == why.image.size


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
