"""The text of pages that have none: read while they are ingested or later, once, and kept."""

import pytest
from PIL import Image

import colvision
from colvision import collection as collection_module
from colvision.errors import MissingExtra
from colvision.ingest import document_ingest
from colvision.ingest import ingest as ingest_module
from colvision.testing import ToyEncoder
from tests.helpers.ocr import ENGINES, LINES, Reciter, save_scan
from tests.helpers.pdf_files import LETTER, pages_file, text_page, written

TEXT = "close the valve and wait a minute"
OTHER = ToyEncoder(dim=64)


@pytest.fixture
def reads(monkeypatch):
    """Has an engine read that recites texts."""

    def use(*texts, **options):
        engine = Reciter(*texts, **options)
        for module in (ingest_module, document_ingest, collection_module):
            monkeypatch.setattr(module, "choose_engine", lambda name: engine)
        return engine

    return use


@pytest.fixture
def library(quick_path):
    with colvision.open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        yield library


def mixed_pdf(folder):
    """A page with text, a page with a number alone, and one that is blank."""
    return written(folder, pages_file(text_page("bleed the hydraulic pump"), text_page("12"), (LETTER, b"")))


def test_only_pages_without_a_good_text_layer_are_read(library, tmp_path, reads):
    engine = reads(TEXT, "")
    (file,) = library.ingest(mixed_pdf(tmp_path), ocr="auto").files
    assert len(engine.pages) == 2 and file.read_by_ocr == 2
    assert "the text of 2 pages read by OCR" in str(file)
    assert library.page_text("manual.pdf", 1) == "bleed the hydraulic pump"
    assert [word.text for word in library.page_words("manual.pdf", 1)] == ["bleed", "the", "hydraulic", "pump"]
    assert [library.page_text("manual.pdf", page) for page in (2, 3)] == [TEXT, ""]
    assert [library.text_reader("manual.pdf", page) for page in (1, 2, 3)] == ["", "reciter 1", "reciter 1"]
    word = library.page_words("manual.pdf", 2)[0]
    assert word.text == "close" and word.confidence == pytest.approx(0.5, abs=0.01)
    assert library.verify().is_intact


def test_without_being_asked_nobody_reads(library, tmp_path, reads):
    engine = reads()
    library.ingest(mixed_pdf(tmp_path))
    assert engine.pages == [] and library.page_text("manual.pdf", 2) == "12"


def test_what_ocr_has_read_is_found_like_a_text_layer(library, tmp_path, reads):
    reads(TEXT, "")
    library.ingest(mixed_pdf(tmp_path), ocr="auto")
    answer = library.search("minute", text_fusion=True)
    assert answer.retrievers == ("maxsim", "bm25")
    (hit,) = (hit for hit in answer if hit.in_text)
    assert (hit.page, hit.in_text, hit.text) == (2, {"minute"}, TEXT) and hit.text_score > 0


def test_the_encoder_sees_the_text_and_its_words(quick_path, tmp_path, reads):
    class Attentive(ToyEncoder):
        seen = []

        def encode_pages(self, pages):
            def tell():
                for page in pages:
                    self.seen.append((page.text, len(page.words), page.text_reader))
                    yield page

            return super().encode_pages(tell())

    reads(TEXT, "")
    with colvision.open_library(quick_path / "library", encoder=Attentive()) as library:
        library.ingest(mixed_pdf(tmp_path), ocr="auto")
        seen = list(Attentive.seen)
        assert seen == [("bleed the hydraulic pump", 4, ""), (TEXT, 7, "reciter 1"), ("", 0, "reciter 1")]
        Attentive.seen.clear()
        library.reencode()
        assert Attentive.seen == seen


def test_text_is_kept_when_a_collection_is_encoded_again_and_not_read_again(library, tmp_path, reads, quick_path):
    engine = reads(TEXT, "")
    library.ingest(mixed_pdf(tmp_path), ocr="auto")
    library.ingest_again("manual.pdf")
    library.close()
    with colvision.open_library(quick_path / "library", encoder=OTHER) as other:
        other.reencode()
        assert other.page_text("manual.pdf", 2) == TEXT and other.text_reader("manual.pdf", 3) == "reciter 1"
        other.collection("second").ingest(mixed_pdf(tmp_path), ocr="auto")
        assert other.collection("second").page_text("manual.pdf", 2) == TEXT
        assert other.verify().is_intact
    assert len(engine.pages) == 2


def test_a_page_that_cannot_be_read_costs_its_text_alone(library, tmp_path, reads):
    reads(None, TEXT)
    (file,) = library.ingest(mixed_pdf(tmp_path), ocr="auto").files
    assert (file.outcome, file.pages, file.read_by_ocr) == ("new", 3, 1)
    assert "page 2 could not be read: it is upside down" in str(file)
    assert library.page_text("manual.pdf", 3) == TEXT
    reads("at last there is something to read")
    report = library.ocr()
    assert report.pages == 1 and report.is_complete
    assert library.document("manual.pdf").health.is_whole


def test_a_file_that_is_the_same_gets_the_text_that_it_lacks(library, tmp_path, reads):
    library.ingest(mixed_pdf(tmp_path))
    reads(TEXT, "")
    (file,) = library.ingest(mixed_pdf(tmp_path), ocr="auto").files
    assert (file.outcome, file.pages, file.read_by_ocr) == ("same", 0, 2)
    assert str(file) == "manual.pdf: the same bytes as before; the text of 2 pages read by OCR"
    assert library.page_text("manual.pdf", 2) == TEXT


def test_later_the_pages_without_text_are_read_once(library, tmp_path, reads):
    library.ingest(mixed_pdf(tmp_path))
    before = library.search("valve")[0].score
    engine, steps = reads(TEXT, ""), []
    report = library.ocr(progress=steps.append)
    assert [(file.name, file.pages, file.words) for file in report.files] == [("manual.pdf", 2, 7)]
    assert "2 pages read by reciter 1 in" in str(report) and report.to_dict()["pages"] == 2
    assert (steps[-1].page, steps[-1].pages) == (2, 2) and len(engine.pages) == 2
    assert library.page_text("manual.pdf", 2) == TEXT and library.search("valve")[0].score == before
    assert [hit.page for hit in library.search("minute", text_fusion=True) if hit.in_text] == [2]
    assert str(library.ocr()) == "no page is without text"


def test_again_reads_what_ocr_has_read_but_no_text_layer(library, tmp_path, reads):
    reads(TEXT, "")
    library.ingest(mixed_pdf(tmp_path), ocr="auto")
    reads("open the valve again and again", "", name="reciter 2")
    report = library.ocr("manual.pdf", again=True)
    assert report.engine == "reciter 2" and report.pages == 2
    assert [library.text_reader("manual.pdf", page) for page in (1, 2, 3)] == ["", "reciter 2", "reciter 2"]
    assert library.search("minute", text_fusion=True).retrievers == ("maxsim",)


def test_what_was_read_before_ctrl_c_is_kept(library, tmp_path, reads):
    library.ingest(mixed_pdf(tmp_path))
    reads(TEXT, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        library.ocr()
    assert library.page_text("manual.pdf", 2) == TEXT
    reads("")
    assert library.ocr().pages == 1 and library.verify().is_intact


def test_an_ingest_that_reads_goes_on_after_ctrl_c(library, tmp_path, reads):
    reads(TEXT, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        library.ingest(mixed_pdf(tmp_path), ocr="auto")
    assert library.document("manual.pdf").stored == 2 and library.page_text("manual.pdf", 2) == TEXT
    reads("")
    assert library.ingest(mixed_pdf(tmp_path), ocr="auto").files[0].read_by_ocr == 1
    assert library.verify().is_intact


def test_a_cancelled_reading_goes_on_where_it_stopped(library, tmp_path, reads):
    library.ingest(mixed_pdf(tmp_path))
    reads(TEXT)
    steps = []
    first = library.ocr(progress=steps.append, cancel=lambda: len(steps) == 2)
    assert first.pages == 1
    reads("")
    assert library.ocr().pages == 1


def test_a_missing_engine_is_told_before_anything_is_read(library, tmp_path, monkeypatch):
    def missing(name):
        raise MissingExtra("no OCR engine is installed here")

    for module in (ingest_module, collection_module):
        monkeypatch.setattr(module, "choose_engine", missing)
    with pytest.raises(MissingExtra):
        library.ingest(mixed_pdf(tmp_path), ocr="auto")
    with pytest.raises(MissingExtra):
        library.ocr()
    with pytest.raises(ValueError, match="no OCR engine 'easyocr'"):
        library.ingest(mixed_pdf(tmp_path), ocr="easyocr")
    assert library.documents() == []


@pytest.mark.parametrize("engine", ENGINES)
def test_a_real_engine_reads_a_scan_from_end_to_end(library, tmp_path, engine):
    save_scan(tmp_path / "scan.tiff", LINES, ())
    (file,) = library.ingest(tmp_path / "scan.tiff", ocr=engine).files
    assert file.read_by_ocr == 2
    assert library.page_text("scan.tiff", 1).split() == " ".join(LINES).split()
    assert library.text_reader("scan.tiff", 1).startswith(engine) and library.page_text("scan.tiff", 2) == ""
    assert [hit.page for hit in library.search("hydraulic", text_fusion=True) if hit.in_text] == [1]
    image: Image.Image = library.page_image("scan.tiff", 1)
    assert library.page_words("scan.tiff", 1)[0].box.scaled(image.size).top < image.height / 3


def test_jobs_of_a_library_that_is_opened_with_ocr_read(quick_path, tmp_path, reads):
    reads(TEXT, "")
    with colvision.open_library(quick_path / "library", encoder=ToyEncoder(), ocr="auto") as library:
        library.jobs.queue(mixed_pdf(tmp_path), "upload.pdf")
        assert library.run_job(library.jobs.claim("test")).state == "ready"
        assert library.page_text("upload.pdf", 2) == TEXT
