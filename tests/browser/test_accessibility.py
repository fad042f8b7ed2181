"""With the keyboard alone, with large letters, and by axe-core's rules of WCAG 2.2 AA, in a real browser."""

import re
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
from tests.helpers import browser as drive  # it imports playwright
from tests.helpers.browser import expect

pytestmark = pytest.mark.browser

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RUN = """async (rules) => {
    const { violations, passes } = await axe.run(document, { runOnly: { type: "tag", values: rules } });
    const told = (id, { target, failureSummary }) => [id, target.join(" "), failureSummary];
    return [passes.length, violations.flatMap(({ id, nodes }) => nodes.map((node) => told(id, node)))];
}"""
# A page with everything open that can be; how it is reached, the size of its window, and its colours.
OPEN = "/?q=oil+filter"
STATES = {
    "start": ("/", (1440, 900), "light", ""),
    "page": (OPEN, (1440, 900), "light", "[data-part=thumbnails-shown]"),
    "page, dark": (OPEN, (1440, 900), "dark", "#cv-more"),
    "library above the rest": ("/", (900, 800), "light", "#cv-drawer-open"),
    "phone": (OPEN, (390, 844), "light", ".cv-card"),
    "menu": (OPEN, (1000, 800), "dark", "[data-part=menu]"),
}


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_against_wcag_22_aa(page, server, state):
    package = pytest.importorskip("axe_playwright_python", reason="axe-core comes with axe-playwright-python")
    path, size, scheme, pressed = STATES[state]
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    page.emulate_media(color_scheme=scheme)
    drive.show(page, server + path)
    if path != "/":
        expect(page.locator("#cv-results .cv-card").first).to_be_visible()
        if size[0] > 899:
            expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    if pressed:
        page.locator(pressed).first.click()
    if pressed == ".cv-card":
        expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    page.evaluate((Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    passed, violations = page.evaluate(RUN, RULES)
    assert violations == []
    assert passed > 15


def focused(page):
    return page.evaluate("(at => at.id || at.dataset.part || at.className)(document.activeElement)")


def test_the_words_are_one_stop_of_the_keyboard_and_keep_the_focus_from_page_to_page(page, server):
    drive.show(page, f"{server}/?q=oil+filter")
    chosen = page.locator("[data-part=chips] [tabindex='0']")
    expect(chosen).to_have_count(1)
    chosen.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="oil")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="filter")).to_be_focused()
    expect(page.get_by_role("radio", name="filter")).to_have_attribute("aria-checked", "true")
    page.keyboard.press("t")
    expect(page.get_by_role("radio", name="All words")).to_have_attribute("aria-checked", "true")
    page.locator("[data-part=number]").fill("2")
    page.keyboard.press("Enter")
    expect(page.locator("[data-part=place]")).to_have_text("page 2 of 3")
    expect(page.locator("[data-part=number]")).to_be_focused()
    row = page.locator(".cv-seen").nth(1)
    row.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-part=place]")).to_have_text("page 1 of 3")
    expect(row).to_be_focused()
    page.locator("[data-part=next]").focus()
    for number in (2, 3):
        page.keyboard.press("Enter")
        expect(page.locator("[data-part=place]")).to_have_text(f"page {number} of 3")
    expect(page.locator("[data-part=number]")).to_be_focused()  # there is no next page any more


def test_keys_of_one_letter_can_be_switched_off_for_good(page, server):
    drive.show(page, f"{server}/?q=oil+filter")
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    page.click("#cv-more")
    page.uncheck("#cv-letter-keys")
    page.reload()
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    for key in ("h", "t", "r", "/"):
        page.keyboard.press(key)
    expect(page.locator("[data-part=heat]")).to_be_checked()
    expect(page.get_by_role("radio", name="All words")).to_have_attribute("aria-checked", "true")
    assert focused(page) not in ("cv-query",)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-part=place]")).to_have_text("page 2 of 3")
    page.click("#cv-more")
    page.check("#cv-letter-keys")
    page.locator("[data-part=stage]").focus()
    page.keyboard.press("h")
    expect(page.locator("[data-part=heat]")).not_to_be_checked()


def test_the_first_stops_lead_past_the_library(page, server):
    drive.show(page, f"{server}/?q=oil+filter")
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    before = page.url
    for name, reached in (("Skip to the search", "cv-query"), ("Skip to the page", "stage")):
        page.evaluate("document.activeElement.blur()")
        page.evaluate("document.querySelector('.cv-skip').focus()")
        link = page.get_by_role("link", name=name)
        if not link.evaluate("link => link === document.activeElement"):
            page.keyboard.press("Tab")
        expect(link).to_be_in_viewport()
        page.keyboard.press("Enter")
        assert focused(page) == reached
    assert page.url == before


def test_what_lies_above_the_rest_is_a_dialog_that_holds_the_focus_and_gives_it_back(page, server):
    page.set_viewport_size({"width": 390, "height": 844})
    drive.show(page, f"{server}/?q=oil+filter")
    card = page.locator("#cv-results .cv-card").first
    card.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Page")).to_be_visible()
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    inside = "document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))"
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate(inside)
    page.keyboard.press("Escape")
    expect(page.locator(".cv-inspector")).to_be_hidden()
    expect(card).to_be_focused()
    opener = page.locator("#cv-drawer-open")
    opener.click()
    expect(page.get_by_role("dialog", name="Library")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate(inside)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Library")).to_be_hidden()
    expect(opener).to_be_focused()
    card.click()
    page.set_viewport_size({"width": 1440, "height": 900})  # there is room now: beside the results
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("[data-part=canvas]")).to_be_visible()


def test_escape_closes_the_menu_before_the_page(page, server):
    page.set_viewport_size({"width": 1000, "height": 800})
    drive.show(page, f"{server}/?q=oil+filter")
    page.click("[data-part=menu]")
    expect(page.locator("[data-part=like]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("[data-part=like]")).to_be_hidden()
    expect(page.locator(".cv-inspector")).to_be_visible()
    page.click("[data-part=menu]")
    page.click("[data-part=like]")
    expect(page).to_have_url(re.compile("like="))


def test_with_letters_four_times_as_large_nothing_has_to_be_scrolled_sideways(page, server):
    """WCAG 1.4.10: a window of 1,280 x 1,024 pixels at 400 % is one of 320 x 256."""
    page.set_viewport_size({"width": 320, "height": 256})
    drive.show(page, f"{server}/?q=oil+filter")
    sideways = "document.documentElement.scrollWidth - innerWidth"
    assert page.evaluate(sideways) <= 0
    page.locator("#cv-results .cv-card").first.click()
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    panel = "(panel => panel.scrollWidth - panel.clientWidth)(document.querySelector('.cv-inspector'))"
    assert page.evaluate(panel) <= 0
    for name in ("[data-part=larger]", "[data-part=fit-page]", "[data-part=scale]"):
        expect(page.locator(name)).to_be_in_viewport(ratio=1)
    page.locator(".cv-seen").last.scroll_into_view_if_needed()
    expect(page.locator(".cv-seen").last).to_be_in_viewport()
