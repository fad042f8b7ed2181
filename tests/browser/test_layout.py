"""What has room on the page, from a phone to a wide desktop and in letters of any width, in a real browser."""

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
from tests.helpers import browser as drive  # it imports playwright
from tests.helpers.browser import expect

pytestmark = pytest.mark.browser

SIZES = ((360, 740), (390, 844), (640, 360), (768, 1024), (899, 700), (900, 700), (1024, 600), (1180, 800), (1200, 800))
SIZES += ((320, 256), (640, 512))  # a window of 1,280 x 1,024 pixels, its letters four times and twice as large
SIZES += ((1280, 720), (1281, 720), (1366, 768), (1440, 900), (1920, 1080), (2560, 1440))
WIDE_LETTERS = "#cv-frame * { letter-spacing: 1.6px !important }"  # as much wider as any font is than another
LONG_NAME = "Operating and maintenance instructions for the hydraulic power unit, fourth edition.pdf"

# What of these is not wholly visible, sideways; within the open page.
OUTSIDE = """names => names.filter((name) => {
    const panel = document.querySelector(".cv-inspector").getBoundingClientRect();
    const box = document.querySelector(`[data-part=${name}]`).getBoundingClientRect();
    const [left, right] = [Math.max(0, panel.left) - .5, Math.min(innerWidth, panel.right) + .5];
    return !(box.width && box.left >= left && box.right <= right);
})"""
# Which of these cannot be clicked on because something else lies above, or because they are below the fold.
COVERED = """names => names.filter((name) => {
    const element = document.querySelector(`[data-part=${name}]`);
    const box = element.getBoundingClientRect();
    const there = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    return !element.contains(there);
})"""
# How much of the page image is seen at least by scrolling nothing but the panel, in pixels.
SEEN = "document.querySelector('[data-part=stage]').clientHeight"
BAR = ["thumbnails-shown", "previous", "number", "next", "close"]
TOOLS = ["open", "like", "download", "print", "copy"]
CONTROLS = ["probe-text", "heat", "patches", "style", "opacity"]
FOOT = ["smaller", "larger", "fit", "fit-page", "rotate", "low", "high", "unit"]


def test_all_that_is_done_with_a_page_is_in_reach_at_any_width_in_any_font(page, server):
    drive.show(page, f"{server}/?q=oil+filter")
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    faults = []
    for letters in (" ", WIDE_LETTERS):
        page.add_style_tag(content=letters)
        for name in ("pump.tiff", LONG_NAME):
            page.evaluate("name => (document.querySelector('[data-part=title]').textContent = name)", name)
            for width, height in SIZES:
                page.set_viewport_size({"width": width, "height": height})
                found = out_of_reach(page)
                for _ in range(40):  # what depends on the width comes a moment after it
                    if not any(found):
                        break
                    page.wait_for_timeout(50)
                    found = out_of_reach(page)
                if any(found):
                    faults.append((width, height, name, letters, *found))
    assert faults == []


def out_of_reach(page):
    """What cannot be seen wholly, what cannot be clicked on, and whether the page is wider than the window."""
    outside = page.evaluate(OUTSIDE, [*BAR, *CONTROLS, *FOOT, "canvas"])
    covered = page.evaluate(COVERED, [*BAR, *FOOT])
    if page.evaluate(SEEN) < 90:
        covered.append("canvas")
    is_folded = page.locator("[data-part=menu]").is_visible()
    if is_folded:
        page.click("[data-part=menu]")
    covered += page.evaluate(COVERED, TOOLS)
    if is_folded:
        page.keyboard.press("Escape")
    return outside, covered, page.evaluate("document.documentElement.scrollWidth - innerWidth") > 0


def test_fit_leaves_nothing_to_scroll_sideways(page, server):
    drive.show(page, f"{server}/?q=oil+filter")
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    for _ in range(4):
        page.click("[data-part=larger]")
    page.evaluate("document.querySelector('[data-part=stage]').scrollTo(900, 300)")
    page.hover("[data-part=stage]")
    page.mouse.wheel(40, 40)
    expect(page.locator("[data-part=hover]")).to_be_visible()
    page.keyboard.press("0")
    sideways = "(stage => stage.scrollWidth - stage.clientWidth)(document.querySelector('[data-part=stage]'))"
    assert page.evaluate(sideways) == 0
    page.click("[data-part=larger]")
    page.click("[data-part=fit]")
    assert page.evaluate(sideways) == 0


@pytest.mark.parametrize(("size", "scheme"), [((1440, 900), "dark"), ((1024, 768), "light"), ((390, 844), "dark")])
def test_nothing_sticks_out_sideways(page, server, size, scheme):
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    page.emulate_media(color_scheme=scheme)
    drive.show(page, f"{server}/?q=oil+filter")
    expect(page.locator("#cv-results .cv-card").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.get_by_role("button", name="Search", exact=True)).to_be_in_viewport(ratio=1)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, dark[4:-1].split(","))) < 200) is (scheme == "dark")


def test_nothing_is_cut_off_at_the_start(page, server):
    drive.show(page, server)
    needed = """element => {
        const text = element.placeholder ?? element.selectedOptions[0].text;
        const style = getComputedStyle(element);
        const context = document.createElement("canvas").getContext("2d");
        context.font = style.font;
        const padding = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
        return context.measureText(text).width + padding <= element.clientWidth;
    }"""
    page.evaluate("document.querySelector('#cv-collection').selectedOptions[0].text = 'default (12,345)'")
    for width, height in ((1440, 900), (1280, 800), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.locator("#cv-query").evaluate(needed)
        assert page.locator("#cv-collection").evaluate(needed)
