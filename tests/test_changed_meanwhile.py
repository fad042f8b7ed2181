"""What is renamed, deleted or changed while something else works on it: the work follows, or ends in words."""

import pytest
from PIL import Image

from colvision.errors import LibraryError, LibraryReadOnly
from colvision.ingest import Upload, ingest
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document, text_page


class Interrupted(ToyEncoder):
    """Calls `interrupt` once, after the first page of a document."""

    interrupt = None

    def encode_pages(self, pages):
        for embedding in super().encode_pages(pages):
            yield embedding
            call, self.interrupt = self.interrupt, None
            if call is not None:
                call()


@pytest.fixture
def encoder():
    return Interrupted()


@pytest.fixture
def library(quick_path, encoder):
    with open_library(quick_path / "library", encoder=encoder) as library:
        library.collection("archive").ingest(Upload(text_page(["hook"]), "hook.png"))
        yield library


@pytest.fixture
def file(tmp_path):
    return save_document(tmp_path / "pump.tiff", [["bleed"], ["oil"], ["seal"]])


def names(library, collection):
    return [document.name for document in library.collection(collection).documents()]


def test_a_claimed_job_fills_the_collection_under_its_new_name(library, file):
    library.jobs.queue(file, "pump.tiff", collection="archive")
    job = library.jobs.claim()
    library.rename_collection("archive", "old")
    assert library.run_job(job).state == "ready"
    assert library.collections() == ["default", "old"] and names(library, "old") == ["hook.png", "pump.tiff"]


def test_a_collection_can_be_renamed_while_the_file_of_a_job_is_inspected(library, file, monkeypatch):
    library.jobs.queue(file, "pump.tiff", collection="archive")
    inspect = ingest.inspect_file

    def rename_and_inspect(*arguments, **named):
        library.rename_collection("archive", "old")
        return inspect(*arguments, **named)

    monkeypatch.setattr(ingest, "inspect_file", rename_and_inspect)
    assert library.run_job(library.jobs.claim()).state == "ready"
    assert library.collections() == ["default", "old"] and names(library, "old") == ["hook.png", "pump.tiff"]


def test_a_claimed_job_of_a_deleted_collection_brings_nothing_back(library, file):
    library.jobs.queue(file, "pump.tiff", collection="archive")
    job = library.jobs.claim()
    library.delete_collection("archive")
    assert library.run_job(job).state == "cancelled"
    assert library.collections() == ["default"] and library.documents() == []


def test_a_cancelled_job_that_waits_is_not_claimed(library, file):
    key = library.jobs.queue(file, "pump.tiff", collection="archive").key
    library._store.writer.delete_collection("archive")  # killed before its jobs were ended
    assert library.jobs.claim() is None
    assert library.jobs.get(key).state == "cancelled"


def test_a_reencoding_goes_on_under_the_new_name(library, encoder, file):
    library.ingest(file)
    path = library.path
    library.close()
    other = Interrupted(seed=7)
    with open_library(path, encoder=other) as library:
        other.interrupt = lambda: library.rename_collection("default", "pumps")
        library.jobs.queue_reencoding("default")
        assert library.run_job(library.jobs.claim()).state == "ready"
        statuses = {each.name: each for each in library.status().collections}
        assert not statuses["pumps"].needs_reencoding and statuses["pumps"].documents == 1
        assert library.collection("pumps").search("oil")[0].page == 2


def test_a_reencoding_of_what_was_deleted_is_cancelled(library, file):
    library.ingest(file)
    path = library.path
    library.close()
    other = Interrupted(seed=7)
    with open_library(path, encoder=other) as library:
        other.interrupt = lambda: library.delete_collection("default")
        library.jobs.queue_reencoding("default")
        assert library.run_job(library.jobs.claim()).state == "cancelled"
        assert library.documents() == [] and library.verify().is_intact


def test_metadata_that_is_set_while_a_document_is_read_again_stays(library, encoder, file):
    library.ingest(file, metadata={"year": 1})
    encoder.interrupt = lambda: library.set_metadata("pump.tiff", {"year": 2})
    library.ingest_again("pump.tiff")
    assert library.document("pump.tiff").metadata == {"year": 2}


def test_metadata_that_changes_only_its_kind_is_a_change(library, file):
    library.ingest(file, metadata={"checked": 1})
    assert library.ingest(file, metadata={"checked": True}).files[0].changes
    assert len(library.search("oil", where="checked=true")) > 0


def test_an_image_that_cannot_be_kept_fails_alone(library):
    report = library.ingest([Image.new("L", (0, 0)), Upload(text_page(["oil"]), "oil.png")])
    assert [file.outcome for file in report.files] == ["failed", "new"]
    assert "no image that can be kept" in report.files[0].reason


def test_one_kept_file_that_cannot_be_read_does_not_stop_a_reencoding(library, file, tmp_path):
    other_file = save_document(tmp_path / "crane.tiff", [["rope"]])
    library.ingest([file, other_file])
    library.original_path("pump.tiff").write_bytes(b"nothing of use")
    path = library.path
    library.close()
    with open_library(path, encoder=ToyEncoder(seed=7)) as library:
        report = library.reencode()
        assert {each.name: each.outcome for each in report.files} == {"pump.tiff": "failed", "crane.tiff": "replaced"}
        assert library.search("rope")[0].document == "crane.tiff"


def test_default_can_be_called_otherwise_and_back(library, file):
    library.ingest(file)
    library.rename_collection("default", "pumps")
    library.rename_collection("pumps", "default")
    assert library.collections() == ["default", "archive"] or library.collections() == ["archive", "default"]
    assert names(library, "default") == ["pump.tiff"]
    with pytest.raises(ValueError, match="already"):
        library.rename_collection("archive", "default")
    assert library.verify().is_intact


def test_a_deleted_collection_is_not_kept_in_memory(library, file):
    temporary = library.collection("temporary")
    temporary.ingest(file)
    temporary.search("oil")
    snapshots = library._store._snapshots
    before = set(snapshots._shards)
    library.delete_collection("temporary")
    library.collection("archive").search("hook")
    assert len(before - set(snapshots._shards)) == 1


def test_names_are_cleaned_everywhere_or_refused(library, file):
    library.delete_collection(" archive ")
    assert library.collections() == ["default"]
    with pytest.raises(ValueError, match="name of a collection"):
        library.jobs.queue(file, "pump.tiff", collection="\x1b[31m")
    library.ingest(file)
    for name in ("", "a/b.pdf", "a\nb"):
        with pytest.raises(ValueError, match="name of a document"):
            library.rename("pump.tiff", name)


def test_a_closed_library_says_so_and_its_answers_show_what_they_have(library, file):
    library.ingest(file)
    answer = library.search("oil")
    library.close()
    assert "pump.tiff" in answer._repr_html_()
    with pytest.raises(LibraryError, match="closed"):
        library.documents()


def test_mistakes_in_arguments_are_told(library, quick_path):
    with pytest.raises(TypeError, match="no name"):
        library.ingest(b"%PDF-1.7")
    with pytest.raises(TypeError, match=r"Filter\.of"):
        library.search("oil", where={"year": 1})
    with pytest.raises(ValueError, match="number of bytes"):
        open_library(quick_path / "other", max_memory="128MB")
    with (
        open_library(library.path, read_only=True) as read_only,
        pytest.raises(LibraryReadOnly, match="nothing can be repaired"),
    ):
        read_only.verify(repair=True)


def test_an_image_is_that_of_the_version_which_takes_the_place_while_it_is_opened(library, file, monkeypatch):
    library.ingest(file)
    before = library.page_image("pump.tiff", 2)
    path_of, replaced = library._store.page_image_path, []

    def replace_first(row, page):
        path = path_of(row, page)
        if not replaced:
            replaced.append(library.ingest(save_document(file, [["hook"], ["crane"]])).files[0].outcome)
            assert not path.exists()
        return path

    monkeypatch.setattr(library._store, "page_image_path", replace_first)
    image = library.page_image("pump.tiff", 2)
    assert replaced == ["replaced"] and image.tobytes() != before.tobytes()
    assert image.tobytes() == library.page_image("pump.tiff", 2).tobytes()
