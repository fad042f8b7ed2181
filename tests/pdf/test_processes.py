"""Several processes that draw one file: its pages in their order, as one draws them."""

import numpy as np
import pytest

from colvision.pdf import Limits, read_pages
from colvision.pdf.sandbox import reader
from tests.helpers.pdf_files import SMALL, forms_bomb, text_file, written
from tests.pdf.test_sandbox import NEEDS_PROC, processes_of, wait_for

pytestmark = pytest.mark.slow

WORDS = [f"page {number}" for number in range(1, 41)]


@pytest.fixture(scope="module")
def manual(tmp_path_factory):
    return written(tmp_path_factory.mktemp("manual"), text_file(*WORDS))


def test_pages_come_in_their_order_and_look_the_same(manual):
    ours, theirs = (list(read_pages(manual, pixels=SMALL, processes=count)) for count in (3, 1))
    assert [page.text for page in ours] == WORDS
    for one, other in zip(ours, theirs, strict=True):
        assert one.number == other.number
        np.testing.assert_array_equal(one.image, other.image)


def test_pages_that_are_asked_for_come_in_that_order(manual):
    numbers = [*range(40, 0, -2), 7, 7]
    assert [page.number for page in read_pages(manual, numbers=numbers, pixels=SMALL, processes=2)] == numbers


def test_numbers_are_read_as_many_ahead_as_there_are_processes(manual):
    taken = []

    def numbers():
        for number in range(1, 41):
            taken.append(number)
            yield number

    pages = read_pages(manual, numbers=numbers(), pixels=SMALL, processes=3)
    next(pages)
    assert taken == [1, 2, 3, 4]
    pages.close()


@NEEDS_PROC
@pytest.mark.parametrize(("pages", "expected"), [(16, 1), (17, 2), (40, 3)])
def test_few_pages_start_few_processes_and_none_is_left(manual, pages, expected):
    reading = read_pages(manual, numbers=range(1, pages + 1), pixels=SMALL, processes=4)
    next(reading)
    assert len(processes_of(manual, "colvision.pdf.sandbox.worker")) == expected
    reading.close()
    assert wait_for(lambda: not processes_of(manual))


def test_a_page_that_ends_its_process_costs_only_itself(tmp_path):
    path = written(tmp_path, forms_bomb(before=20, bombs=2, after=20))
    pages = list(read_pages(path, limits=Limits(page_seconds=1.0), pixels=SMALL, processes=2))
    failed = {number + 1: page.reason for number, page in enumerate(pages) if hasattr(page, "reason")}
    assert failed == dict.fromkeys([21, 22], "took longer than 1 s (limit page_seconds)")
    assert [page.number for page in pages] == list(range(1, 43))


def test_the_time_that_is_lost_is_counted_over_all_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "_MAX_LOST_TIMES", 0.5)
    path = written(tmp_path, forms_bomb(before=1, bombs=2, after=20))
    first, *lost = read_pages(path, limits=Limits(page_seconds=1.0), pixels=SMALL, processes=2)
    assert first.text == "good"
    assert all("was not tried: pages before it" in page.reason for page in lost[2:])


def test_no_process_at_all_draws_nothing(manual):
    with pytest.raises(ValueError, match="processes is 0; expected 1 or more"):
        read_pages(manual, processes=0)
