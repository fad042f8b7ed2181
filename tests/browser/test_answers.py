"""An answer in words beside the results, by a small endpoint of our own."""

import json

import pytest

from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document
from tests.helpers import browser as drive
from tests.helpers.browser import expect
from tests.helpers.chat_server import chat_server

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="document.title=1">'
WRITTEN = f'Open the valve [1: "bleed valve"], {HOSTILE} [9] [2: "no such words"].'


@pytest.fixture(scope="module")
def chat():
    with chat_server() as server:
        server.pieces = list(WRITTEN)
        yield server


@pytest.fixture(scope="module")
def address(tmp_path_factory, chat):
    folder = tmp_path_factory.mktemp("answers")
    with open_library(folder / "library", encoder=ToyEncoder()) as library:
        library.ingest(save_document(folder / "pump.tiff", [["bleed", "valve"], ["spare", "valve"]]))
    settings = {"answers": chat.url, "answers_model": "looker"}
    environment = {"TOY_SETTINGS": json.dumps(settings)}
    with drive.serving(*drive.TOY, str(folder / "library"), "0", environment=environment) as address:
        yield address


def test_an_answer_is_asked_for_by_a_button_and_its_citations_lead_to_the_words(page, address, chat):
    drive.show(page, address)
    drive.search(page, "bleed valve")
    expect(page.locator(".cv-answer-bar p")).to_contain_text("pictures of 2 pages to looker at 127.0.0.1")
    expect(page.locator(".cv-answer-bar p")).to_contain_text("pump.tiff, page 1")
    assert chat.asked == []
    page.click(".cv-answer-bar button")
    cited = page.locator(".cv-answer-text .cv-cited")
    expect(cited).to_have_count(3)
    expect(page.locator(".cv-answer-text")).to_contain_text(HOSTILE)  # as text
    assert page.locator("#cv-answer img").count() == 0
    assert [each.strip() for each in cited.all_inner_texts()] == ["1", "[9?]", "2"]
    expect(page.locator(".cv-answer-sent summary")).to_contain_text("Sent to looker")
    assert len(chat.asked) == 1
    cited.first.click()
    expect(page.locator("[data-part=probe-text]")).to_have_value("bleed valve")
    assert "page_number=1" in page.url and "probe=bleed+valve" in page.url


def test_without_an_endpoint_nothing_is_offered(page, server):
    drive.show(page, server)
    drive.search(page, "valve")
    expect(page.locator("#cv-answer")).to_be_hidden()


def test_a_refusal_is_told_and_it_can_be_asked_again(page, address, chat):
    chat.status, chat.body = 401, b'{"error": {"message": "no such key"}}'
    drive.show(page, address)
    drive.search(page, "valve")
    page.click(".cv-answer-bar button")
    expect(page.locator("#cv-answer .cv-message")).to_contain_text("refused the question (401): no such key")
    chat.status, chat.body = 200, b""
    page.click("#cv-answer >> text=Ask again")
    expect(page.locator(".cv-answer-text .cv-cited")).to_have_count(3)
