"""One application and one chromium for all browser tests."""

from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document

PUMP = [["bleed", "valve"], ["spare", "parts"], ["oil", "filter"]]  # the words on the pages of pump.tiff


@pytest.fixture(scope="package")
def chromium():
    """One for all files here, and gone before the next folder: playwright's event loop would be in the way there."""
    from tests.helpers import browser as drive  # it imports playwright, which other tests can do without

    if drive.CHROMIUM is None:
        pytest.skip("no chromium on the PATH: the page is tested in a real browser where there is one")
    with drive.chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One application for all browser tests; every test adds what it needs under names of its own."""
    from tests.helpers import browser as drive

    folder = tmp_path_factory.mktemp("app")
    with open_library(folder / "library", encoder=ToyEncoder()) as library:
        library.ingest(save_document(folder / "pump.tiff", PUMP))
        library.collection("archive").ingest(save_document(folder / "old.tiff", [["elsewhere"]]))
        for machine in ("press", "lathe"):
            (folder / machine).mkdir()
            library.collection("twins").ingest(save_document(folder / machine / "manual.tiff", [["bolt", machine]]))
        half = save_document(folder / "half.tiff", [["shaft"], ["hub"], ["key"]])
        with suppress(KeyboardInterrupt):  # as Ctrl+C in the middle of a file
            library.collection("halves").ingest(half, progress=_interrupt)
    with drive.serving(*drive.TOY, str(folder / "library"), "0", environment={"TOY_SECONDS": "0.4"}) as address:
        yield address


def _interrupt(progress):
    if progress.page == 2:
        raise KeyboardInterrupt


@pytest.fixture(scope="package")
def session(chromium):
    """One for all tabs, with Gradio's scripts in its cache: without them a page takes half as long again to show."""
    from tests.helpers import browser as drive

    return drive.new_session(chromium)


@pytest.fixture
def page(session, server):
    """A tab that has asked no other machine for anything when the test ends, has met no error, and leaves nothing."""
    page = session.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    foreign = [url for url in asked if urlsplit(url).hostname not in (None, "127.0.0.1")]
    clean = session.new_cdp_session(page)
    for kept in session.storage_state()["origins"]:  # the history of questions, and such
        clean.send("Storage.clearDataForOrigin", {"origin": kept["origin"], "storageTypes": "local_storage"})
    session.clear_cookies()
    page.close()
    assert (foreign, errors) == ([], [])
