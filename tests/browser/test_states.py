"""What the page says is so: the tab's title, questions of before, collections that are new, a server that was away."""

import re

import pytest

from colvision.testing import save_document

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
from tests.helpers import browser as drive  # it imports playwright
from tests.helpers.browser import expect, search
from tests.helpers.pdf_files import lines_page, pages_file, text_page

pytestmark = pytest.mark.browser


def test_the_tab_is_called_as_the_question_and_questions_are_found_again(page, server):
    drive.show(page, server)
    expect(page).to_have_title("colvision")
    search(page, "oil filter")
    expect(page).to_have_title("oil filter – colvision")
    search(page, "spare parts")
    page.get_by_role("button", name="History").click()
    recent = page.locator("#cv-questions-recent li")
    expect(recent).to_have_text([re.compile("spare parts"), re.compile("oil filter")])
    page.get_by_role("button", name="Keep the question oil filter").click()
    expect(page.locator("#cv-questions-kept li")).to_have_text([re.compile("oil filter")])
    page.get_by_role("button", name="Forget those that are not kept").click()
    expect(recent).to_have_count(0)
    page.get_by_role("link", name="oil filter").click()
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    expect(page).to_have_title("oil filter – colvision")
    expect(page.locator("#cv-questions")).to_be_hidden()
    drive.reload(page)
    page.get_by_role("button", name="History").click()
    page.get_by_role("button", name="Forget the question oil filter").click()
    expect(page.locator("#cv-questions-none")).to_be_visible()
    page.keyboard.press("Escape")


def test_something_is_painted_before_the_scripts_have_come(page, server):
    held = []
    page.route("**/main.js", lambda route: held.append(route))
    page.goto(server)
    opening = page.get_by_text("Opening the library")
    expect(opening).to_be_visible()
    page.wait_for_selector("#cv-query")
    expect(opening).to_be_visible()
    for route in held:
        route.continue_()
    expect(opening).to_have_count(0)


def test_a_browser_that_is_told_to_keep_nothing_searches_all_the_same(page, server):
    refuse = "{ get() { throw new DOMException('refused', 'SecurityError'); } }"
    for name in ("localStorage", "sessionStorage"):
        page.add_init_script(f"Object.defineProperty(window, '{name}', {refuse})")
    drive.show(page, server)
    search(page, "oil filter")
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    page.locator(".cv-choose-page").first.check()
    expect(page.locator("#cv-chosen-count")).to_have_text("1 page chosen")


def test_a_collection_that_was_made_a_moment_ago_is_new_and_no_other_is(page, server):
    drive.show(page, server)
    page.get_by_role("button", name="New collection").click()
    page.fill("#cv-collection-name", "brand new")
    page.keyboard.press("Enter")
    expect(page.locator("#cv-collection option:checked")).to_have_text("brand new (new)")
    page.fill("#cv-query", "bolt")
    page.press("#cv-query", "Enter")
    expect(page.locator("#cv-message")).to_contain_text("The collection brand new is new: it holds no document yet.")
    page.reload()
    expect(page.locator("#cv-message")).to_contain_text("holds no document, or none any more")


def test_a_search_that_found_no_server_is_made_again_when_it_is_back(page, server):
    drive.show(page, server)
    page.route("**/api/v1/**", lambda route: route.abort())
    page.fill("#cv-query", "oil filter")
    page.press("#cv-query", "Enter")
    expect(page.locator("#cv-message")).to_contain_text("The server does not answer")
    expect(page.locator("#cv-library-message")).to_contain_text("The server does not answer")
    page.unroute("**/api/v1/**")
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    expect(page.locator("#cv-message")).to_be_hidden()
    expect(page.locator("#cv-library-message")).to_be_hidden()


def test_a_document_whose_reading_was_cut_short_is_interrupted_and_gone_on_with(page, server):
    drive.show(page, f"{server}/?collection=halves")
    row = page.locator("#cv-documents .cv-row", has_text="half.tiff")
    expect(row.locator(".cv-meta").first).to_have_text("2 of 3 pages · interrupted")
    row.get_by_role("button", name="Read the rest").click()
    expect(row.locator(".cv-meta").first).to_contain_text("3 pages ·")


def test_two_lists_stand_beside_an_open_page_where_there_is_room_and_close_it_where_there_is_none(page, server):
    drive.show(page, f"{server}/?q=oil")
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    page.get_by_role("button", name="Options").click()
    page.select_option("#cv-compare", "exact")
    expect(page.locator("#cv-others .cv-card").first).to_be_visible()
    expect(page.locator(".cv-inspector")).to_be_hidden()
    page.set_viewport_size({"width": 2000, "height": 1000})
    page.locator("#cv-results .cv-card").first.click()
    expect(page.locator(".cv-inspector")).to_be_visible()
    expect(page.locator("#cv-others .cv-card").first).to_be_visible()
    lists = [page.locator(name).bounding_box() for name in ("#cv-results", "#cv-others", ".cv-inspector")]
    edges = [edge for each in lists for edge in (each["x"], each["x"] + each["width"])]
    assert edges == sorted(edges) and edges[-1] <= 2000


def test_results_are_grouped_by_document_and_show_the_line(page, server, tmp_path):
    for name, pages in (("crane", [["hook", "rope"], ["drum"]]), ("lift", [["rope"], ["hook", "rope", "door"]])):
        data = save_document(tmp_path / "file.tiff", pages).read_bytes()
        at = {"name": f"{name}.tiff", "collection": "grouped"}
        page.request.post(f"{server}/api/v1/documents", params=at, data=data)
    ready = ["ready"] * 2
    drive.wait_until(lambda: page.wait_for_timeout(50) or states(page, server) == ready)
    drive.show(page, f"{server}/?q=hook+rope&collection=grouped")
    line = page.locator("#cv-results .cv-card").first.locator(".cv-line-of")
    expect(line.locator("img")).to_have_js_property("complete", True)
    expect(line.locator("i")).to_have_count(2)
    assert line.locator("img").evaluate("image => image.naturalWidth") > 400
    page.get_by_role("button", name="Options").click()
    page.select_option("#cv-grouped", "true")
    expect(page.locator("#cv-results .cv-group")).to_have_count(2)
    shown = page.locator("#cv-results li").all_inner_texts()
    of = [re.search(r"(crane|lift)\.tiff", text)[1] for text in shown]
    assert of in (["crane"] * 3 + ["lift"] * 3, ["lift"] * 3 + ["crane"] * 3)
    assert "grouped=true" in page.url
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/explain?" in request.url else None)
    page.locator("#cv-results .cv-card").nth(1).click()
    expect(page.locator("#cv-results .cv-card").nth(1)).to_have_attribute("aria-current", "true")
    assert asked == []


def test_contents_pages_stand_below_the_sections_that_they_name_and_keep_their_rank(page, server):
    lines = [f"{number} The governor and its parts ........ {number * 3}" for number in range(1, 9)]
    data = pages_file(lines_page(*lines), text_page("governor spring"), text_page("crankshaft"))
    page.request.post(f"{server}/api/v1/documents", params={"name": "engine.pdf", "collection": "listed"}, data=data)
    drive.wait_until(lambda: page.wait_for_timeout(50) or states(page, server, "listed") == ["ready"])
    drive.show(page, f"{server}/?q=governor&collection=listed&text_fusion=true")
    expect(page.locator("#cv-results .cv-group")).to_contain_text("Contents and index pages")
    cards = page.locator("#cv-results .cv-card")
    expect(cards.last).to_contain_text("page 1 of 3")
    ranks = [int(text) for text in cards.locator(".cv-place b").all_inner_texts()]
    assert sorted(ranks) == [1, 2, 3] and ranks[:2] == sorted(ranks[:2])
    expect(cards.first).to_have_attribute("aria-current", "true")  # what opens by itself is the section


def states(page, server, collection="grouped"):
    documents = page.request.get(f"{server}/api/v1/library").json()["documents"]
    return [each["state"] for each in documents if each["collection"] == collection]


def test_scripts_that_come_before_a_part_of_the_page_wait_for_it(page, server):
    drive.show(page, server)
    page.evaluate(
        """() => {
            const part = document.querySelector("#cv-sidebar");
            const place = document.createComment("");
            part.replaceWith(place);
            window.putBack = () => place.replaceWith(part);
            const main = new URL("./app/static/main.js", document.baseURI);
            const tell = (outcome) => (window.outcome = `${outcome}`);
            import(main).then((found) => found.start()).then(() => tell("started"), tell);
        }"""
    )
    page.wait_for_timeout(300)
    assert page.evaluate("window.outcome") is None
    page.evaluate("window.putBack()")
    page.wait_for_function("window.outcome")
    assert page.evaluate("window.outcome") == "started"
