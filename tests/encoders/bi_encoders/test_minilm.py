"""A real model with one vector a text, all-MiniLM-L6-v2, end to end: no network, no picture of a page is read."""

import numpy as np
import pytest

import colvision
from colvision.core.embedding import VectorKind
from colvision.encoders import load_encoder
from colvision.errors import UnsupportedFile
from colvision.testing import check_encoder
from tests.helpers.bi_encoders import real_folder, text_page
from tests.helpers.pdf_files import text_file

pytestmark = pytest.mark.slow

TEXTS = (
    "Bleed the hydraulic pump before first use. Open the vent screw and turn the shaft by hand.",
    "The tariff for letters abroad was raised in spring.",
    "Boil the pasta in salted water for nine minutes.",
)
QUESTION = "how do I get air out of the fluid system"  # no word of the page that answers it


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(real_folder(), device="cpu", dtype="float32")


def test_it_keeps_the_contract_of_an_encoder(encoder):
    check_encoder(encoder)


def test_meaning_is_found_where_no_word_is_the_same(encoder, tmp_path):
    (tmp_path / "manual.pdf").write_bytes(text_file(*TEXTS))
    (tmp_path / "other.pdf").write_bytes(text_file(*TEXTS[1:]))
    with colvision.open_library(tmp_path / "library", encoder=encoder) as library:
        library.ingest([tmp_path / "manual.pdf", tmp_path / "other.pdf"])
        hits = library.search(QUESTION, text_fusion=False)
        assert (hits[0].document, hits[0].page) == ("manual.pdf", 1)
        [query], [page] = encoder.encode_queries([QUESTION]), encoder.encode_pages([text_page(hits[0].text)])
        exact = float(query.vectors[0] @ page.vectors[0])
        assert hits[0].score == pytest.approx(exact, abs=2e-3), "int8 codes of a whole page"
        found = library.search(QUESTION, document="other.pdf")
        assert {hit.document for hit in found} == {"other.pdf"}
        why = library.explain(hits[0])
        assert why.matches[0].cell is None
        assert why.regions() == ()
        assert why.words == (QUESTION,)
        assert why.heatmap().size == why.image.size
        alike = library.search_like("manual.pdf", 2)
        assert (alike[0].document, alike[0].page) == ("other.pdf", 1)
        with pytest.raises(UnsupportedFile, match="has no text, and model reads nothing else of a page"):
            library.search_image(why.image)


def test_it_is_the_first_stage_of_a_collection_by_mini_and_a_further_encoder_of_it(encoder, tmp_path):
    (tmp_path / "manual.pdf").write_bytes(text_file(*TEXTS))
    with colvision.open_library(tmp_path / "library", encoder=load_encoder("mini")) as library:
        library.ingest(tmp_path / "manual.pdf")
        library.add_encoder("meaning", encoder)
        answer = library.search("air in the pump", first_stage="meaning", text_fusion=False)
        assert (answer[0].page, answer.retrievers) == (1, ("meaning", "maxsim"))
        words = library.search(QUESTION, encoders="main", text_fusion=False)
        assert words.notice.startswith("No page matches well"), "the page has no word of the question"
        fused = library.search(QUESTION, encoders="meaning", text_fusion=False)
        assert fused[0].page == 1 and fused[0].score_terms["meaning"] > words[0].score


def test_a_page_without_text_is_told(encoder, tmp_path):
    (tmp_path / "half.pdf").write_bytes(text_file(TEXTS[0], ""))
    with colvision.open_library(tmp_path / "library", encoder=encoder) as library:
        library.ingest([tmp_path / "half.pdf"])
        [document] = library.documents()
        [note] = [note for note in document.health.notes if note.kind == "textless"]
        assert note.pages == (2,)
        assert "colvision ocr" in note.text
        assert library.search(QUESTION)[0].page == 1


@pytest.mark.parametrize("question", ["the", "nothing", "E-11", "xterm"])
def test_a_page_without_text_is_below_all_that_say_something(encoder, question):
    """Such questions are more like an empty text than like any of these pages."""
    empty, *pages = [page.vectors[0] for page in encoder.encode_pages(map(text_page, ("", *TEXTS)))]
    [query] = encoder.encode_queries([question])
    scores = [float(query.vectors[0] @ page) for page in pages]
    assert -float(query.vectors[0] @ empty) > max(scores) > min(scores) > float(query.vectors[0] @ empty)


def test_a_long_page_has_a_vector_of_every_passage(encoder):
    text = " ".join([*TEXTS[1:]] * 20 + [TEXTS[0]])
    [page] = encoder.encode_pages([text_page(text)])
    assert len(page.vectors) > 1
    assert set(page.kind.tolist()) == {VectorKind.GLOBAL}
    [query] = encoder.encode_queries(["letters abroad"])
    similarities = page.vectors @ query.vectors[0]
    assert np.ptp(similarities) > 0.01, "what comes late on the page has a vector of its own"
