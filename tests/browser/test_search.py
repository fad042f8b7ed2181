"""Searching and looking at a page, in a real browser."""

import re
from urllib.parse import urlsplit

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
from colvision.testing import save_document
from tests.helpers import browser as drive  # it imports playwright
from tests.helpers.browser import expect, search
from tests.helpers.pdf_files import text_file

pytestmark = pytest.mark.browser


def ink(page):
    """The colours of the page image as drawn, as one number."""
    return page.evaluate(
        """() => {
            const canvas = document.querySelector('[data-part=canvas]');
            const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            return data.reduce((sum, value, at) => (sum * 31 + value * (at + 1)) % 1000003, 7);
        }"""
    )


def test_a_search_opens_the_best_page_and_says_what_it_cost(page, server):
    drive.show(page, server)
    search(page, "oil filter")
    expect(page.locator("#cv-summary")).to_be_visible()
    expect(page.locator("#cv-summary")).to_contain_text("ms (encode")
    expect(page.locator("#cv-results .cv-card").first).to_contain_text("page 3 of 3")
    expect(page.locator("[data-part=title]")).to_have_text("pump.tiff")
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    expect(page.locator("[data-part=rows] tr")).to_have_count(2)
    assert "q=oil+filter" in page.url


def test_words_patches_and_heat_change_what_is_drawn(page, server):
    drive.show(page, f"{server}/?q=oil+filter")
    expect(page.locator("[data-part=rows] tr")).to_have_count(2)
    drawn = [ink(page)]
    page.get_by_role("radio", name="oil").click()
    drawn.append(ink(page))
    page.keyboard.press("t")
    expect(page.get_by_role("radio", name="filter")).to_have_attribute("aria-checked", "true")
    drawn.append(ink(page))
    page.uncheck("[data-part=heat]")
    drawn.append(ink(page))
    page.uncheck("[data-part=patches]")
    drawn.append(ink(page))
    assert len(set(drawn)) == len(drawn)
    assert "word=filter" in page.url


def test_a_click_shows_the_page_with_its_heatmap_and_searches_nothing(page, server):
    """How long that takes is measured by `benchmarks.app`."""
    asked = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    drive.show(page, f"{server}/?q=oil&document={document_of(page, server)}")  # not in what other tests have added
    place = page.locator("[data-part=place]")
    expect(place).to_have_text("page 3 of 3")
    drive.wait_until(
        lambda: page.wait_for_timeout(20) or asked.count("/api/v1/explain") == 3
    )  # for the list's thumbnails
    before = ink(page)
    asked.clear()
    images = []
    page.on("request", lambda request: images.append(request.url) if "image?version=" in request.url else None)
    page.locator("#cv-results .cv-card").nth(1).hover()
    with page.expect_request("**/image?version=*"):  # its image comes while the button is held
        page.mouse.down()
    page.mouse.up()
    expect(place).not_to_have_text("page 3 of 3")
    assert len(images) == 1
    with_heat = ink(page)
    assert with_heat != before
    page.uncheck("[data-part=heat]")
    assert ink(page) != with_heat
    assert not {"/api/v1/explain", "/api/v1/search"} & set(asked)


def test_a_click_shows_what_the_list_has_fetched_until_the_library_changes(page, server, tmp_path):
    explained = []
    page.on("request", lambda request: explained.append(request.url) if "/explain?" in request.url else None)
    drive.show(page, f"{server}/?q=oil&document={document_of(page, server)}")
    expect(page.locator("#cv-results .cv-card")).to_have_count(3)
    drive.wait_until(lambda: page.wait_for_timeout(20) or len(explained) == 3)
    for number in (1, 2, 0):
        page.locator("#cv-results .cv-card").nth(number).click()
        expect(page.locator("#cv-results .cv-card").nth(number)).to_have_attribute("aria-current", "true")
        expect(page.locator(".cv-inspector")).not_to_have_class(re.compile("is-busy"))
    assert len(explained) == len(set(explained)) == 3
    data = save_document(tmp_path / "file.tiff", [["washer"]]).read_bytes()
    page.request.post(f"{server}/api/v1/documents", params={"name": "washer.tiff"}, data=data)
    expect(page.locator("#cv-documents .cv-row", has_text="washer.tiff").locator(".cv-meta")).to_contain_text(
        "1 page ·"
    )
    page.locator("#cv-results .cv-card").nth(1).click()
    drive.wait_until(lambda: page.wait_for_timeout(20) or len(explained) == 4)


def document_of(page, server, name="pump.tiff"):
    return page.request.get(f"{server}/api/v1/documents/{name}").json()["id"]


def test_the_keyboard_goes_through_results_and_pages(page, server):
    drive.show(page, f"{server}/?q=bleed+valve")
    expect(page.locator("[data-part=place]")).to_have_text("page 1 of 3")
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-part=place]")).to_have_text("page 2 of 3")
    page.keyboard.press("Escape")
    expect(page.locator(".cv-inspector")).to_be_hidden()
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-part=place]")).to_have_text("page 1 of 3")


def test_zooming_keeps_what_is_in_the_middle(page, server):
    drive.show(page, f"{server}/?q=oil+filter")
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    middle = """() => {
        const view = document.querySelector('[data-part=stage]').getBoundingClientRect();
        const sheet = document.querySelector('[data-part=canvas]').getBoundingClientRect();
        return [(view.x + view.width / 2 - sheet.x) / sheet.width, (view.y + view.height / 2 - sheet.y) / sheet.height];
    }"""
    for _ in range(3):
        page.click("[data-part=larger]")
    page.evaluate("document.querySelector('[data-part=stage]').scrollTo(150, 200)")
    before = page.evaluate(middle)
    page.click("[data-part=larger]")
    assert page.evaluate(middle) == pytest.approx(before, abs=0.02)


def test_a_page_that_cannot_be_shown_is_no_dead_end(page, server):
    document = document_of(page, server)
    drive.show(page, f"{server}/?page_of={document}&page_number=99")
    expect(page.locator("[data-part=page-message]")).to_have_text("Page 99 cannot be shown: the document has 3 pages.")
    expect(page.locator(".cv-inspector :is(a, button:enabled, input):visible")).to_have_count(3)
    page.get_by_role("button", name="Previous page").click()
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    expect(page.locator("[data-part=canvas]")).to_be_visible()
    page.get_by_role("button", name="Close the page").click()
    expect(page.locator(".cv-inspector")).to_be_hidden()
    drive.show(page, f"{server}/?page_of=gone&page_number=1")
    expect(page.locator("[data-part=page-message]")).to_have_text(
        "This document is not in the library, or not any more."
    )
    expect(page.locator(".cv-inspector :is(a, button, input):visible")).to_have_count(1)


def test_a_page_that_is_not_read_yet_is_shown_as_soon_as_it_is(page, server, tmp_path):
    data = save_document(tmp_path / "file.tiff", [[f"tooth{number}"] for number in range(7)]).read_bytes()
    at = {"name": "gear.tiff", "collection": "unread"}
    page.request.post(f"{server}/api/v1/documents", params=at, data=data)
    drive.wait_until(lambda: page.request.get(f"{server}/api/v1/documents/gear.tiff").ok)
    drive.show(page, f"{server}/?collection=unread&page_of={document_of(page, server, 'gear.tiff')}&page_number=7")
    expect(page.locator("[data-part=page-message]")).to_contain_text("Page 7 is not read yet")
    expect(page.locator("[data-part=place]")).to_have_text("page 7 of 7")
    expect(page.get_by_role("button", name="Previous page")).to_be_enabled()
    expect(page.locator("[data-part=canvas]")).to_be_visible()
    expect(page.locator("[data-part=page-message]")).to_be_hidden()


def test_a_saved_image_is_named_after_document_page_and_word(page, server):
    drive.show(page, f"{server}/?q=oil+filter")
    page.get_by_role("radio", name="filter").click()
    with page.expect_download() as download:
        page.click("[data-part=menu]")
        page.click("[data-part=download]")
    assert download.value.suggested_filename == "pump-page-3-filter.png"


def test_the_original_opens_at_the_page(page, server):
    drive.show(page, f"{server}/?q=oil")
    link = page.locator("[data-part=open]")
    expect(link).to_have_text("Open the image")
    assert page.request.get(server + link.get_attribute("href")).headers["content-type"] == "image/tiff"


def test_any_page_can_be_probed_without_a_search(page, server):
    drive.show(page, server)
    page.locator("#cv-documents .cv-row", has_text="pump.tiff").get_by_role(
        "button", name="pump.tiff", exact=True
    ).click()
    expect(page.locator("[data-part=place]")).to_have_text("page 1 of 3")
    expect(page.locator("[data-part=chips]")).to_be_hidden()
    page.fill("[data-part=probe-text]", "valve")
    page.press("[data-part=probe-text]", "Enter")
    expect(page.locator("[data-part=rows] tr")).to_have_count(1)
    assert "probe=valve" in page.url
    page.reload()
    expect(page.locator("[data-part=probe-text]")).to_have_value("valve")
    expect(page.locator("[data-part=rows]")).to_contain_text("valve")


def test_an_answer_is_compared_with_that_of_another_way_side_by_side(page, server):
    drive.show(page, f"{server}/?q=oil&compare=exact")
    others = page.locator("#cv-others .cv-card")
    expect(others.first).to_contain_text("same place")
    expect(page.locator("#cv-compared")).to_contain_text("every page in full")
    expect(page.locator(".cv-inspector")).to_be_hidden()
    expect(page.locator("#cv-compared")).not_to_contain_text("close the page", use_inner_text=True)
    others.first.click()
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    expect(others.first).to_be_hidden()
    expect(page.locator("#cv-compared")).to_contain_text("close the page to see both lists", use_inner_text=True)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Options").click()
    page.select_option("#cv-compare", "in archive")
    expect(others.first).to_contain_text("old.tiff")


def test_a_judged_page_stays_judged_and_can_be_exported(page, server):
    drive.show(page, f"{server}/?q=bleed")
    thumb = page.get_by_role("button", name="page 1 of 3 of pump.tiff answers the question")
    thumb.click()
    expect(thumb).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(thumb).to_have_attribute("aria-pressed", "true")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export 1 judgement").click()
    assert download.value.suggested_filename == "judgements.jsonl"
    thumb.click()
    expect(thumb).to_have_attribute("aria-pressed", "false")


def test_results_are_ordered_by_the_number_that_they_show_and_words_of_the_text_layer_are_found(page, server):
    at = {"name": "governor.pdf", "collection": "printed"}
    data = text_file("governor spring", "crankshaft bearing", "governor linkage")
    page.request.post(f"{server}/api/v1/documents", params=at, data=data)
    drive.wait_until(lambda: page.wait_for_timeout(50) or document_state(page, server, "printed") == "ready")
    drive.show(page, f"{server}/?q=governor+spring&collection=printed&text_fusion=true")
    cards = page.locator("#cv-results .cv-card")
    expect(cards).to_have_count(3)
    shown = [float(text) for text in cards.locator(".cv-figure").all_inner_texts()]
    bars = cards.locator(".cv-score-bar").evaluate_all(
        "bars => bars.map((bar) => [...bar.children].reduce((sum, part) => sum + parseFloat(part.style.width), 0))"
    )
    assert shown == sorted(shown, reverse=True) and bars == sorted(bars, reverse=True)
    assert bars[0] <= 100.1
    first = cards.first
    expect(first).to_contain_text("page 1 of 3")
    expect(first).to_have_attribute(
        "aria-label", re.compile(r"score .* of the image of the page, .* of its text layer")
    )
    expect(first.locator(".cv-word.is-in-text")).to_have_text(["governor", "spring"])
    expect(page.locator("#cv-results .cv-word.is-in-text.is-faint")).to_have_count(0)
    expect(page.locator("#cv-summary")).to_contain_text("in the text layer")
    expect(page.get_by_role("radio", name="governor").get_by_role("img", name="in the text layer")).to_be_visible()
    expect(page.locator("[data-part=score-terms]")).to_contain_text("In the text layer")
    expect(page.locator("[data-part=in-text]")).to_be_visible()


def document_state(page, server, collection):
    documents = page.request.get(f"{server}/api/v1/library").json()["documents"]
    return next((each["state"] for each in documents if each["collection"] == collection), None)
