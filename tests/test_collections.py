"""Several collections in one library: handles, names, and what becomes of them."""

import sqlite3

import numpy as np
import pytest

from colvision.errors import CollectionNotFound, DocumentAmbiguous, DocumentNotFound, LibraryLocked, LibraryReadOnly
from colvision.library import open_library
from colvision.store.catalogue import FILE_NAME
from colvision.store.file_lock import Holder
from colvision.testing import ToyEncoder, save_document

PUMP = [["bleed", "valve"], ["oil", "filter"]]
CRANE = [["hook", "rope"]]


@pytest.fixture
def files(tmp_path):
    return [save_document(tmp_path / "pump.tiff", PUMP), save_document(tmp_path / "crane.tiff", CRANE)]


@pytest.fixture
def library(quick_path, files):
    """`pump.tiff` is in two collections, `crane.tiff` in the archive alone."""
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        library.ingest(files[0])
        library.collection("archive").ingest(files)
        yield library


def found(answer):
    return [(hit.document_id, hit.page, hit.score) for hit in answer]


def test_a_library_does_for_its_first_collection_what_the_handle_does(library):
    first = library.collection("default")
    assert first.name == "default" and library.collections() == ["default", "archive"]
    assert found(library.search("oil")) == found(first.search("oil")) != []
    assert library.documents() == first.documents()
    several = [found(answer) for answer in library.search_many(["oil", "bleed"])]
    assert several == [found(answer) for answer in first.search_many(["oil", "bleed"])]
    assert found(library.search_like("crane.tiff", 1)) == found(
        library.collection("archive").search_like("crane.tiff", 1)
    )
    assert library.status().collections[0] == first.status()


def test_an_id_is_found_from_everywhere_and_a_name_where_it_belongs(library):
    archive = library.collection("archive")
    crane = archive.document("crane.tiff")
    assert library.collection("default").document(crane.id) == crane == library.document("crane.tiff")
    with pytest.raises(DocumentNotFound):
        library.collection("default").document("crane.tiff")
    with pytest.raises(DocumentAmbiguous):
        library.document("pump.tiff")
    assert archive.document("pump.tiff").collection == "archive"
    assert library.collection("default").page_image(crane.id, 1).size == archive.page_image("crane.tiff", 1).size


def test_what_finds_nothing_says_which_collections_there_are(library):
    nowhere = library.collection("boats")
    for ask in (nowhere.documents, nowhere.status, nowhere.reencode, lambda: nowhere.search("oil")):
        with pytest.raises(CollectionNotFound, match="it has 'default', 'archive'"):
            ask()
    with pytest.raises(ValueError, match="cannot be the name of a collection"):
        library.collection(" \n")


def test_a_query_may_be_explained_in_any_collection(library):
    archive = library.collection("archive")
    hit = archive.search("hook")[0]
    why = archive.explain("hook", "crane.tiff", 1, image=False)
    assert why.score == pytest.approx(hit.score, abs=1e-5) and why.image is None
    np.testing.assert_array_equal(library.explain(hit.query, hit.document_id, 1).similarity_map, why.similarity_map)
    with pytest.raises(ValueError, match="needs the document and the page"):
        library.explain("hook")


def test_a_renamed_collection_is_the_same_one_and_its_jobs_follow(library, files):
    archive = library.collection("archive")
    before = found(archive.search("hook"))
    job = library.jobs.queue(str(files[1]), "crane.tiff", collection="archive")
    renamed = library.rename_collection("archive", " old  manuals ")
    assert library.collections() == ["default", "old manuals"]
    assert found(renamed.search("hook")) == before
    with pytest.raises(CollectionNotFound):
        archive.search("hook")
    assert library.jobs.get(job.key).collection == "old manuals"
    ended = library.run_job(library.jobs.claim(str(Holder.current())))
    assert (ended.state, ended.reason[:14]) == ("ready", "the same bytes")
    with pytest.raises(ValueError, match="there is a collection 'default' already"):
        library.rename_collection("old manuals", "default")
    with open_library(library.path, encoder=ToyEncoder()) as again:
        assert again.verify().is_intact and found(again.collection("old manuals").search("hook")) == before


def test_the_first_collection_is_always_there(library):
    pumps = library.rename_collection("default", "pumps")
    assert library.collections() == ["pumps", "archive", "default"]
    assert library.documents() == [] and len(library.search("oil")) == 0
    assert [document.name for document in pumps.documents()] == ["pump.tiff"]


def test_a_deleted_collection_leaves_nothing_and_the_others_as_they_were(library, quick_path, files):
    kept = found(library.search("oil"))
    library.jobs.queue(str(files[1]), "crane.tiff", collection="archive")
    removed = library.delete_collection("archive")
    assert (removed.name, removed.documents, removed.pages) == ("archive", 2, 3)
    assert library.collections() == ["default"] and found(library.search("oil")) == kept
    assert [job.state for job in library.jobs.all()] == ["cancelled"]
    assert len(list((library.path / "shards").iterdir())) == 1
    assert len(list((library.path / "files").iterdir())) == 1  # pump.tiff, which the other collection has, too
    with pytest.raises(CollectionNotFound):
        library.delete_collection("archive")
    with open_library(library.path, encoder=ToyEncoder()) as again:
        assert again.status().warnings == () and again.status().damaged == () and again.verify().is_intact


def test_a_collection_of_a_name_that_was_deleted_shows_nothing_of_the_old_one(library, files):
    archive = library.collection("archive")
    assert len(archive.search("bleed")) == 3
    library.delete_collection("archive")
    archive.ingest(files[1])
    assert [hit.document for hit in archive.search("bleed")] == ["crane.tiff"]
    assert archive.status().generation <= library.collection("default").status().generation


def test_the_first_collection_can_be_emptied_for_another_encoder(library, quick_path, files):
    library.delete_collection("default")
    assert library.collections() == ["default", "archive"] and library.documents() == []
    with open_library(library.path, encoder=ToyEncoder(seed=3, dim=24)) as other:
        other.ingest(files[1])
        assert other.search("hook")[0].document == "crane.tiff"
        assert other.status().collections[0].encoder.name == "toy-3"


def test_a_collection_deleted_while_it_is_encoded_again_ends_that(library):
    with open_library(library.path, encoder=ToyEncoder(seed=3)) as other:

        def delete(progress):
            if library.documents():
                library.delete_collection("default")

        report = other.reencode(progress=delete)
        assert [file.outcome for file in report.files] in ([], ["failed"])
        assert other.documents() == [] and other.verify().is_intact


def test_two_that_encode_a_collection_again_both_end(library):
    with (
        open_library(library.path, encoder=ToyEncoder(seed=3)) as first,
        open_library(library.path, encoder=ToyEncoder(seed=3)) as second,
    ):
        done = []

        def overtake(progress):
            if not done and progress.page == progress.pages:
                with pytest.raises(LibraryLocked, match="is being ingested by"):
                    second.reencode()
                with sqlite3.connect(
                    library.path / FILE_NAME
                ) as raw:  # as an older colvision: whether it lives is not known
                    raw.execute("UPDATE documents SET worker = 'elsewhere process 12/34'")
                raw.close()
                done.append(None)
                done.append(second.reencode())

        first.reencode(progress=overtake)
        assert done[1] is not None and first.search("bleed")[0].page == 1


def test_a_library_for_reading_changes_no_collection(library):
    with open_library(library.path, encoder=ToyEncoder(), read_only=True) as reader:
        for change in (
            lambda: reader.rename_collection("archive", "old"),
            lambda: reader.delete_collection("archive"),
            lambda: reader.rename("crane.tiff", "x.tiff"),
            lambda: reader.set_metadata("crane.tiff", {}),
        ):
            with pytest.raises(LibraryReadOnly):
                change()


def test_handles_show_what_they_are(library):
    assert repr(library.collection("archive")) == f"Collection('archive' of {str(library.path)!r})"
    assert repr(library) == f"Library({str(library.path)!r}, collections default, archive)"
