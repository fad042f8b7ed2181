"""Jobs: claimed once, honest about their state, claimed again when a worker dies."""

import sqlite3
import subprocess
import sys

import pytest

from colvision.store import Store
from colvision.store.catalogue import FILE_NAME
from colvision.store.file_lock import Holder


@pytest.fixture
def jobs(quick_path):
    with Store(quick_path / "library") as store:
        yield store.jobs


ME = str(Holder.current())


def dead_worker():
    """The name of a process that has ended."""
    code = "from colvision.store.file_lock import Holder; print(Holder.current())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_jobs_are_claimed_in_order_and_once(jobs):
    first, second = jobs.queue("/a.pdf", "a.pdf"), jobs.queue("/b.pdf", "b.pdf", collection="spares", replace=True)
    assert jobs.claim(ME).key == first.key
    claimed = jobs.claim(ME)
    assert (claimed.key, claimed.collection, claimed.replace, claimed.state) == (second.key, "spares", True, "running")
    assert jobs.claim(ME) is None


def test_progress_is_seen_by_others(jobs):
    jobs.queue("/a.pdf", "a.pdf")
    job = jobs.claim(ME)
    assert jobs.report_progress(job, page=3, pages=12, failed=1, pages_per_second=1.5)
    seen = jobs.get(job.key)
    assert (seen.page, seen.pages, seen.failed_pages, seen.seconds_left) == (3, 12, 1, 6.0)


def test_a_job_whose_worker_died_is_claimed_at_once(jobs):
    jobs.queue("/a.pdf", "a.pdf")
    first = jobs.claim(dead_worker())
    claimed = jobs.claim(ME)
    assert claimed.key == first.key and claimed.worker == ME
    assert not jobs.report_progress(first, page=1, pages=2), (
        "the first worker must learn that it is not its job any more"
    )
    jobs.finish(first, "failed", reason="too late")
    assert jobs.get(claimed.key).state == "running"


def test_a_cancelled_job_whose_worker_died_ends_and_the_next_one_is_claimed(jobs):
    cancelled, waiting = jobs.queue("/a.pdf", "a.pdf"), jobs.queue("/b.pdf", "b.pdf")
    jobs.claim(dead_worker())
    jobs.cancel(cancelled.key)
    assert jobs.claim(ME).key == waiting.key
    ended = jobs.get(cancelled.key)
    assert ended.state == "cancelled" and ended.finished
    assert jobs.claim(ME) is None


def test_a_cancelled_job_of_a_living_worker_is_ended_by_it_alone(jobs):
    jobs.queue("/a.pdf", "a.pdf")
    job = jobs.claim(ME)
    jobs.cancel(job.key)
    assert jobs.claim("another worker") is None
    assert jobs.get(job.key).state == "running"


def test_a_job_of_a_living_worker_is_left_to_it(jobs):
    jobs.queue("/a.pdf", "a.pdf")
    jobs.claim(ME)
    assert jobs.claim("another worker") is None


def test_a_silent_worker_of_another_machine_loses_its_job(jobs):
    jobs.queue("/a.pdf", "a.pdf")
    jobs.claim("elsewhere process 12/34")
    assert jobs.claim(ME) is None
    assert jobs.claim(ME, lease_seconds=-1.0) is not None


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_asked(jobs):
    running, waiting = jobs.queue("/a.pdf", "a.pdf"), jobs.queue("/b.pdf", "b.pdf")
    job = jobs.claim(ME)
    jobs.cancel(waiting.key)
    jobs.cancel(running.key)
    assert jobs.get(waiting.key).state == "cancelled"
    assert jobs.get(running.key).state == "running" and jobs.get(running.key).cancel
    assert not jobs.report_progress(job, page=1, pages=2)
    jobs.finish(job, "cancelled")
    jobs.cancel(running.key)
    assert [each.state for each in jobs.all()] == ["cancelled", "cancelled"]


def test_states_survive_a_restart(jobs, quick_path):
    jobs.queue("/a.pdf", "a.pdf")
    jobs.queue("/b.pdf", "b.pdf")
    jobs.finish(jobs.claim(ME), "failed", reason="needs a password")
    with Store(quick_path / "library") as again:
        (failed,) = again.jobs.all()[:1]
        assert (failed.name, failed.reason) == ("a.pdf", "needs a password")
        assert [job.state for job in again.jobs.all()] == ["failed", "queued"]


def test_only_an_ended_job_is_dismissed(jobs):
    done, waiting = jobs.queue("/a.pdf", "a.pdf"), jobs.queue("/b.pdf", "b.pdf")
    jobs.finish(jobs.claim(ME), "ready", document="1234")
    jobs.dismiss(done.key)
    jobs.dismiss(waiting.key)
    assert [job.key for job in jobs.all()] == [waiting.key]
    with pytest.raises(ValueError, match="no job"):
        jobs.get(done.key)


def test_a_holder_reads_its_own_name_and_no_other():
    assert Holder.parse(ME) == Holder.current()
    assert Holder.current().is_alive()
    assert not Holder.parse(dead_worker()).is_alive()
    assert Holder.parse("worker-7") is None


def test_a_process_number_used_again_is_another_process():
    now = Holder.current()
    if now.started == 0:
        pytest.skip("outside Linux a reused process number cannot be told: no start time is kept to compare")
    assert not Holder(now.host, now.pid, now.started + 1).is_alive()


def test_a_job_keeps_the_metadata_of_its_file(jobs):
    assert [jobs.queue("/a.pdf", "a.pdf", metadata=given).metadata for given in (None, {}, {"year": 2010})] == [
        None,
        {},
        {"year": 2010},
    ]


def test_an_upload_is_named_relative_to_the_library_and_goes_with_the_end_of_its_job(jobs, quick_path):
    jobs.uploads.mkdir()
    files = [jobs.uploads / f"{number}.pdf" for number in range(4)]
    outside = quick_path / "mine.pdf"
    for path in (*files, outside):
        path.write_text("a file")
    failed, cancelled, abandoned, waiting, _ = [jobs.queue(path, path.name) for path in (*files, outside)]
    assert failed.path == files[0].resolve()
    jobs.finish(jobs.claim(ME), "failed", reason="it ended its worker")
    jobs.cancel(cancelled.key)
    assert jobs.claim(dead_worker()).key == abandoned.key
    jobs.cancel(abandoned.key)
    assert jobs.claim(ME).key == waiting.key
    jobs.finish(jobs.claim(ME), "ready")
    assert [path.exists() for path in (*files, outside)] == [False, False, False, True, True]
    with sqlite3.connect(quick_path / "library" / FILE_NAME) as raw:
        assert raw.execute("SELECT path FROM jobs LIMIT 1").fetchone() == ("uploads/0.pdf",)
    raw.close()


def test_a_claimed_file_has_the_id_of_its_document_before_that_is_made(jobs):
    jobs.queue("/a.pdf", "a.pdf")
    jobs.queue_reencoding("default")
    first = jobs.claim(dead_worker())
    assert len(first.document) == 16 and jobs.claim(ME).document == first.document
    assert jobs.claim(ME).document == ""


def test_a_job_claimed_by_a_second_worker_keeps_its_upload_when_the_first_one_ends(jobs):
    jobs.uploads.mkdir()
    path = jobs.uploads / "a.pdf"
    path.write_text("a file")
    jobs.queue(path, "a.pdf")
    first, claimed = jobs.claim(dead_worker()), jobs.claim(ME)
    assert jobs.finish(first, "failed") == claimed and path.exists()


def test_resuming_and_reencoding_are_queued_once_at_a_time(jobs):
    first, again = jobs.queue_resume("1234", "a.pdf"), jobs.queue_resume("1234", "a.pdf")
    other = jobs.queue_resume("5678", "b.pdf")
    encoding = jobs.queue_reencoding("default")
    assert first == again and jobs.queue_reencoding("default") == encoding
    assert [(job.kind, job.document) for job in jobs.all()] == [
        ("resume", "1234"),
        ("resume", "5678"),
        ("reencode", ""),
    ]
    jobs.finish(jobs.claim(ME), "failed")
    jobs.cancel(jobs.claim(ME).key)
    assert jobs.queue_resume("1234", "a.pdf").key > first.key, "what has ended is done again, and listed once"
    assert jobs.queue_resume("5678", "b.pdf").key > other.key, "and so is what is being stopped"
    assert [job.document for job in jobs.all()] == ["5678", "", "1234", "5678"]
