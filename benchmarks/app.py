"""What a user of the application waits for, in chromium: the first paint, a search, a click until its heatmap is drawn.

python -m benchmarks.app [--library FOLDER] [--runs 40] [--beside FILE.pdf]

Without --library the sample manual is read first. A search by the page's route is paired with the library's own call
in this process. All of it is measured again while a file (by default a copy of the sample's scan) is being read.
"""

import argparse
import http.client
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import quote, urlsplit

from playwright.sync_api import Browser, Page

from benchmarks import browser as drive
from benchmarks.machine import commit, machine
from colvision.library import Library, open_library

_SCAN = drive.ROOT / "data" / "sample-manual-scan.pdf"
_QUERIES = (
    "setting the relief valve",
    "return filter element",
    "oil hotter than 70",
    "QH-4423",
    "tightening torques",
)
_MINUTES = 15 * 60.0
_HELD_MS = 80  # a mouse's button, by a quick hand
_CLICK = """async ([number, held]) => {
    const cards = document.querySelectorAll('#cv-results .cv-card');
    const panel = document.querySelector('.cv-inspector');
    const open = [...cards].findIndex((card) => card.hasAttribute('aria-current'));
    const target = number % cards.length === open ? (number + 1) % cards.length : number % cards.length;
    if (held) {
        cards[target].dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }));
        await new Promise((done) => setTimeout(done, held));
    }
    const begun = performance.now();
    const drawn = new Promise((done) => new MutationObserver(() => {
        if (!panel.classList.contains('is-busy')) requestAnimationFrame(() => setTimeout(done));
    }).observe(panel, { attributes: true, attributeFilter: ['class'] }));
    cards[target].click();
    await drawn;
    return performance.now() - begun;
}"""


@dataclass
class Timings:
    """Milliseconds, by what was waited for."""

    spent: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, milliseconds: float) -> None:
        self.spent.setdefault(name, []).append(milliseconds)

    def lines(self) -> Iterator[str]:
        for name, values in self.spent.items():
            worst = quantiles(values, n=20)[-1] if len(values) > 1 else values[0]
            yield f"{name:52} median {median(values):7.1f} ms   p95 {worst:7.1f} ms   n {len(values)}"


def measure_paint(browser: Browser, address: str, runs: int, timings: Timings) -> None:
    """Each time in a session of its own, so nothing is in the browser's cache."""
    for _ in range(runs):
        page = drive.new_page(browser)
        started = time.perf_counter()
        drive.show(page, address)
        timings.add("page usable, empty cache", (time.perf_counter() - started) * 1000)
        painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        timings.add("first paint, empty cache", float(painted))
        page.context.close()


def measure_searches(library: Library, address: str, runs: int, timings: Timings) -> None:
    """The same query by both ways, one right after the other."""
    server = http.client.HTTPConnection(urlsplit(address).netloc)

    def by_route(text: str) -> None:
        server.request("GET", f"/api/v1/search?q={quote(text)}")
        assert json.loads(server.getresponse().read())["hits"]

    def timed(search: Callable[[str], object], text: str) -> float:
        started = time.perf_counter()
        search(text)
        return (time.perf_counter() - started) * 1000

    for number in range(-len(_QUERIES), runs):
        text = _QUERIES[number % len(_QUERIES)]
        ours, route = timed(library.search, text), timed(by_route, text)
        if number >= 0:  # the first round warms up
            timings.add("Library.search", ours)
            timings.add("search by the route", route)
            timings.add("  the route beyond the call", route - ours)
    server.close()


def measure_clicks(page: Page, address: str, runs: int, timings: Timings) -> None:
    """Every click opens another page of the results than the one that is open; a hand has held the button before."""
    for text in _QUERIES:
        drive.show(page, f"{address}/?q={quote(text)}")
        page.wait_for_selector("#cv-results .cv-card:nth-child(1)[aria-current], #cv-results .cv-card[aria-current]")
        page.wait_for_timeout(500)
        for number in range(max(1, runs // len(_QUERIES))):
            timings.add("click to heatmap", float(page.evaluate(_CLICK, [2 * number + 1, 0])))
            timings.add("  of a button that is held", float(page.evaluate(_CLICK, [2 * number + 2, _HELD_MS])))


@contextmanager
def reading(address: str, file: Path) -> Iterator[Callable[[], bool]]:
    """A job that reads a file meanwhile; gives a function that tells whether it still runs."""

    def is_running() -> bool:
        jobs = call_api(address, "GET", "library")["jobs"]
        assert isinstance(jobs, list)
        return any(job["state"] == "running" and job["page"] for job in jobs)

    other = file.read_bytes() + b"\n%" + datetime.now(UTC).isoformat().encode()  # other bytes: another document
    key = call_api(address, "POST", "documents?name=beside.pdf", other)["key"]
    drive.wait_until(is_running, _MINUTES)
    yield is_running
    call_api(address, "POST", f"jobs/{key}/cancel")
    drive.wait_until(lambda: not is_running(), _MINUTES)
    call_api(address, "DELETE", "documents/beside.pdf")


def call_api(address: str, method: str, path: str, body: bytes | None = None) -> dict[str, object]:
    """A connection each: the server closes one that has been quiet for a few seconds."""
    server = http.client.HTTPConnection(urlsplit(address).netloc)
    server.request(method, f"/api/v1/{path}", body)
    answer: dict[str, object] = json.loads(server.getresponse().read())
    server.close()
    return answer


@contextmanager
def serving(folder: Path, *, sample: bool) -> Iterator[str]:
    options = ["--sample"] if sample else []
    with drive.serving(*drive.REAL, "--library", str(folder), "--port", "0", *options) as address:

        def is_read() -> bool:
            library = call_api(address, "GET", "library")
            return bool(library["documents"]) and not library["jobs"]

        drive.wait_until(is_read, _MINUTES)
        yield address


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, help="a library that is filled already")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--beside", type=Path, default=_SCAN, help="what the job reads meanwhile")
    options = parser.parse_args()
    alone, beside = Timings(), Timings()
    with tempfile.TemporaryDirectory() as folder, drive.chromium() as browser:
        path = options.library or Path(folder) / "library"
        with serving(path, sample=options.library is None) as address, open_library(path) as library:
            measure_paint(browser, address, max(3, options.runs // 8), alone)
            measure_searches(library, address, options.runs, alone)
            page = drive.new_page(browser)
            measure_clicks(page, address, options.runs, alone)
            with reading(address, options.beside) as is_running:
                measure_searches(library, address, options.runs // 2, beside)
                measure_clicks(page, address, options.runs // 2, beside)
                was_running = is_running()
            pages = len(library.search(_QUERIES[0], k=1)) and library.search(_QUERIES[0], k=1).pages
    print(f"{machine()}; commit {commit()}; {datetime.now(UTC):%Y-%m-%d}; {pages} pages")
    print("while no job runs", *alone.lines(), sep="\n")
    print(f"while a job runs{'' if was_running else ' (it ended before the last click: give a longer --beside)'}")
    print(*beside.lines(), sep="\n")


if __name__ == "__main__":
    main()
