"""The page inspector in a Gradio page of somebody's own, twice, in a real browser."""

import re
import sys

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
from tests.helpers import browser as drive  # it imports playwright
from tests.helpers.browser import expect

pytestmark = pytest.mark.browser

OWN = (sys.executable, "-m", "tests.helpers.inspector_app")


@pytest.fixture(scope="module")
def server():
    with drive.serving(*OWN) as address:
        yield address


@pytest.fixture
def own(page, server):
    page.set_viewport_size({"width": 1500, "height": 1400})
    page.goto(server)
    for name in ("one", "other"):
        expect(page.locator(f"#{name} [data-part=canvas]")).to_have_attribute("aria-label", re.compile("coloured"))
    return page


def of(page, name, part):
    return page.locator(f"#{name} [data-part={part}]")


def field(page, label):
    return page.get_by_label(label, exact=True)


def colour_at(page, name, row, col):
    """Red, green and blue in the middle of a patch, as it is drawn."""
    return of(page, name, "canvas").evaluate(
        "(canvas, [row, col]) => [...canvas.getContext('2d').getImageData("
        "(col + .5) / 4 * canvas.width, (row + .5) / 6 * canvas.height, 1, 1).data].slice(0, 3)",
        [row, col],
    )


def click_patch(page, name, row, col):
    box = of(page, name, "canvas").bounding_box()
    x, y = box["x"] + (col + 0.5) / 4 * box["width"], box["y"] + (row + 0.5) / 6 * box["height"]
    page.mouse.click(x, y)


def test_two_inspectors_in_one_page_show_their_own_and_tell_python(own):
    expect(of(own, "one", "title")).to_have_text("first page")
    expect(of(own, "other", "title")).to_have_text("second page")
    one, other = (own.locator(f"#{name}") for name in ("one", "other"))
    expect(one.get_by_role("radio", name="All words")).to_be_checked()
    expect(other.get_by_role("radio", name="blue")).to_be_checked()  # by its property
    one.get_by_role("radio", name="red").click()
    expect(field(own, "chosen")).to_have_value("0 'red'")
    expect(other.get_by_role("radio", name="blue")).to_be_checked()
    one.get_by_role("radio", name="red").press("ArrowLeft")
    expect(field(own, "chosen")).to_have_value("None ''")
    ids = own.evaluate("[...document.querySelectorAll('.cv-inspector [id]')].map((each) => each.id)")
    assert ids == []


def test_a_click_on_a_patch_tells_its_row_and_column_and_what_is_strongest_there(own):
    for name in ("one", "other"):
        of(own, name, "fit-page").click()
    click_patch(own, "one", 4, 0)
    expect(field(own, "clicked")).to_have_value(re.compile(r"^4 0 'blue' 0\.6"))
    click_patch(own, "one", 5, 3)  # it has no vector
    expect(field(own, "clicked")).to_have_value("5 3 '' None")
    before = of(own, "one", "sheet").bounding_box()
    of(own, "one", "larger").click()
    assert of(own, "one", "sheet").bounding_box()["width"] > before["width"]
    assert of(own, "other", "sheet").bounding_box()["width"] == before["width"]


def test_the_patches_of_the_chosen_word_are_coloured_and_the_switch_takes_the_colour_away(own):
    own.locator("#one").get_by_role("radio", name="red").click()
    coloured, other = colour_at(own, "one", 1, 2), colour_at(own, "one", 4, 0)
    of(own, "one", "heat").uncheck()
    plain = colour_at(own, "one", 1, 2)
    assert plain[0] - coloured[0] > 20 and colour_at(own, "one", 4, 0) == other


def test_python_puts_another_page_into_one_or_none_or_changes_how_it_looks(own):
    own.get_by_role("button", name="Swap").click()
    expect(of(own, "one", "title")).to_have_text("second page")
    expect(field(own, "read")).to_have_value("second page")
    own.get_by_role("button", name="Look").click()
    expect(own.locator("#one").get_by_role("radio", name="red")).to_be_checked()
    expect(of(own, "one", "opacity")).to_have_value("40")
    expect(of(own, "one", "title")).to_have_text("second page")
    own.get_by_role("button", name="Empty").click()
    expect(own.locator("#one .cv-inspector")).to_be_hidden()
    expect(own.locator("#other .cv-inspector")).to_be_visible()


def test_what_needs_a_document_is_neither_seen_nor_in_the_way(own):
    expect(own.locator("#one .cv-of-reader:visible")).to_have_count(0)
    own.locator("#one").get_by_role("button", name="More").click()
    with own.expect_download() as saving:
        own.locator("#one").get_by_role("button", name="Save image").click()
    assert saving.value.suggested_filename == "first page.png"
