"""Encoding a whole collection again as a job of the queue."""

import zipfile
from pathlib import Path

import pytest

from colvision.library import open_library
from colvision.store.file_lock import Holder
from colvision.testing import ToyEncoder, save_document

pytestmark = pytest.mark.slow

ME = str(Holder.current())


@pytest.fixture
def filled(quick_path):
    """Two documents by the toy encoder; the same library, opened with another one."""
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        library.ingest(
            [save_document(quick_path / name, [["bleed", "valve"], ["hook"]]) for name in ("a.tiff", "b.pdf")]
        )
        with open_library(quick_path / "library", encoder=ToyEncoder(seed=3)) as other:
            yield library, other


def test_a_job_encodes_a_collection_again_and_counts_the_pages_of_all_documents(filled):
    library, other = filled
    assert other.status().collections[0].needs_reencoding
    assert not library.status().collections[0].needs_reencoding
    key = other.jobs.queue_reencoding("default").key
    job = other.run_job(other.jobs.claim(ME))
    assert (job.key, job.state, job.page, job.pages, job.reason) == (key, "ready", 4, 4, "")
    assert not other.status().collections[0].needs_reencoding
    assert other.search("hook")[0].page == 2


def test_a_cancelled_job_leaves_the_old_codes_and_another_one_goes_on(filled):
    library, other = filled
    other.jobs.queue_reencoding("default")
    claimed = other.jobs.claim(ME)
    other.jobs.cancel(claimed.key)
    assert other.run_job(claimed).state == "cancelled"
    assert library.search("hook")[0].page == 2
    other.jobs.queue_reencoding("default")
    assert other.run_job(other.jobs.claim(ME)).state == "ready"
    assert other.search("hook")[0].page == 2


def test_a_job_and_a_repair_commit_as_soon_as_the_memory_that_they_were_given_is_full(quick_path):
    path = save_document(quick_path / "a.tiff", [["bleed"], ["valve"], ["hook"]])
    with open_library(quick_path / "library", encoder=ToyEncoder(), max_memory=1) as library:
        library.jobs.queue(path, "a.tiff")
        library.run_job(library.jobs.claim(ME))
        assert library.status().collections[0].shards == 3
        for shard in (library.path / "shards").iterdir():
            shard.write_bytes(b"damaged")
        assert library.verify(repair=True).is_intact
        assert library.status().collections[0].shards == 3


def test_the_jobs_of_an_older_library_still_work_wherever_it_lies_now(quick_path):
    """Of format 2: an upload with what was noted beside it, one without, the rest of a document, a re-encoding."""
    folder = quick_path / "moved"
    with zipfile.ZipFile(Path(__file__).with_name("library-format-2-jobs.zip")) as file:
        file.extractall(folder)
    with open_library(folder, encoder=ToyEncoder(seed=3)) as other:
        jobs = {job.name: job for job in other.jobs.all()}
        assert {name: job.kind for name, job in jobs.items()} == {
            "parts.tiff": "file",
            "oil.tiff": "file",
            "gone.pdf": "file",
            "pump.tiff": "resume",
            "archive": "reencode",
        }
        assert (jobs["parts.tiff"].metadata, jobs["oil.tiff"].metadata) == ({"year": 2010}, None)
        assert jobs["gone.pdf"].path == Path("/manuals/gone.pdf").absolute()
        assert other.verify().is_intact
    with open_library(folder, encoder=ToyEncoder()) as library:
        ended = {job.name: library.run_job(job).state for job in iter(library.jobs.claim, None)}
        assert ended == {name: "failed" if name == "gone.pdf" else "ready" for name in jobs}
        assert {each.name: (each.stored, each.metadata) for each in library.documents()} == {
            "oil.tiff": (1, {}),
            "parts.tiff": (1, {"year": 2010}),
            "pump.tiff": (2, {}),
        }
        assert library.search("valve")[0].page == 2 and library.verify().is_intact
