"""The switch for the server's reranker, in a real browser: both scores are shown, and whose the order is."""

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document
from tests.helpers import browser as drive  # it imports playwright
from tests.helpers.browser import expect, search

pytestmark = pytest.mark.browser

PAGES = [["oil", "pump", "valve"], ["oil"], ["fan"]]


def test_a_switch_has_the_reranker_order_the_results_and_both_scores_are_shown(page, tmp_path):
    with open_library(tmp_path / "library", encoder=ToyEncoder()) as library:
        library.ingest(save_document(tmp_path / "pump.tiff", PAGES))
    with drive.serving(*drive.TOY, str(tmp_path / "library"), "0", "--rerank") as address:
        drive.show(page, address)
        search(page, "oil pump valve")
        first = page.locator("#cv-results .cv-card").first
        expect(first).to_contain_text("page 1 of 3")
        before = first.locator(".cv-figure").inner_text()
        expect(page.locator("[data-part=whose-order]")).to_be_hidden()
        page.click("#cv-more")
        page.select_option("#cv-rerank", label="by least-ink")
        expect(page.locator("#cv-summary")).to_contain_text("the best 3 ordered by least-ink")
        expect(page.locator("#cv-summary")).to_contain_text("reranker ")
        last = page.locator("#cv-results .cv-card").last
        expect(last).to_contain_text("page 1 of 3")
        expect(last).to_contain_text(f"score before {before}")
        figures = [float(each) for each in page.locator("#cv-results .cv-figure").all_inner_texts()]
        assert figures == sorted(figures, reverse=True) and figures[0] > 200
        bars = page.locator("#cv-results .cv-score-bar").evaluate_all(
            "bars => bars.map((bar) => parseFloat(bar.firstElementChild.style.width))"
        )
        assert bars == pytest.approx([100 * figure / figures[0] for figure in figures], abs=0.2)  # of the same number
        whole = rf"{figures[0]:.2f} by least-ink, before it score \S+"
        expect(page.locator("#cv-results .cv-score").first).to_have_attribute("title", re.compile(whole))
        page.locator("#cv-results .cv-card").first.click()
        whose = "The order of the results is that of least-ink. Heatmap and table are the encoder's."
        expect(page.locator("[data-part=whose-order]")).to_have_text(whose)
        assert "rerank=true" in page.url
        page.reload()
        expect(page.locator("#cv-summary")).to_contain_text("ordered by least-ink")
        expect(page.locator("#cv-rerank")).to_have_value("true")
        page.click("[data-part=menu]")
        page.click("[data-part=like]")
        expect(page.locator("#cv-summary")).not_to_contain_text("ordered by")  # a reranker reads words


def test_without_a_reranker_there_is_no_switch(page, server):
    drive.show(page, server)
    search(page, "oil")
    page.click("#cv-more")
    expect(page.locator("#cv-mode")).to_be_visible()
    expect(page.locator("#cv-rerank")).to_be_hidden()
