"""Contents and index pages are told by their text."""

import pytest
from colvision.app.services.listings import is_listing
from colvision.app.services.search import SearchRequest

from tests.helpers.pdf_files import lines_page, pages_file, text_page, written

LINES = [
    "1 Safety 3",
    "2 Setting up 5",
    "2.1 Bleeding the pump 7",
    "3 Maintenance 12",
    "3.1 Oil filter 14",
    "4 Spare 20",
]
CONTENTS = "\n".join(["Contents", *LINES])
LEADERS = "\n".join(f"{number} Chapter about a thing ........ {number * 3}" for number in range(1, 9))
SPACED = "\n".join(f"{number} Chapter . . . . . . . . {number * 3}" for number in range(1, 9))
INDEX = "Index\nbleeding, 7\nfilter, 14, 15\npump, 3, 7, 12\noil, 14\nvalve, 5\nspare parts, 20"
VALUES = "Technical data\nPressure bar 210\nFlow l/min 40\nWeight kg 18\nOil temperature 70\nSpeed 1500\nVoltage 400"
PROSE = "Contents of the delivery\nThe pump comes in a box with a valve.\nCheck it before you go on."
SENTENCE = "Bleeding\nOpen the valve ..... and wait for 5\nClose it.\nFill up.\nRepeat.\nDone."


@pytest.mark.parametrize("text", [CONTENTS, LEADERS, SPACED, INDEX, CONTENTS.replace("Contents", "Inhaltsverzeichnis")])
def test_lines_that_run_to_page_numbers_are_a_listing(text):
    assert is_listing(text)


@pytest.mark.parametrize("text", ["", VALUES, PROSE, SENTENCE])
def test_other_pages_are_none(text):
    assert not is_listing(text)


def test_a_hit_tells_whether_it_is_one(service, tmp_path):
    listing = lines_page(*LEADERS.replace("thing", "bleeding").splitlines())
    service.library.ingest(written(tmp_path, pages_file(listing, text_page("bleeding the pump"))))
    hits = service.search.search(SearchRequest("bleeding")).hits
    assert {hit.page: hit.is_listing for hit in hits} == {1: True, 2: False}


def test_another_file_in_the_place_of_a_document_is_looked_at_anew(service, tmp_path):
    listing = lines_page(*LEADERS.replace("thing", "bleeding").splitlines())
    for pages, is_one in (([listing], True), ([text_page("bleeding the pump")], False)):
        service.library.ingest(written(tmp_path, pages_file(*pages)), replace=True)
        for _ in range(2):
            assert [hit.is_listing for hit in service.search.search(SearchRequest("bleeding")).hits] == [is_one]
