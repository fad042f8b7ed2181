"""What the library holds and what comes in, in a real browser."""

import pytest

from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
from tests.helpers import browser as drive  # it imports playwright
from tests.helpers.browser import expect, search, upload

pytestmark = pytest.mark.browser

PUMP = [["bleed", "valve"], ["spare", "parts"], ["oil", "filter"]]
NASTY = "<img src=x onerror=document.title='owned'>.tiff"


def held(page, address):
    """How many pages the library holds."""
    return sum(each["pages"] for each in page.request.get(f"{address}/api/v1/library").json()["collections"])


def test_a_document_deleted_elsewhere_is_left(page, server, tmp_path):
    data = save_document(tmp_path / "file.tiff", [["gasket"]]).read_bytes()
    page.request.post(f"{server}/api/v1/documents", params={"name": "gasket.tiff"}, data=data)
    drive.show(page, server)
    row = page.locator("#cv-documents .cv-row", has_text="gasket.tiff")
    expect(row.locator(".cv-meta")).to_contain_text("1 page ·")
    document = row.get_attribute("data-document")
    page.select_option("#cv-document-filter", document)
    search(page, "gasket")
    expect(page.locator("[data-part=title]")).to_have_text("gasket.tiff")
    page.request.delete(f"{server}/api/v1/documents/{document}")
    expect(page.locator("#cv-message")).to_have_text("The document gasket.tiff was deleted.")
    expect(page.locator("#cv-results .cv-card").first).to_be_visible()
    expect(page.locator(".cv-inspector")).to_be_hidden()  # no page of another manual takes its place
    assert document not in page.url


def test_pages_added_since_a_search_are_told_until_it_is_made_again(page, server, tmp_path):
    """The library holds a page of another collection, which no search compares: it was not added."""
    drive.show(page, server)
    search(page, "oil filter")
    expect(page.locator("#cv-summary")).not_to_contain_text("added since")
    data = save_document(tmp_path / "file.tiff", [["bearing"]]).read_bytes()
    page.request.post(f"{server}/api/v1/documents", params={"name": "bearing.tiff"}, data=data)
    page.get_by_role("button", name="1 page added since: search again").click()
    expect(page.locator("#cv-summary")).not_to_contain_text("added since")


def test_pages_that_a_search_has_met_are_not_told_as_added_since(page, server, tmp_path):
    drive.show(page, server)
    library = f"{server}/api/v1/library"
    page.route(library, lambda route: route.abort())  # the list of documents comes late
    data = save_document(tmp_path / "file.tiff", [["spindle"]]).read_bytes()
    page.request.post(f"{server}/api/v1/documents", params={"name": "spindle.tiff"}, data=data)
    drive.wait_until(
        lambda: ("spindle.tiff", "ready") in {(each["name"], each["state"]) for each in documents(page, library)}
    )
    search(page, "spindle")
    page.unroute(library)
    expect(page.locator("#cv-documents .cv-row", has_text="spindle.tiff")).to_be_visible()
    expect(page.locator("#cv-summary")).to_contain_text("Searched")
    expect(page.locator("#cv-summary")).not_to_contain_text("added since")


def documents(page, library):
    return page.request.get(library).json()["documents"]


def test_an_upload_is_read_in_the_background_and_survives_a_reload(page, server, tmp_path):
    drive.show(page, server)
    upload(page, save_document(tmp_path / "press.tiff", [[f"word{number}"] for number in range(12)]))
    row = page.locator("#cv-documents .cv-row", has_text="press.tiff")
    expect(row.locator("progress")).to_be_visible()
    page.reload()
    expect(row.get_by_role("button", name="Cancel")).to_be_visible()
    expect(row.locator(".cv-meta")).to_contain_text("12 pages ·")
    search(page, "word11")
    expect(page.locator("[data-part=title]")).to_have_text("press.tiff")


def test_facts_are_noted_with_new_files_and_shown_with_their_document(page, server, tmp_path):
    drive.show(page, server)
    page.get_by_text("Note facts with new files").click()
    page.fill("#cv-metadata", "machine=winch, site=Halle 3, north")
    upload(page, save_document(tmp_path / "winch.tiff", [["rope"]]))
    row = page.locator("#cv-documents .cv-row", has_text="winch.tiff")
    expect(row.locator(".cv-fact")).to_have_text(["machine=winch", "site=Halle 3, north"])
    drive.show(page, f"{server}/?q=rope&where=machine%3Dwinch")
    expect(page.locator("#cv-results .cv-card")).to_have_count(1)


def test_a_reading_can_be_cancelled_and_gone_on_with(page, server, tmp_path):
    drive.show(page, server)
    upload(page, save_document(tmp_path / "lathe.tiff", [[f"turn{number}"] for number in range(16)]))
    row = page.locator("#cv-documents .cv-row", has_text="lathe.tiff")
    expect(row.locator(".cv-meta")).to_contain_text("of 16")
    row.get_by_role("button", name="Cancel").click()
    expect(row.locator(".cv-meta")).to_contain_text("cancelled", ignore_case=True)
    row.get_by_role("button", name="Read the rest").click()
    expect(row.locator(".cv-meta")).to_contain_text("16 pages ·")


def test_a_click_beside_a_running_job_is_not_lost(page, server, tmp_path):
    drive.show(page, server)
    upload(page, save_document(tmp_path / "crane.tiff", [[f"lift{number}"] for number in range(30)]))
    row = page.locator("#cv-documents .cv-row", has_text="crane.tiff")
    expect(row.locator(".cv-meta")).to_contain_text("of 30 ·")
    button = page.get_by_role("button", name="Delete pump.tiff")
    button.hover()
    page.mouse.down()
    for _ in range(3):  # the list comes anew, and would take the button from under the pointer
        with page.expect_response(lambda each: "/api/v1/library" in each.url and each.status == 200):
            pass
    page.mouse.up()
    expect(page.get_by_role("button", name="Keep")).to_be_focused()
    page.get_by_role("button", name="Keep").click()
    row.get_by_role("button", name="Cancel").click()


def test_a_refused_file_is_told_so_and_its_name_is_only_text(page, server, tmp_path):
    drive.show(page, server)
    path = tmp_path / NASTY.replace(".tiff", ".pdf")
    path.write_bytes(b"<html>not a PDF</html>")
    upload(page, path)
    row = page.locator("#cv-uploads .cv-row")
    expect(row).to_contain_text("is not a PDF, PNG")
    expect(row).to_contain_text("<img src=x onerror")
    assert page.title() != "owned"
    row.get_by_role("button", name="Dismiss").click()
    expect(row).to_have_count(0)


def test_a_documents_name_is_only_text_everywhere(page, server, tmp_path):
    """Sent to the API, which keeps more of a name than Gradio's upload does."""
    data = save_document(tmp_path / "file.tiff", [["nasty"]]).read_bytes()
    page.request.post(f"{server}/api/v1/documents", params={"name": NASTY}, data=data)
    drive.show(page, server)
    row = page.locator("#cv-documents .cv-row", has_text="onerror")
    expect(row.locator(".cv-meta")).to_contain_text("1 page")
    search(page, "nasty")
    expect(page.locator("[data-part=title]")).to_contain_text("<img src=x onerror")
    assert page.locator("#cv-frame img[src='x']").count() == 0
    assert page.title() != "owned"


def test_a_deletion_asks_once_and_leaves_nothing(page, server, tmp_path):
    drive.show(page, server)
    upload(page, save_document(tmp_path / "mixer.tiff", [["stir"]]))
    row = page.locator("#cv-documents .cv-row", has_text="mixer.tiff")
    expect(row.locator(".cv-meta")).to_contain_text("1 page")
    search(page, "stir")
    expect(page.locator("[data-part=title]")).to_have_text("mixer.tiff")
    document = row.get_attribute("data-document")
    addresses = [f"{server}/api/v1/documents/{document}/{rest}" for rest in ("pages/1/image", "file")]
    assert [page.request.get(address).status for address in addresses] == [200, 200]
    row.get_by_role("button", name="Delete mixer.tiff").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(row).to_have_count(0)
    expect(page.locator("#cv-results")).not_to_contain_text("mixer.tiff")
    assert [page.request.get(address).status for address in addresses] == [404, 404]


def test_a_collection_is_chosen_filled_and_kept_in_the_address(page, server, tmp_path):
    drive.show(page, server)
    page.select_option("#cv-collection", "archive")
    expect(page.locator("#cv-documents .cv-row")).to_have_count(1)
    search(page, "elsewhere")
    expect(page.locator("[data-part=title]")).to_have_text("old.tiff")
    assert "collection=archive" in page.url
    page.reload()
    expect(page.locator("#cv-collection")).to_have_value("archive")
    page.get_by_role("button", name="New collection").click()
    page.fill("#cv-collection-name", "spare parts")
    page.keyboard.press("Enter")
    expect(page.locator("#cv-empty")).to_contain_text("Nothing is in the collection spare parts yet")
    page.fill("#cv-query", "bolt")
    page.press("#cv-query", "Enter")
    expect(page.locator("#cv-message")).to_contain_text("The collection spare parts is new: it holds no document yet.")
    upload(page, save_document(tmp_path / "shelf.tiff", [["bolt"]]))
    expect(page.locator("#cv-documents .cv-row", has_text="shelf.tiff").locator(".cv-meta")).to_contain_text("1 page ·")
    search(page, "bolt")
    expect(page.locator("[data-part=title]")).to_have_text("shelf.tiff")
    page.select_option("#cv-collection", "default")
    expect(page.locator("#cv-documents")).not_to_contain_text("shelf.tiff")


def test_documents_of_one_name_are_told_apart_by_their_folders(page, server):
    drive.show(page, f"{server}/?q=lathe&collection=twins")
    names = ["manual.tiff", "manual (2).tiff"]
    rows = page.locator("#cv-documents .cv-row")
    for name, folder in zip(names, ("press", "lathe"), strict=True):
        expect(rows.filter(has=page.get_by_role("button", name=name, exact=True))).to_contain_text(f"in {folder}")
    expect(page.locator("#cv-results .cv-card").first).to_contain_text("manual (2).tiff in lathe")
    expect(page.locator("[data-part=title]")).to_have_text("manual (2).tiff in lathe")
    expect(page.locator("#cv-document-filter option", has_text="manual.tiff in press")).to_have_count(1)
    page.select_option("#cv-collection", "default")
    expect(rows.filter(has_text="pump.tiff")).not_to_contain_text(" in ")


def test_a_collection_of_another_encoder_is_encoded_again_from_the_page(chromium, tmp_path):
    with open_library(tmp_path / "library", encoder=ToyEncoder(seed=1)) as library:
        library.ingest(save_document(tmp_path / "pump.tiff", PUMP))
    with drive.serving(*drive.TOY, str(tmp_path / "library"), "0", environment={"TOY_SECONDS": "0.3"}) as address:
        page = drive.new_page(chromium)
        drive.show(page, f"{address}/?q=oil+filter")
        expect(page.locator("#cv-banner")).to_contain_text("was filled by toy-1")
        page.get_by_role("button", name="Encode again").click()
        expect(page.locator("#cv-banner progress")).to_be_visible()
        expect(page.locator("#cv-banner")).to_be_hidden()
        expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
        page.context.close()


def test_the_first_start_loads_the_sample_manual_and_finds_a_page_in_it(chromium, tmp_path):
    with drive.serving(*drive.REAL, "--library", str(tmp_path / "library"), "--port", "0", "--sample") as address:
        page = drive.new_page(chromium)
        drive.show(page, address)
        expect(page.locator("#cv-documents .cv-row", has_text="sample-manual.pdf")).to_be_visible()
        drive.wait_until(lambda: held(page, address) > 0, 240)
        search(page, "hydraulic oil")
        expect(page.locator("[data-part=title]")).to_contain_text("sample-manual")
        expect(page.locator("[data-part=unit]")).to_contain_text("match probability")
        page.context.close()


def test_a_library_that_has_not_changed_is_not_sent_again(page, server):
    drive.show(page, server)
    with page.expect_response(lambda each: each.url.endswith("/api/v1/library") and each.status == 304):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#cv-documents .cv-row", has_text="pump.tiff").first).to_be_visible()
