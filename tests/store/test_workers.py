"""Who works on a library and is alive: told by a lock, not by a machine's name or a process number."""

import gc
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from colvision.errors import LibraryLocked
from colvision.store import Store
from colvision.store.workers import FOLDER, Workers, holder_of, process_of
from tests.helpers import ROOT
from tests.helpers.other_worker import AGAIN
from tests.helpers.stores import add, begin, encoded, write

COMMAND = (sys.executable, "-m", "tests.helpers.other_worker")


@contextmanager
def other_worker(library, file):
    """A process that is at work on a library; killed when the block ends, as in a container that is removed."""
    with subprocess.Popen(
        [*COMMAND, library, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            assert process.stdout.readline() == "at work\n"
            yield
        finally:
            process.kill()


def test_what_another_machine_name_began_is_left_to_it_while_it_lives_and_goes_on_when_it_is_dead(store, quick_path):
    """One that works in a container of its own: its process number means nothing here."""
    half = write(quick_path, "half.pdf", "H")
    add(store, write(quick_path, "old.pdf", "O"), "old", collection="archive")
    key = store.collection("archive").key
    job = store.jobs.queue("/a.pdf", "a.pdf")
    with other_worker(store.path, half):
        with pytest.raises(LibraryLocked, match="'half.pdf' is being ingested by c0ffee000001 process"):
            begin(store, half)
        with pytest.raises(LibraryLocked, match=r"'old.pdf' is being ingested"):
            store.reencoding.open_next(key)
        assert store.jobs.claim() is None and store.jobs.is_worked_on(store.jobs.get(job.key))
        assert store.seen(store.find("half.pdf")).state == "ingesting"
    shown = store.seen(store.find("half.pdf"))
    assert (shown.state, shown.reason) == ("interrupted", "")
    assert begin(store, half).missing == (1, 2)
    again = store.reencoding.open_next(key)
    store.writer.commit(again, [encoded(1, "old", encoder=AGAIN)], AGAIN.info)
    store.writer.finish(again)
    assert store.reencoding.swap(key)
    assert store.jobs.claim().key == job.key
    assert len(list((store.path / FOLDER).iterdir())) == 1, "the file of the dead is removed"


def test_a_worker_is_alive_under_any_machine_name_until_it_is_closed(quick_path, monkeypatch):
    one, other = Workers(quick_path), Workers(quick_path)
    name = one.current()
    monkeypatch.setattr(socket, "gethostname", lambda: "renamed")
    assert one.current() == name and other.is_alive(name) and other.current() != name
    assert process_of(name) and holder_of(other.current()).startswith("renamed process")
    one.close()
    assert not other.is_alive(name)
    other.close()
    assert list((quick_path / FOLDER).iterdir()) == []


def test_a_worker_that_nobody_closes_ends_when_it_is_forgotten(quick_path):
    workers = Workers(quick_path)
    workers.current()
    assert len(list((quick_path / FOLDER).iterdir())) == 1
    del workers
    gc.collect()
    assert list((quick_path / FOLDER).iterdir()) == []


def test_nobody_knows_of_a_worker_that_an_older_colvision_ran_on_another_machine(quick_path):
    workers = Workers(quick_path)
    assert workers.is_alive("elsewhere process 12/34") is None
    assert workers.is_alive("worker-7") is None and workers.is_alive("") is None


def test_an_opening_that_only_reads_leaves_no_file(quick_path):
    with Store(quick_path / "library") as store:
        store.documents("default")
    assert not (quick_path / "library" / FOLDER).exists()
