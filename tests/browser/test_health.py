"""What of a document was not read, and trying it again, in a real browser."""

import json
from collections import Counter

import pytest
from PIL import Image

from colvision.testing import text_page
from colvision.testing.toy import PAGE_SHAPE

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
from tests.helpers import browser as drive  # it imports playwright
from tests.helpers.browser import expect

pytestmark = pytest.mark.browser


@pytest.fixture
def torn(tmp_path):
    """Four pages; the compressed pixels of the second and the third are overwritten."""
    path = tmp_path / "torn.tiff"
    first, *more = (text_page([word], shape=PAGE_SHAPE) for word in ("cam", "cog", "cap", "cup"))
    first.save(path, save_all=True, append_images=more, compression="tiff_lzw")
    data = bytearray(path.read_bytes())
    with Image.open(path) as image:
        for page in (1, 2):
            image.seek(page)
            (offset, *_), (length, *_) = image.tag_v2[273], image.tag_v2[279]
            data[offset : offset + length] = bytes([255]) * length
    return bytes(data)


def test_pages_that_failed_are_told_and_tried_again_once(page, server, torn):
    at = {"name": "torn.tiff", "collection": "torn"}
    page.request.post(f"{server}/api/v1/documents", params=at, data=torn)
    drive.show(page, f"{server}/?collection=torn")
    row = page.locator("#cv-documents .cv-row", has_text="torn.tiff")
    badge = row.locator("summary")
    expect(badge).to_have_text("2 pages failed")
    expect(row.get_by_role("button", name="Try again")).to_be_hidden()
    badge.click()
    expect(row).to_contain_text("Pages 2-3 not read: ")
    expect(row).to_contain_text("last tried")
    asked = Counter()
    page.on("request", lambda request: asked.update([request.url.rpartition("/")[2]]))
    page.evaluate(  # faster than a hand: what is gone after the first click cannot be clicked again
        """() => {
            const buttons = () => [...document.querySelectorAll("#cv-documents button")];
            const again = () => buttons().find((each) => each.textContent === "Try again");
            for (let i = 0; i < 3; i++) again()?.click();
        }"""
    )
    expect(row).to_contain_text("Queued")
    expect(row).to_contain_text("Pages 2-3 not read: ")
    expect(row.get_by_role("button", name="Try again")).to_be_visible()
    assert asked["resume"] == 1
    row.get_by_role("button", name="torn.tiff", exact=True).click()
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("[data-part=page-message]")).to_contain_text("could not be read")
    page.get_by_role("button", name="Next page").click()
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("[data-part=canvas]")).to_be_visible()
    expect(page.locator("[data-part=place]")).to_have_text("page 4 of 4")


def test_what_of_a_page_was_not_read_is_told_in_the_list_and_on_the_page(page, server):
    """The notes are put into the answer: how they are made is tested where files are read."""
    notes = [
        {"kind": "attachments", "text": "holds 2 files that were not read", "pages": []},
        {"kind": "shrunk", "text": "was shrunk until print below 3 mm is lost", "pages": [1, 3]},
    ]
    summary = "2 pages shrunk, attachments"

    def noted(route):
        answer = route.fetch()
        library = answer.json() if answer.ok and answer.status == 200 else None
        for document in library["documents"] if library else ():
            if document["name"] == "pump.tiff":
                document["health"] = {"is_whole": False, "summary": summary, "failed": [], "notes": notes}
        route.fulfill(response=answer, body=json.dumps(library) if library else "")

    page.route("**/api/v1/library", noted)
    drive.show(page, f"{server}/?q=oil+filter")
    row = page.locator("#cv-documents .cv-row", has_text="pump.tiff")
    row.locator("summary").click()
    expect(row).to_contain_text("Each of pages 1, 3 was shrunk until")
    expect(row).to_contain_text("pump.tiff holds 2 files that were not read")
    expect(row.get_by_role("button", name="Try again")).to_have_count(0)
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    expect(page.locator("[data-part=page-notes]")).to_have_text("This page was shrunk until print below 3 mm is lost.")
    page.get_by_role("button", name="Previous page").click()
    expect(page.locator("[data-part=place]")).to_have_text("page 2 of 3")
    expect(page.locator("[data-part=page-notes]")).to_be_hidden()
