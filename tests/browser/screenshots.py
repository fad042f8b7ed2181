"""The pictures of docs/screenshots: the real application with the sample (`python -m tests.browser.screenshots`)."""

import io
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from colvision.app.settings import sample_files
from PIL import Image
from playwright.sync_api import Browser, Page

from colvision.pdf import read_pages
from tests.helpers import ROOT
from tests.helpers import browser as drive

FOLDER = ROOT / "docs" / "screenshots"
MINUTES = 15.0  # for 40 pages on a machine that is busy with other things
_COLOURS = 256  # of a palette, in an octree: it keeps colours that are rare, as those of a heatmap are
_SETTLE_MS = 1500
_SIZE = (1440, 900)  # of the window


@dataclass(frozen=True)
class Shot:
    """A state to reach, and the colour scheme to see it in."""

    name: str
    path: str = "/"
    scheme: str = "light"
    act: Callable[[Page], None] = lambda page: None


QUESTION = "/?q=setting+the+relief+valve"


def ask_with_a_part(page: Page) -> None:
    """As a reader does who has a piece of the wiring diagram on the screen."""
    [diagram] = read_pages(sample_files()[0], numbers=[8])
    width, height = diagram.image.size
    data = io.BytesIO()
    diagram.image.crop((width // 12, height // 10, width - width // 20, height // 2)).save(data, "PNG")
    page.set_input_files(
        "#cv-image-file", files=[{"name": "part.png", "mimeType": "image/png", "buffer": data.getvalue()}]
    )
    page.wait_for_selector("[data-part=rows] tr")


SHOTS = (
    Shot("search", QUESTION),
    Shot("dark", QUESTION, scheme="dark", act=lambda page: page.get_by_role("radio", name="relief").click()),
    Shot("example-query", act=ask_with_a_part),
)


def take(browser: Browser, address: str, shot: Shot) -> None:
    page = drive.new_page(browser, size=_SIZE, scheme=shot.scheme)
    drive.show(page, address + shot.path)
    if "q=" in shot.path:
        page.wait_for_selector(".cv-card")
    shot.act(page)
    page.wait_for_timeout(_SETTLE_MS)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
        FOLDER / f"{shot.name}.png", optimize=True
    )
    page.context.close()


def _is_read(library: dict[str, list[object]]) -> bool:
    return bool(library["documents"]) and not library["jobs"]


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    if drive.CHROMIUM is None:
        sys.exit("the screenshots need chromium: install it (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as folder, drive.chromium() as browser:
        command = [*drive.REAL, "--library", f"{folder}/library", "--port", "0", "--sample"]
        with drive.serving(*command) as address:
            library = f"{address}/api/v1/library"
            ask = drive.new_page(browser).request
            drive.wait_until(lambda: _is_read(ask.get(library).json()), MINUTES * 60)
            for shot in SHOTS:
                take(browser, address, shot)


if __name__ == "__main__":
    main()
