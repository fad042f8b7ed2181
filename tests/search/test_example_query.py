"""A page or an image as the query: its tokens, and what is found."""

import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from typer.testing import CliRunner

from colvision.cli import main
from colvision.core.embedding import PatchGrid, VectorKind
from colvision.errors import DamagedFile, DocumentNotFound, EncoderMismatch, PageNotFound, UnsupportedFile
from colvision.library import open_library
from colvision.search.example_query import MAX_TOKENS, page_query
from colvision.testing import ToyEncoder, save_document, text_page
from colvision.testing.toy import PAGE_SHAPE

VALVE = ["bleed", "valve", "pump", "oil", "seal"]
HOOK = ["hook", "rope", "crane", "load", "mast"]


def unit(rows: int, dim: int = 32, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_page_asks_with_its_patches_and_their_places():
    query = page_query(unit(6), np.zeros(6, np.uint8), PatchGrid.full(2, 3), text="page 1")
    assert query.tokens[:2] == ("row 1, column 1", "row 1, column 2") and query.tokens[-1] == "row 2, column 3"
    assert query.is_query.all() and query.weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(query.vectors, unit(6), atol=1e-6)


def test_prompt_and_whole_page_vectors_do_not_ask():
    kind = np.array([VectorKind.TEXT, VectorKind.PATCH, VectorKind.PATCH, VectorKind.GLOBAL], np.uint8)
    query = page_query(unit(4), kind, PatchGrid(np.array([[1, 2]], np.int32)), text="page 1")
    np.testing.assert_allclose(query.vectors, unit(4)[1:3], atol=1e-6)


def test_of_many_patches_those_ask_that_are_least_alike():
    """Five hundred patches of paper and a few of print: the print asks, and paper once or so."""
    paper = unit(1)[0] + 0.02 * unit(500, seed=1)
    vectors = np.concatenate([paper, unit(40, seed=2)])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query = page_query(vectors, np.zeros(540, np.uint8), PatchGrid.full(54, 10), text="page 1", max_tokens=41)
    printed = [(query.vectors @ vector).max() > 0.9999 for vector in vectors[500:]]
    assert all(printed) and len(query.tokens) == 41


def test_codes_that_lost_their_length_ask_with_unit_vectors():
    query = page_query(unit(3) * 0.9, np.zeros(3, np.uint8), PatchGrid.full(1, 3), text="page 1")
    np.testing.assert_allclose(np.linalg.norm(query.vectors, axis=1), 1, atol=1e-6)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """The folder of a library that holds one manual; every test has a copy."""
    folder = tmp_path_factory.mktemp("filled")
    pages = [VALVE, HOOK, [*VALVE[:4], "hose"], ["water", "tank", "lid", "tap", "cap"]]
    with open_library(folder / "library", encoder=ToyEncoder(dim=64)) as library:
        library.ingest(save_document(folder / "manual.pdf", pages))
    return folder / "library"


@pytest.fixture
def library(quick_path, filled):
    shutil.copytree(filled, quick_path / "library")
    with open_library(quick_path / "library", encoder=ToyEncoder(dim=64)) as library:
        yield library


def test_the_page_most_like_another_comes_first_and_not_itself(library):
    answer = library.search_like("manual.pdf", 1, k=2)
    assert [(hit.page, hit.rank) for hit in answer] == [(3, 1), (answer[1].page, 2)]
    assert answer[0].score > answer[1].score
    assert answer[0].score == pytest.approx(answer[0].contributions.sum(), abs=1e-5)
    assert library.search_like("manual.pdf", 3, k=1)[0].page == 1


def test_a_page_is_not_encoded_to_be_a_query(library, monkeypatch):
    before = library.search_like("manual.pdf", 1, k=1)[0].score

    def forbidden(pages):
        raise AssertionError("the encoder ran")

    monkeypatch.setattr(library.encoder, "encode_pages", forbidden)
    monkeypatch.setattr(library.encoder, "encode_queries", forbidden)
    assert library.search_like("manual.pdf", 1, k=1)[0].score == before


def test_a_picture_finds_its_page_and_the_match_is_explained(library):
    answer = library.search_image(text_page(HOOK, shape=PAGE_SHAPE), k=2)
    assert answer[0].page == 2
    assert answer[0].score > answer[1].score
    assert answer[0].similarity.max() == pytest.approx(1, abs=0.02)  # where it asks at the page's own size
    why = library.explain(answer[0])
    assert why.score == pytest.approx(answer[0].score, abs=1e-5)
    assert all(match.cell is not None and match.word for match in why.matches)
    assert len(answer.query.embedding.tokens) <= 2 * MAX_TOKENS


def test_a_picture_may_be_a_file(library, tmp_path):
    text_page(HOOK, shape=PAGE_SHAPE).save(tmp_path / "photo.png")
    assert library.search_image(tmp_path / "photo.png")[0].page == 2
    (tmp_path / "photo.txt").write_text("hook")
    with pytest.raises(UnsupportedFile):
        library.search_image(tmp_path / "photo.txt")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 not an image")
    with pytest.raises(DamagedFile):
        library.search_image(tmp_path / "photo.jpg")


def test_likeness_keeps_to_a_filter(quick_path, library):
    save_document(quick_path / "other.pdf", [VALVE])
    library.ingest(quick_path / "other.pdf", metadata={"machine": "press"})
    assert library.search_like("manual.pdf", 1)[0].document == "other.pdf"
    only = library.search_like("manual.pdf", 1, where="machine=press")
    assert {hit.document for hit in only} == {"other.pdf"}


def test_a_page_that_is_not_there_is_refused(library):
    with pytest.raises(PageNotFound):
        library.search_like("manual.pdf", 9)
    with pytest.raises(DocumentNotFound):
        library.search_like("missing.pdf", 1)


def test_a_picture_is_not_compared_with_another_encoders_codes(quick_path, library):
    with (
        open_library(quick_path / "library", encoder=ToyEncoder(seed=1, dim=64)) as other,
        pytest.raises(EncoderMismatch),
    ):
        other.search_image(Image.new("RGB", (96, 80), "white"))


@pytest.fixture(scope="module")
def by_mini(tmp_path_factory):
    """A library as the command makes them: words in a font that mini reads."""
    folder = tmp_path_factory.mktemp("by_mini")
    font = ImageFont.load_default(34)
    for name, lines in (("pump", VALVE), ("crane", HOOK)):
        picture = Image.new("L", (700, 900), 255)
        for number, line in enumerate(lines):
            ImageDraw.Draw(picture).text((60, 80 + 70 * number), f"{line} of the {name}", font=font, fill=0)
        picture.save(folder / f"{name}.png")
    with open_library(folder / "library") as library:
        library.ingest([folder / "pump.png", folder / "crane.png"])
    return folder


@pytest.mark.slow
def test_a_part_of_a_page_finds_it_by_its_words_at_their_own_size(by_mini, tmp_path):
    """Cut from the page it is as large as half of it, though an image alone could be a whole page."""
    with Image.open(by_mini / "crane.png") as page:
        page.crop((40, 60, 390, 510)).save(tmp_path / "part.png")
    with open_library(by_mini / "library") as library:
        answer = library.search_image(tmp_path / "part.png", k=2)
    assert answer[0].document == "crane.png"
    as_a_page, as_a_quarter = answer[0].similarity.reshape(2, MAX_TOKENS).mean(axis=1)
    assert as_a_quarter > as_a_page


def run(folder, *words, code=0):
    answer = CliRunner().invoke(main, ["search", *words, "--library", str(folder / "library")])
    assert answer.exit_code == code, answer.output
    return answer


@pytest.mark.slow
def test_the_command_searches_by_picture_and_by_page(by_mini):
    first = run(by_mini, "--image", str(by_mini / "crane.png"), "-k", "1").stdout
    assert "crane.png, page 1" in first and "(" not in first
    assert "crane.png, page 1" in run(by_mini, "--like", "pump.png:1", "-k", "1").stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "ask with words"),
        (["pump", "--like", "pump.png:1"], "ask with words"),
        (["--like", "pump.png"], "is no DOCUMENT:PAGE"),
        (["--like", "pump.png:1", "--document", "pump.png"], "goes with words and images"),
    ],
)
def test_the_command_says_how_to_ask(by_mini, words, message):
    assert message in " ".join(run(by_mini, *words, code=2).stderr.replace("│", " ").split())
