"""What `open_library` returns: the whole way from files to hits, reasons and back."""

import dataclasses
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from colvision.core.encoder import Calibration
from colvision.errors import (
    CollectionNotFound,
    DocumentNotFound,
    EncoderMismatch,
    EncoderNotFound,
    LibraryFormat,
    LibraryReadOnly,
    PageNotFound,
)
from colvision.library import open_library
from colvision.search import Filter
from colvision.store.file_lock import Holder
from colvision.testing import ToyEncoder, save_document

PUMP = [["bleed", "valve"], ["oil", "filter"]]
CRANE = [["hook", "rope"], ["oil", "tank"]]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manuals")
    return [save_document(folder / "pump.tiff", PUMP), save_document(folder / "crane.pdf", CRANE)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory, files):
    """A library with two documents, to be copied: `pump.tiff` has the words of PUMP, `crane.pdf` those of CRANE."""
    path = tmp_path_factory.mktemp("filled") / "library"
    with open_library(path, encoder=ToyEncoder()) as library:
        library.ingest(files)
    return path


@pytest.fixture
def library(quick_path, filled):
    shutil.copytree(filled, quick_path / "library")
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        yield library


@pytest.fixture
def empty(quick_path):
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        yield library


def best(library, text, **options):
    hit = library.search(text, **options)[0]
    return hit.document, hit.page


def test_a_search_finds_the_page_with_the_words(library):
    assert best(library, "bleed valve") == ("pump.tiff", 1)
    assert best(library, "hook") == ("crane.pdf", 1)
    assert best(library, "oil filter") == ("pump.tiff", 2)
    answer = library.search("oil", k=2)
    assert {(hit.document, hit.page) for hit in answer} == {("pump.tiff", 2), ("crane.pdf", 2)}
    assert answer.pages == 4 and set(answer.timing_ms) == {"encode", "score", "total"}


def test_a_filter_by_metadata_and_page_cuts_what_is_found(library, files):
    library.ingest(files[1], metadata={"machine": "crane", "year": 1999})
    answer = library.search("oil", where="machine=CRANE and page>=2")
    assert [(hit.document, hit.page) for hit in answer] == [("crane.pdf", 2)] and answer.pages == 1
    same = library.search("oil", where=Filter.of({"year": {"<": 2000}, "page": 2}))
    assert [hit.score for hit in same] == [hit.score for hit in answer]
    with pytest.raises(ValueError, match="no document has metadata 'site'"):
        library.search("oil", where="site=Halle")
    with pytest.raises(ValueError, match="expected a value for 'machine'"):
        library.search("oil", where="machine=")


@pytest.mark.slow
def test_little_memory_means_more_commits_and_the_same_answers(library, files, quick_path):
    with open_library(quick_path / "small", encoder=ToyEncoder(), max_memory=1000) as small:
        small.ingest(files)
        assert small.status().collections[0].shards == 4 > library.status().collections[0].shards
        for text in ("bleed valve", "oil"):
            expected = [(hit.document, hit.page, hit.score) for hit in library.search(text)]
            assert [(hit.document, hit.page, hit.score) for hit in small.search(text)] == expected
    with pytest.raises(ValueError, match="max_memory is 0"):
        open_library(quick_path / "none", encoder=ToyEncoder(), max_memory=0)


def test_several_searches_together_answer_like_each_alone(library):
    texts = ["bleed valve", "hook", "oil filter", "oil"]
    together = library.search_many(texts, k=3)
    for text, answer in zip(texts, together, strict=True):
        alone = library.search(text, k=3)
        assert [(h.document, h.page, h.score) for h in answer] == [(h.document, h.page, h.score) for h in alone]
        assert set(answer.timing_ms) == {"encode", "score", "total"}
    assert library.search_many([]) == []


def test_threads_that_search_at_once_get_their_own_answers(library):
    texts = ["bleed valve", "hook", "oil filter", "oil"] * 8
    expected = {text: [(h.document, h.page, h.score) for h in library.search(text)] for text in texts}
    assert all(expected.values())
    with ThreadPoolExecutor(8) as pool:
        for text, answer in zip(texts, pool.map(library.search, texts), strict=True):
            assert [(h.document, h.page, h.score) for h in answer] == expected[text]


def test_a_search_of_some_documents_finds_only_theirs(library):
    crane = library.document("crane.pdf")
    for document in ("crane.pdf", crane.id, [crane.id]):
        answer = library.search("bleed valve", document=document)
        assert {hit.document for hit in answer} == {"crane.pdf"} and answer.pages == 2
    with pytest.raises(DocumentNotFound, match="no document 'boat'"):
        library.search("bleed", document="boat")


def test_contributions_of_an_explanation_sum_to_the_score(library):
    hit = library.search("oil filter")[0]
    why = library.explain(hit)
    assert why.score == pytest.approx(hit.score, abs=1e-5)
    np.testing.assert_allclose(why.contributions, hit.contributions, atol=1e-6)
    assert [match.cell for match in why.matches] == [(0, 0), (0, 1)]
    assert why.image.size == library.page_image(hit.document_id, hit.page).size


def test_an_explanation_of_a_pdf_page_is_in_points_too(library):
    why = library.explain(library.search("hook")[0])
    (region,) = why.regions()
    assert region.points is not None and region.points.top > region.points.bottom


def test_a_hit_is_explained_by_its_query_its_document_and_its_page(library):
    hit = library.search("oil filter")[0]
    why = library.explain(hit)
    for query, document in ((hit.query, hit.document_id), (hit.query, hit.document), ("oil filter", hit.document)):
        again = library.explain(query, document, hit.page)
        assert (again.matches, again.score, again.score_terms) == (why.matches, why.score, why.score_terms)
    with pytest.raises(ValueError, match="needs the document and the page"):
        library.explain(hit.query)


def test_any_page_can_be_probed(library):
    why = library.explain("hook", "pump.tiff", 2)
    assert why.score < library.search("hook")[0].score
    with pytest.raises(PageNotFound, match="pages 1 to 2, not 3"):
        library.explain("hook", "pump.tiff", 3)


def test_without_a_picture_an_explanation_knows_patches_but_no_words_and_draws_nothing(library):
    hit = library.search("hook")[0]
    whole, bare = library.explain(hit), library.explain(hit, image=False)
    patches = [dataclasses.replace(match, box=bare.grid.box(*match.cell), points=None) for match in whole.matches]
    assert ([dataclasses.replace(match, points=None) for match in bare.matches], bare.score) == (patches, whole.score)
    with pytest.raises(ValueError, match="no image"):
        bare.heatmap()


def test_a_hit_of_a_deleted_document_cannot_be_explained(library):
    hit = library.search("bleed valve")[0]
    library.delete("pump.tiff")
    with pytest.raises(DocumentNotFound):
        library.explain(hit)
    assert "pump.tiff" not in {hit.document for hit in library.search("bleed valve")}


def test_documents_are_listed_with_what_a_user_wants_to_know(library, files):
    crane, pump = library.documents()
    assert (crane.name, crane.pages, crane.stored, crane.failed, crane.state) == ("crane.pdf", 2, 2, 0, "ready")
    assert pump.bytes == files[0].stat().st_size and pump.source == str(files[0]) and not pump.is_upload
    assert library.document(pump.id) == library.document("pump.tiff") == pump
    assert library.original_path("pump.tiff").read_bytes() == files[0].read_bytes()
    assert library.page_text("pump.tiff", 1) == ""
    assert library.failed_pages("pump.tiff") == ()


def test_an_encoder_is_loaded_only_when_it_is_needed(quick_path, library):
    library.close()
    with open_library(quick_path / "library", encoder="no-such-encoder") as other:
        assert len(other.documents()) == 2 and other.status().encoder == "no-such-encoder"
        other.page_image("pump.tiff", 1)
        with pytest.raises(EncoderNotFound):
            other.search("oil")
        other.delete("pump.tiff")


def test_another_encoder_is_refused_for_search_and_ingest_only(quick_path, library, files):
    library.close()
    with open_library(quick_path / "library", encoder=ToyEncoder(seed=3)) as other:
        refused = pytest.raises(EncoderMismatch, match="filled by toy-0 .* not by toy-3 .*colvision reencode")
        with refused:
            other.search("oil")
        with refused:
            other.ingest(files)
        assert other.page_image("pump.tiff", 1).mode == "RGB"
        assert any("toy-0" in warning and "toy-3" in warning for warning in other.status().warnings)
        other.delete("pump.tiff")
        assert [document.name for document in other.documents()] == ["crane.pdf"]


def test_a_collection_is_encoded_again_and_its_documents_keep_their_ids(quick_path, library):
    before = {document.name: document.id for document in library.documents()}
    hit = library.search("hook")[0]
    with open_library(quick_path / "library", encoder=ToyEncoder(seed=3, dim=24)) as other:
        report = other.reencode()
        assert [file.name for file in report.replaced] == ["crane.pdf", "pump.tiff"]
        assert {document.name: document.id for document in other.documents()} == before
        assert best(other, "hook") == ("crane.pdf", 1)
        with pytest.raises(EncoderMismatch, match="search again, then explain"):
            other.explain(hit)
        assert other.status().collections[0].encoder.name == "toy-3"
        assert len(list((quick_path / "library" / "shards").iterdir())) == 2
    with pytest.raises(EncoderMismatch):
        library.search("hook")


def test_encoding_again_can_be_cancelled_and_gone_on_with(quick_path, library):
    with open_library(quick_path / "library", encoder=ToyEncoder(seed=3)) as other:
        seen = []
        other.reencode(progress=seen.append, cancel=lambda: len(seen) >= 4)
        assert best(library, "hook") == ("crane.pdf", 1), "the old codes serve until all are done"
        assert {document.state for document in library.documents()} == {"ready"}
        library.delete("crane.pdf")
        report = other.reencode()
        assert [file.name for file in report.replaced] == ["pump.tiff"]
        assert best(other, "bleed valve") == ("pump.tiff", 1)
        assert len(other.documents()) == 1


@pytest.mark.slow
def test_a_document_that_comes_while_a_collection_is_encoded_again_is_encoded_too(quick_path, library, files):
    late = save_document(quick_path / "late.tiff", [["anchor"]])

    def add(progress):
        if progress.document == "pump.tiff" and progress.page == 2:
            library.ingest(late)

    with open_library(quick_path / "library", encoder=ToyEncoder(seed=3)) as other:
        assert len(other.reencode(progress=add).replaced) == 3
        assert best(other, "anchor") == ("late.tiff", 1)


@pytest.mark.slow
def test_a_refill_by_a_third_encoder_starts_anew(quick_path, library):
    with open_library(quick_path / "library", encoder=ToyEncoder(seed=3)) as second:
        seen = []
        second.reencode(progress=seen.append, cancel=lambda: len(seen) >= 4)
    with open_library(quick_path / "library", encoder=ToyEncoder(seed=4)) as third:
        assert len(third.reencode().replaced) == 2
        assert third.status().collections[0].encoder.name == "toy-4"
        assert len(list((quick_path / "library" / "shards").iterdir())) == 2


def test_a_document_is_read_again_from_its_kept_file(library):
    before = library.document("pump.tiff")
    report = library.ingest_again("pump.tiff")
    assert (report.outcome, report.pages) == ("replaced", 2)
    after = library.document("pump.tiff")
    assert after.id == before.id and after.state == "ready"
    assert best(library, "bleed valve") == ("pump.tiff", 1)


def test_a_damaged_document_is_repaired_from_its_kept_file(library):
    path = next(iter((library.path / "shards").iterdir()))
    path.write_bytes(path.read_bytes()[:-1])
    (damaged,) = library.verify().found
    (name,) = damaged.documents
    assert library.document(name).state == "damaged" and library.status().warnings
    assert {hit.document for hit in library.search("oil")} == {"pump.tiff", "crane.pdf"} - {name}
    assert library.ingest_again(name).pages == 2
    assert library.verify().is_intact and library.status().warnings == ()


def test_uploads_are_jobs_and_their_end_is_honest(empty, files, quick_path):
    me = str(Holder.current())
    bad = quick_path / "upload-7"
    bad.write_text("not a PDF")
    again = quick_path / "upload-8"
    again.write_bytes(files[0].read_bytes())
    for path, name in ((files[0], "pump.tiff"), (bad, "bad.pdf"), (again, "twice.tiff")):
        empty.jobs.queue(str(path), name)
    ended = []
    while (job := empty.jobs.claim(me)) is not None:
        ended.append(empty.run_job(job))
    good, failed, same = ended
    assert (good.state, good.page, good.pages) == ("ready", 2, 2)
    assert empty.document(good.document).name == "pump.tiff" and empty.document(good.document).is_upload
    assert failed.state == "failed" and "bad.pdf" in failed.reason and "upload-7" not in failed.reason
    assert (same.state, same.document) == ("ready", good.document) and "same bytes" in same.reason


def test_a_cancelled_job_stops_its_ingest(empty, files):
    job = empty.jobs.queue(str(files[0]), "pump.tiff")
    claimed = empty.jobs.claim(str(Holder.current()))
    empty.jobs.cancel(job.key)
    assert empty.run_job(claimed).state == "cancelled"


def test_a_job_for_a_collection_of_another_encoder_fails_with_the_reason(quick_path, library, files):
    library.close()
    with open_library(quick_path / "library", encoder=ToyEncoder(seed=3)) as other:
        other.jobs.queue(str(files[0]), "pump.tiff")
        with pytest.raises(EncoderMismatch):
            other.run_job(other.jobs.claim(str(Holder.current())))
        (job,) = other.jobs.all()
        assert job.state == "failed" and "colvision reencode" in job.reason


def test_collections_do_not_see_each_other(library, files):
    spares = library.collection("spares")
    spares.ingest(files[0])
    assert library.collections() == ["default", "spares"]
    assert {hit.document for hit in spares.search("hook")} == {"pump.tiff"}
    assert [document.collection for document in spares.documents()] == ["spares"]
    with pytest.raises(CollectionNotFound):
        library.collection("boats").search("hook")


def test_an_empty_library_answers_with_nothing(empty):
    assert len(empty.search("oil")) == 0
    assert empty.documents() == [] and empty.status().collections[0].encoder is None


def test_a_query_without_a_word_is_refused(library):
    with pytest.raises(ValueError, match="no letter or digit"):
        library.search("  ")


def test_status_counts_what_there_is(library):
    (status,) = library.status().collections
    assert (status.documents, status.pages, status.failed_pages) == (2, 4, 0)
    assert status.vectors >= 4 and status.bytes > 0
    assert status.encoder.calibration == Calibration()


def test_clipping_is_warned_about(quick_path, files):
    with open_library(quick_path / "clipping", encoder=ToyEncoder(quantisation_range=0.05)) as library:
        library.ingest(files[0])
        (warning,) = library.status().warnings
        assert "beyond the encoder's quantisation range" in warning


def test_a_mistyped_path_makes_no_library(quick_path):
    with pytest.raises(LibraryFormat, match="there is no library"):
        open_library(quick_path / "manauls", create=False)
    assert not (quick_path / "manauls").exists()


def test_a_library_opened_for_reading_searches_and_refuses_to_change(quick_path, library, files):
    with open_library(quick_path / "library", encoder=ToyEncoder(), read_only=True) as reader:
        assert best(reader, "hook") == ("crane.pdf", 1)
        assert reader.status().read_only
        with pytest.raises(LibraryReadOnly):
            reader.delete("crane.pdf")


@pytest.mark.slow
def test_searches_of_many_threads_go_on_while_a_document_is_ingested(library, quick_path):
    late = save_document(quick_path / "late.tiff", [["anchor"], ["rudder"]])
    stop, wrong = threading.Event(), []

    def look():
        while not stop.is_set():
            found = best(library, "hook")
            if found != ("crane.pdf", 1):
                wrong.append(found)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    library.ingest(late)
    library.delete("late.tiff")
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_process_that_searches_imports_nothing_heavy(quick_path, filled):
    shutil.copytree(filled, quick_path / "library")
    code = """if True:
        import sys, colvision
        from colvision.testing import ToyEncoder
        with colvision.open_library(sys.argv[1], encoder=ToyEncoder()) as library:
            print(library.search("oil filter")[0].document, library.explain("oil", "crane.pdf", 2).score > 0)
        print(sorted({"torch", "scipy", "transformers", "pydantic", "importlib.metadata"} & set(sys.modules)))
    """
    command = [sys.executable, "-c", code, str(quick_path / "library")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines() == ["pump.tiff True", "[]"]
