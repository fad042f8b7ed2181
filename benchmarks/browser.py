"""A server of its own and a chromium for it: for `benchmarks.app`, the browser tests and the docs' screenshots."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--disable-component-update",
    "--no-first-run",
    "--disable-sync",
]
PATIENCE_MS = 90_000  # a busy machine takes 20 s to show Gradio's page alone
expect.set_options(timeout=PATIENCE_MS)
REAL = (sys.executable, "-m", "colvision", "app")


@contextmanager
def serving(*command: str, environment: dict[str, str] | None = None) -> Iterator[str]:
    """Runs a server until the block is left; gives its address."""
    environment = os.environ | (environment or {})
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("colvision: http"), line
        yield line.split()[1]
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def new_session(browser: Browser, *, size: tuple[int, int] = (1440, 900), scheme: str = "light") -> BrowserContext:
    """Cookies and a cache of its own; `size` of its tabs is (width, height) in pixels."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MS)
    return context


def new_page(browser: Browser, *, size: tuple[int, int] = (1440, 900), scheme: str = "light") -> Page:
    """An empty tab of its own session."""
    return new_session(browser, size=size, scheme=scheme).new_page()


def show(page: Page, address: str) -> None:
    """Opens the application and waits until its sidebar has heard from the server."""
    page.goto(address)
    _wait_for_library(page)


def reload(page: Page) -> None:
    """Loads the page anew and waits as `show` does: what is clicked or typed before that is lost."""
    page.reload()
    _wait_for_library(page)


def _wait_for_library(page: Page) -> None:
    page.wait_for_function("document.querySelector('#cv-status')?.textContent")


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE_MS / 1000) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.2)
