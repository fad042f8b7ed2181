"""One chromium for all browser tests."""

from urllib.parse import urlsplit

import pytest


@pytest.fixture(scope="package")
def chromium():
    """One for all files here, and gone before the next folder: playwright's event loop would be in the way there."""
    from tests.helpers import browser as drive  # it imports playwright, which other tests can do without

    if drive.CHROMIUM is None:
        pytest.skip("no chromium on the PATH: the page is tested in a real browser where there is one")
    with drive.chromium() as browser:
        yield browser


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
