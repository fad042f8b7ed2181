"""Power cuts and failing disks, replayed from the file operations of real work: the library opens, and knows its state.

A sample here; `make soak` cuts after every operation and lets each one fail.
"""

import numpy as np
import pytest

from colvision.errors import DocumentNotFound
from colvision.maxsim import quantise
from colvision.store import Store
from tests.faults import shim
from tests.faults.disk import Disk
from tests.faults.run import run
from tests.faults.shim import Kind, Operation
from tests.faults.state import ENCODERS, State, encoded
from tests.faults.work import Delete, Open, Reencoding, Swap, Work, filled

pytestmark = pytest.mark.slow

watched = pytest.mark.skipif(bool(shim.missing()), reason=shim.missing() or "none")


@watched
def test_a_power_cut_after_any_file_operation_leaves_what_was_acknowledged():
    output = run("power_cuts", 211, preload=True)
    assert output.rstrip().endswith(" 0 faults"), output


@watched
def test_the_replay_finds_out_a_library_that_does_not_flush():
    output = run("power_cuts", 499, 1, preload=True)
    assert " 0 faults" not in output, "a writer without a single fsync was found to be safe"


@watched
def test_an_operation_that_fails_raises_an_error_of_ours_and_costs_nothing():
    output = run("failures", 613, preload=True)
    assert output.rstrip().endswith(" 0 faults"), output


@pytest.mark.parametrize("log", ["catalog.sqlite-journal", "catalog.sqlite-wal"])
def test_a_log_whose_catalogue_was_lost_while_it_was_made_is_an_empty_library(log, quick_path):
    (quick_path / log).write_bytes(bytes(512))
    with Store(quick_path) as store:
        assert store.documents("default") == []


def test_a_page_is_found_by_one_who_looked_its_document_up_before_it_was_encoded_again(quick_path):
    work = Work(quick_path / "library", quick_path, State())
    for step in (Open(), *filled("a", "a.1.0")):
        work.do(step)
    row = work.store.find("a")
    work.do(Reencoding())
    work.do(Swap())
    page = encoded("a.1.0", 1, 1)
    assert work.store.page_text(row, 1) == page.text.text
    assert work.store.page_image_path(row, 1).read_bytes() == page.jpeg
    codes = quantise(page.embedding.vectors, ENCODERS[1].info.quantisation_range)
    np.testing.assert_array_equal(work.store.stored_page(row, 1).codes, codes)
    work.do(Delete("a"))
    with pytest.raises(DocumentNotFound, match="deleted or replaced meanwhile"):
        work.store.page_text(row, 1)
    work.close()


def operation(kind, path="", fd=3, *, data=b"", offset=0, flags=0o100, failed=False):
    return Operation(kind, failed, fd, flags, offset, path, data)


def left(operations, names, data):
    disk = Disk()
    for each in operations:
        disk.take(each)
    return disk.cut(names, data, np.random.default_rng(0))


WRITTEN = (operation(Kind.OPEN, "new.tmp"), operation(Kind.WRITE, data=b"abcd"))
RENAMED = operation(Kind.RENAME, "new.tmp", data=b"new")
FLUSHED = (operation(Kind.OPEN, "", fd=4, flags=0), operation(Kind.SYNC, fd=4))


def test_a_file_that_was_not_flushed_may_be_whole_torn_zeros_or_empty():
    assert left(WRITTEN, "kept", "kept") == {"new.tmp": b"abcd"}
    assert left(WRITTEN, "kept", "torn") == {"new.tmp": b"ab"}
    assert left(WRITTEN, "kept", "zeros") == {"new.tmp": b"\0\0\0\0"}
    assert left(WRITTEN, "kept", "dropped") == {"new.tmp": b""}
    assert left([*WRITTEN, operation(Kind.SYNC)], "kept", "dropped") == {"new.tmp": b"abcd"}


def test_a_name_lasts_only_after_its_folder_was_flushed():
    assert left([*WRITTEN, operation(Kind.SYNC)], "dropped", "kept") == {}
    flushed = [*WRITTEN, operation(Kind.SYNC), *FLUSHED, RENAMED]
    assert left(flushed, "dropped", "kept") == {"new.tmp": b"abcd"}
    assert left([*flushed, *FLUSHED], "dropped", "dropped") == {"new": b"abcd"}
    assert left([*flushed, *FLUSHED, operation(Kind.UNLINK, "new")], "dropped", "kept") == {"new": b"abcd"}


def test_what_a_failed_flush_should_have_kept_counts_as_lost():
    assert left([*WRITTEN, operation(Kind.SYNC, failed=True)], "kept", "dropped") == {"new.tmp": b""}


def test_the_disk_refuses_what_its_model_does_not_know():
    with pytest.raises(ValueError, match="sendfile"):
        Disk().take(operation(Kind.STRANGE, "sendfile"))
