"""What the address holds, and going back, in a real browser."""

import re
from urllib.parse import parse_qsl, urlsplit

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
from tests.helpers import browser as drive  # it imports playwright
from tests.helpers.browser import expect, search

pytestmark = pytest.mark.browser


def test_a_link_brings_back_query_page_and_word_in_a_fresh_tab(page, server, chromium):
    drive.show(page, f"{server}/?q=spare+parts")
    page.get_by_role("radio", name="parts").click()
    address = page.url
    fresh = drive.new_page(chromium)
    drive.show(fresh, address)
    expect(fresh.locator("#cv-query")).to_have_value("spare parts")
    expect(fresh.locator("[data-part=place]")).to_have_text("page 2 of 3")
    expect(fresh.get_by_role("radio", name="parts")).to_have_attribute("aria-checked", "true")
    fresh.context.close()


def test_the_address_calls_things_as_rest_does(page, server):
    document = page.request.get(f"{server}/api/v1/documents/pump.tiff").json()["id"]
    drive.show(page, f"{server}/?q=oil&document={document}&text_fusion=false&compare=exact")
    expect(page.locator("#cv-others .cv-card").first).to_be_visible()
    expect(page.locator("#cv-document-filter")).to_have_value(document)
    page.locator("#cv-results .cv-card").first.click()
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    assert parameters(page) == {
        "q": "oil",
        "document": document,
        "text_fusion": "false",
        "compare": "exact",
        "page_of": document,
        "page_number": "3",
    }


def test_a_link_of_an_earlier_version_works_and_gets_the_names_of_today(page, server):
    old = page.request.get(f"{server}/api/v1/search?q=elsewhere&collection=archive").json()["hits"][0]["document_id"]
    rest = "text=false&vs=exact&word=elsewhere"
    drive.show(page, f"{server}/?q=elsewhere&c=archive&in={old}&{rest}&doc={old}&p=1")
    expect(page.locator("[data-part=title]")).to_have_text("old.tiff")
    expect(page.get_by_role("radio", name="elsewhere")).to_have_attribute("aria-checked", "true")
    expect(page.locator("#cv-collection")).to_have_value("archive")
    expect(page.locator("#cv-document-filter")).to_have_value(old)
    assert [page.locator(f"#cv-{name}").input_value() for name in ("text-fusion", "compare")] == ["false", "exact"]
    assert parameters(page) == {
        "q": "elsewhere",
        "word": "elsewhere",
        "collection": "archive",
        "document": old,
        "text_fusion": "false",
        "compare": "exact",
        "page_of": old,
        "page_number": "1",
    }
    drive.show(page, f"{server}/?picture={'0' * 32}")
    expect(page.locator("#cv-message")).to_contain_text("choose it again")
    assert parameters(page) == {"image": "0" * 32}
    drive.show(page, f"{server}/?q=oil&compare=pictures")
    expect(page.locator("#cv-compared")).to_contain_text("the pixels alone")
    assert parameters(page)["compare"] == "pixels"


def parameters(page):
    return dict(parse_qsl(urlsplit(page.url).query))


def test_going_back_quickly_ends_at_the_page_of_the_address(page, server):
    drive.show(page, server)
    for text, place in (("oil filter", "page 3 of 3"), ("spare parts", "page 2 of 3")):
        search(page, text)
        expect(page.locator("[data-part=place]")).to_have_text(place)
    page.evaluate(
        """() => {
            const real = window.fetch, held = new Promise((done) => (window.answerSearches = done));
            window.searches = { begun: 0, ended: 0 };
            window.fetch = async (url, options) => {
                if (!String(url).includes("/search?")) return real(url, options);
                window.searches.begun += 1;
                try {
                    await held;
                    const answer = await real(url, options);
                    return new Response(await answer.text(), answer);
                } finally {
                    setTimeout(() => (window.searches.ended += 1));
                }
            };
        }"""
    )
    page.evaluate("history.back()")
    expect(page.locator("#cv-query")).to_have_value("oil filter")
    page.wait_for_function("window.searches.begun")
    page.evaluate("history.back()")
    expect(page.locator("#cv-query")).to_have_value("")
    page.evaluate("window.answerSearches()")
    page.wait_for_function("window.searches.ended === window.searches.begun")
    expect(page.locator(".cv-inspector")).to_be_hidden()
    expect(page.locator("#cv-results .cv-card")).to_have_count(0)
    assert urlsplit(page.url).query == ""


def test_going_back_to_the_start_shows_the_welcome(page, server):
    drive.show(page, server)
    search(page, "oil filter")
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    page.go_back()
    expect(page.get_by_role("heading", name="What are you looking for?")).to_be_visible()


def test_a_link_into_a_document_that_was_deleted_says_so_and_offers_the_rest(page, server):
    drive.show(page, f"{server}/?q=oil&document=gone")
    expect(page.locator("#cv-message")).to_contain_text(
        "document that this search was limited to is not in the library"
    )
    page.get_by_role("button", name="Search all documents").click()
    expect(page.locator("#cv-summary")).to_contain_text("Searched")
    assert "document=" not in page.url


def test_how_a_search_is_made_is_set_under_options_and_in_the_address(page, server):
    drive.show(page, f"{server}/?q=oil")
    expect(page.locator("#cv-results .cv-card").first).to_be_visible()
    page.get_by_role("button", name="Options").click()
    page.select_option("#cv-k", "5")
    expect(page).to_have_url(re.compile("k=5"))
    page.fill("#cv-where", "page=1 and document=pump.tiff")
    page.press("#cv-where", "Tab")
    expect(page.locator("#cv-results .cv-card")).to_have_count(1)
    page.fill("#cv-where", "colour=red")
    page.press("#cv-where", "Tab")
    expect(page.locator("#cv-message")).to_contain_text("no document has metadata 'colour'", ignore_case=True)
    page.keyboard.press("Escape")
    expect(page.locator("#cv-settings")).to_be_hidden()
    page.reload()
    expect(page.locator("#cv-k")).to_have_value("5")
    expect(page.locator("#cv-where")).to_have_value("colour=red")


def test_a_link_to_pages_like_one_that_is_gone_says_that_it_is_gone(page, server):
    drive.show(page, f"{server}/?like=nope:1")
    expect(page.locator("#cv-message")).to_contain_text("No document 'nope'")
    expect(page.locator("#cv-message button")).to_have_count(0)
    drive.show(page, f"{server}/?q=oil&collection=nope")
    expect(page.locator("#cv-message")).to_contain_text("The collection nope holds no document, or none any more")
    page.get_by_role("button", name="Search in default").click()
    expect(page.locator("#cv-results .cv-card").first).to_be_visible()


@pytest.mark.parametrize("name", ["vs", "compare", "mode", "k", "word", "collection"])
def test_a_word_of_the_language_in_the_address_is_a_word_like_any_other(page, server, name):
    """The tab fails the test where the page meets an error."""
    drive.show(page, f"{server}/?q=oil&{name}=constructor")
    expect(page.locator("#cv-summary, #cv-message").filter(visible=True).first).to_be_visible()
    drive.show(page, f"{server}/?q=oil&{name}=__proto__")
    expect(page.locator("#cv-summary, #cv-message").filter(visible=True).first).to_be_visible()


def test_an_address_below_rest_that_is_none_is_answered_as_all_errors_are_not_by_gradio(page, server):
    for method, path, status in (("GET", "nope", 404), ("PUT", "library", 405), ("POST", "jobs/99/cancel", 404)):
        answer = page.request.fetch(f"{server}/api/v1/{path}", method=method)
        assert (answer.status, list(answer.json())) == (status, ["error"])
