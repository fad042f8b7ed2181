"""The list of documents as a shelf: found, sorted, renamed, noted, several at once; collections; folders; refusals."""

import io
import zipfile

import pytest

from colvision.testing import save_document

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
from tests.helpers import browser as drive  # it imports playwright
from tests.helpers.browser import expect

pytestmark = pytest.mark.browser

ROWS = "#cv-documents .cv-row"


def fill(page, server, tmp_path, collection, **files):
    """Documents of a collection, each with the words of its pages, read."""
    for name, pages in files.items():
        data = save_document(tmp_path / "file.tiff", pages).read_bytes()
        at = {"name": f"{name}.tiff", "collection": collection}
        assert page.request.post(f"{server}/api/v1/documents", params=at, data=data).ok
    drive.wait_until(lambda: page.wait_for_timeout(50) or states(page, server, collection) == ["ready"] * len(files))
    drive.show(page, f"{server}/?collection={collection}")


def states(page, server, collection):
    documents = page.request.get(f"{server}/api/v1/library").json()["documents"]
    return [each["state"] for each in documents if each["collection"] == collection]


def names(page):
    return page.locator(f"{ROWS} .cv-name").all_inner_texts()


def test_documents_are_found_sorted_renamed_noted_and_deleted_several_at_once(page, server, tmp_path):
    fill(page, server, tmp_path, "several", crane=[["hook"]], lift=[["rope"], ["door"]], winch=[["drum"]])
    page.select_option("#cv-shelf-order", "pages")
    assert names(page)[0] == "lift.tiff"
    row = page.locator(ROWS, has_text="winch.tiff")
    row.hover()
    row.get_by_role("button", name="Rename winch.tiff or edit its facts").click()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.get_by_label("Name", exact=True).fill("Winch 12.tiff")
    page.get_by_label("Facts and tags").fill("machine=winch, #urgent")
    page.keyboard.press("Enter")
    row = page.locator(ROWS, has_text="Winch 12.tiff")
    expect(row.locator(".cv-fact")).to_have_text(["machine=winch", "#urgent"])
    row.get_by_role("button", name="#urgent").click()
    expect(page.locator(ROWS)).to_have_count(1)
    page.fill("#cv-shelf-filter", "no such thing")
    expect(page.locator("#cv-shelf-none-found")).to_be_visible()
    page.fill("#cv-shelf-filter", "tiff")
    page.get_by_label("Choose all documents that are listed").check()
    expect(page.locator("#cv-shelf-count")).to_have_text("3 chosen")
    page.get_by_role("button", name="Note facts").click()
    page.get_by_label("Facts to note with the chosen documents").fill("site=Halle 3, north")
    page.get_by_role("button", name="Note", exact=True).click()
    expect(page.locator(".cv-fact", has_text="site=Halle 3, north")).to_have_count(3)
    expect(row.locator(".cv-fact")).to_have_count(3)  # beside what was noted
    expect(page.locator("#cv-shelf-chosen")).to_be_hidden()
    page.get_by_label("Choose crane.tiff").check()
    page.get_by_label("Choose lift.tiff").check()
    page.locator("#cv-shelf-delete").click()
    expect(page.locator("#cv-shelf-asked")).to_have_text("Delete 2 documents with 3 pages?")
    page.locator("#cv-shelf-do").click()
    expect(page.locator(ROWS)).to_have_count(1)
    assert names(page) == ["Winch 12.tiff"]


def test_a_collection_is_renamed_and_deleted_here_and_elsewhere(page, server, tmp_path):
    fill(page, server, tmp_path, "short", belt=[["belt"]])
    page.get_by_role("button", name="Rename or delete this collection").click()
    page.get_by_role("button", name="Rename", exact=True).click()
    page.fill("#cv-collection-name", "belts")
    page.keyboard.press("Enter")
    expect(page.locator("#cv-collection")).to_have_value("belts")
    expect(page.locator(ROWS)).to_have_count(1)
    page.request.patch(f"{server}/api/v1/collections", params={"collection": "belts", "name": "belts of old"})
    expect(page.locator("#cv-message")).to_have_text("The collection belts is called belts of old now.")
    expect(page.locator("#cv-collection")).to_have_value("belts of old")
    page.get_by_role("button", name="Rename or delete this collection").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#cv-collection-asked")).to_have_text("Delete the collection belts of old with its 1 document?")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.get_by_role("button", name="Delete it").click()
    expect(page.locator("#cv-collection")).to_have_value("default")
    expect(page.locator("#cv-collection")).not_to_contain_text("belts")  # once the server has told what is left
    fill(page, server, tmp_path, "gone soon", belt=[["belt"]])
    page.request.delete(f"{server}/api/v1/collections", params={"collection": "gone soon"})
    expect(page.locator("#cv-message")).to_have_text("The collection gone soon was deleted.")
    expect(page.locator("#cv-collection")).to_have_value("default")


def test_an_answer_that_comes_late_does_not_bring_back_what_was_changed(page, server, tmp_path):
    """The page waits for changes while its user makes one: the answer to the wait may be of the moment before."""
    held = []
    page.route("**/api/v1/library?wait=*", lambda route: held.append(route))
    fill(page, server, tmp_path, "early", chain=[["chain"]])
    drive.wait_until(lambda: page.wait_for_timeout(20) or held)
    before = page.request.get(f"{server}/api/v1/library")
    page.get_by_role("button", name="Rename or delete this collection").click()
    page.get_by_role("button", name="Rename", exact=True).click()
    page.fill("#cv-collection-name", "renamed")
    page.keyboard.press("Enter")
    expect(page.locator("#cv-collection option:checked")).to_have_text("renamed (1)")
    held[0].fulfill(status=200, headers={"ETag": before.headers["etag"]}, json=before.json())
    drive.wait_until(lambda: page.wait_for_timeout(20) or len(held) > 1)  # it has been read
    expect(page.locator("#cv-collection option:checked")).to_have_text("renamed (1)")
    expect(page.locator("#cv-message")).to_be_hidden()
    held[1].continue_()


def test_a_chosen_folder_gives_its_files_and_refusals_stand_in_one_line(page, server, tmp_path):
    folder = tmp_path / "press"
    (folder / "deep").mkdir(parents=True)
    (folder / "notes.docx").write_text("no page")
    for number in (1, 2):
        (folder / f"broken {number}.pdf").write_text("no PDF")
    save_document(folder / "deep" / "ram.tiff", [["ram"]])
    drive.show(page, f"{server}/?collection=chosen folder")
    page.set_input_files("#cv-folder", folder)
    expect(page.locator(ROWS, has_text="ram.tiff").locator(".cv-meta").first).to_contain_text("1 page ·")
    refused = page.locator("#cv-uploads .cv-row", has_text="2 files not added")
    expect(refused.locator("summary")).to_be_visible()
    refused.locator("summary").click()
    expect(refused.locator("li").first).to_contain_text("broken 1.pdf")
    expect(page.locator("#cv-uploads .cv-row", has_text="1 file left out")).to_contain_text("press/notes.docx")
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.set_input_files("#cv-drop input[type=file]", folder / "deep" / "ram.tiff")
    known = page.locator("#cv-uploads .cv-row", has_text="1 file here already")
    expect(known).to_contain_text("ram.tiff")
    assert sent == []  # its bytes were compared before they were sent, and nobody was asked about its name
    known.get_by_role("button", name="Dismiss").click()
    refused.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#cv-uploads .cv-row")).to_have_count(1)


def test_a_folder_of_the_machine_is_watched(page, server, tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    drive.show(page, f"{server}/?collection=incoming")
    page.get_by_text("Watch a folder").click()
    page.fill("#cv-watch-folder", str(tmp_path / "none"))
    page.get_by_role("button", name="Watch", exact=True).click()
    expect(page.locator("#cv-library-message")).to_contain_text("There is no folder")
    page.fill("#cv-watch-folder", str(folder))
    page.get_by_role("button", name="Watch", exact=True).click()
    row = page.locator("#cv-watched-list .cv-row")
    expect(row).to_contain_text("into incoming")
    expect(row.locator("summary")).to_have_text("1 file not read")
    save_document(folder / "belt.tiff", [["belt"]])
    expect(page.locator(ROWS, has_text="belt.tiff").locator(".cv-meta").first).to_contain_text("1 page ·")
    row.get_by_role("button", name=f"Watch {folder} no more").click()
    expect(page.locator("#cv-watched-title")).to_have_text("Watch a folder")


def test_pages_of_several_answers_are_saved_as_one_file(page, server):
    drive.show(page, f"{server}/?q=oil&k=50")
    page.get_by_label("Choose page 3 of pump.tiff").check()
    expect(page.locator("#cv-chosen-count")).to_have_text("1 page chosen")
    drive.reload(page)
    page.fill("#cv-query", "bleed")
    page.press("#cv-query", "Enter")
    page.get_by_label("Choose page 1 of pump.tiff").check()
    expect(page.get_by_label("Choose page 3 of pump.tiff")).to_be_checked()
    expect(page.locator("#cv-chosen-open")).to_be_hidden()  # it is chosen
    page.keyboard.press("ArrowDown")
    page.get_by_role("button", name="Choose the open page, too").click()
    expect(page.locator("#cv-chosen-count")).to_have_text("3 pages chosen")
    for name, kind in (("Save as PDF", "pages.pdf"), ("Save as PNG images", "pages.zip")):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        assert download.value.suggested_filename == kind
    saved = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    assert [name[:15] for name in saved.namelist()] == ["001 pump page 3", "002 pump page 1", "003 pump page 2"]
    page.get_by_role("button", name="Choose no page").click()
    expect(page.locator("#cv-chosen")).to_be_hidden()
    expect(page.get_by_label("Choose page 3 of pump.tiff")).not_to_be_checked()
