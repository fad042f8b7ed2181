"""What the browser tests do with the application's page; the server and the browser are those of the benchmarks."""

import sys
from pathlib import Path

from playwright.sync_api import Page, expect

from benchmarks.browser import (
    CHROMIUM,
    PATIENCE_MS,
    REAL,
    chromium,
    new_page,
    new_session,
    reload,
    serving,
    show,
    wait_until,
)

__all__ = [
    "CHROMIUM",
    "PATIENCE_MS",
    "REAL",
    "TOY",
    "chromium",
    "expect",
    "new_page",
    "new_session",
    "reload",
    "search",
    "serving",
    "show",
    "upload",
    "wait_until",
]

TOY = (sys.executable, "-m", "tests.helpers.toy_app")


def search(page: Page, text: str) -> None:
    """Types a question and waits for its answer."""
    page.fill("#cv-query", text)
    page.press("#cv-query", "Enter")
    expect(page.locator("#cv-summary")).to_contain_text("Searched")


def upload(page: Page, path: Path) -> None:
    """Chooses a file to be read in."""
    page.set_input_files("#cv-drop input[type=file]", path)
