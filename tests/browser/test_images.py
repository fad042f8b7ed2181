"""Asking with a page or an image, in a real browser."""

import base64

import pytest

from colvision.testing import text_page
from colvision.testing.toy import PAGE_SHAPE

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
from tests.helpers import browser as drive  # it imports playwright
from tests.helpers.browser import expect, search

pytestmark = pytest.mark.browser


def test_more_pages_like_the_open_one_are_found(page, server):
    drive.show(page, f"{server}/?q=oil")
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("button", name="More like this").click()
    expect(page.locator("#cv-summary")).to_contain_text("like page 3 of pump.tiff")
    expect(page.locator("[data-part=rows]")).to_contain_text("place 1")
    expect(page.locator("#cv-query")).to_have_value("")
    assert "like=" in page.url and "q=" not in page.url


@pytest.fixture
def photo(tmp_path):
    """An image of a page that the library holds."""
    path = tmp_path / "photo.png"
    text_page(["oil", "filter"], shape=PAGE_SHAPE).save(path)
    return path


def choose(page, path):
    page.set_input_files("#cv-image-file", path)
    expect(page.locator("#cv-summary")).to_contain_text("like the image")


def hand_over(page, event, path):
    """As a drop on the search field, or a paste, hands a file to the page."""
    page.evaluate(
        """([event, data]) => {
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            const handed = new DataTransfer();
            handed.items.add(new File([bytes], "photo.png", { type: "image/png" }));
            const options = { clipboardData: handed, dataTransfer: handed, bubbles: true, cancelable: true };
            const made = event === "paste" ? new ClipboardEvent(event, options) : new DragEvent(event, options);
            document.querySelector("#cv-query").dispatchEvent(made);
        }""",
        [event, base64.b64encode(path.read_bytes()).decode()],
    )


def test_an_image_finds_its_page_and_is_shown_as_the_question_until_words_take_its_place(page, server, photo):
    drive.show(page, server)
    choose(page, photo)
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    expect(page.locator("[data-part=rows]")).to_contain_text("place 1")
    expect(page.get_by_role("img", name="The image that is asked with")).to_be_visible()
    assert "image=" in page.url
    page.reload()
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    expect(page.get_by_role("img", name="The image that is asked with")).to_be_visible()
    search(page, "spare parts")
    expect(page.locator("[data-part=place]")).to_have_text("page 2 of 3")
    expect(page.locator("#cv-example-query")).to_be_hidden()
    assert "image=" not in page.url
    page.go_back()
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    expect(page.locator("#cv-example-query")).to_be_visible()


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_an_image_may_be_dropped_on_the_search_field_or_pasted_and_is_no_upload(page, server, photo, event):
    drive.show(page, server)
    hand_over(page, event, photo)
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    expect(page.locator("#cv-uploads .cv-row")).to_have_count(0)
    expect(page.locator("#cv-documents")).not_to_contain_text("photo.png")


def test_an_image_that_is_removed_asks_no_more(page, server, photo):
    drive.show(page, server)
    choose(page, photo)
    page.get_by_role("button", name="Remove the image that is asked with").click()
    expect(page.get_by_role("heading", name="What are you looking for?")).to_be_visible()
    expect(page.locator("#cv-example-query")).to_be_hidden()
    expect(page.locator("#cv-example-query-remove")).to_have_attribute("aria-label", "Remove")
    expect(page.locator("#cv-query")).to_be_focused()


def test_a_file_that_is_no_image_is_refused_and_the_question_stays(page, server, tmp_path):
    drive.show(page, f"{server}/?q=oil")
    notes = tmp_path / "notes.png"
    notes.write_text("no image at all")
    page.set_input_files("#cv-image-file", notes)
    expect(page.locator("#cv-message")).to_contain_text("notes.png is not a PDF, PNG", ignore_case=True)
    expect(page.locator("#cv-example-query")).to_be_hidden()
    expect(page.locator("#cv-query")).to_have_value("oil")


def test_a_link_with_an_image_that_is_not_kept_any_more_says_so(page, server):
    drive.show(page, f"{server}/?image={'0' * 32}")
    expect(page.locator("#cv-message")).to_contain_text("choose it again")
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#cv-message")).to_be_hidden()
