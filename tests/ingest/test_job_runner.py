"""Encoding a whole collection again as a job of the queue."""

import pytest

from colvision.library import open_library
from colvision.store.lock import Holder
from tests.helpers.toy import ToyEncoder, save_document

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
