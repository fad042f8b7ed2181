"""Files on their way to the server, in a real browser."""

import json

import pytest

from colvision.testing import save_document

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
from tests.helpers import browser as drive  # it imports playwright
from tests.helpers.browser import expect, search, upload

pytestmark = pytest.mark.browser

BUSY = {"status": 429, "headers": {"Retry-After": "1"}, "json": {"error": "50 files are waiting"}}


def documents(page, server):
    return page.request.get(f"{server}/api/v1/library").json()["documents"]


def drop(page, *paths, on="#cv-drop"):
    """As the system's file manager drops files and folders on the page: a script could drop no folder."""
    session = page.context.new_cdp_session(page)
    box = page.locator(on).bounding_box()
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})


def test_a_dropped_folder_gives_its_files_and_names_what_is_left_out(page, server, tmp_path):
    folder = tmp_path / "press"
    (folder / "deep" / "deeper").mkdir(parents=True)
    save_document(folder / "crank.tiff", [["crank"]])
    save_document(folder / "deep" / "deeper" / "spare.tiff", [["cam"]]).rename(folder / "deep" / "deeper" / "Bulletin")
    (folder / "notes.docx").write_text("no page")
    (folder / ".DS_Store").write_text("hidden")
    drive.show(page, f"{server}/?collection=folder")
    drop(page, folder)
    rows = page.locator("#cv-documents .cv-row")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="Bulletin")).to_have_count(1)
    left = page.locator("#cv-uploads .cv-row")
    expect(left).to_contain_text("1 file left out")
    expect(left).to_contain_text("press/notes.docx")
    expect(left).not_to_contain_text("DS_Store")
    left.get_by_role("button", name="Dismiss").click()
    expect(left).to_have_count(0)
    drop(page, folder, on="#cv-query")
    expect(page.locator("#cv-message")).to_contain_text("it is a folder, or was moved")


def test_a_busy_server_is_asked_again_by_itself_and_the_wait_can_be_cancelled(page, server, tmp_path):
    drive.show(page, f"{server}/?collection=busy")
    answers = [BUSY, BUSY]
    page.route("**/api/v1/documents?*", lambda route: route.fulfill(**answers.pop()) if answers else route.fallback())
    upload(page, save_document(tmp_path / "first.tiff", [["first"]]))
    row = page.locator("#cv-uploads .cv-row")
    expect(row).to_contain_text("50 files are waiting. Sent again in")
    expect(page.locator("#cv-documents .cv-row", has_text="first.tiff")).to_be_visible()
    assert answers == []
    answers += [BUSY] * 50
    upload(page, save_document(tmp_path / "second.tiff", [["second"]]))
    expect(row).to_contain_text("Sent again in")
    row.get_by_role("button", name="Cancel sending second.tiff").click()
    expect(row).to_have_count(0)
    page.unroute("**/api/v1/documents?*")
    upload(page, save_document(tmp_path / "third.tiff", [["third"]]))
    expect(page.locator("#cv-documents .cv-row", has_text="third.tiff")).to_be_visible()
    assert "second.tiff" not in {each["name"] for each in documents(page, server)}


def test_a_search_waits_for_a_busy_server_too(page, server):
    drive.show(page, server)
    answers = [BUSY]
    page.route("**/api/v1/search?*", lambda route: route.fulfill(**answers.pop()) if answers else route.fallback())
    page.fill("#cv-query", "oil filter")
    page.press("#cv-query", "Enter")
    expect(page.locator("#cv-message")).to_contain_text("Asked again in")
    expect(page.locator("[data-part=place]")).to_have_text("page 3 of 3")
    expect(page.locator("#cv-message")).to_be_hidden()


def test_files_that_were_not_sent_are_named_after_a_reload(page, server, tmp_path):
    drive.show(page, f"{server}/?collection=reload")
    page.route("**/api/v1/documents?*", lambda route: route.fulfill(**BUSY | {"headers": {"Retry-After": "60"}}))
    page.set_input_files(
        "#cv-drop input[type=file]",
        [save_document(tmp_path / f"{name}.tiff", [[name]]) for name in ("north", "south")],
    )
    expect(page.locator("#cv-uploads .cv-row").first).to_contain_text("Sent again in")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    row = page.locator("#cv-uploads .cv-row")
    expect(row).to_contain_text("2 files not sent")
    expect(row).to_contain_text("north.tiff")
    expect(row).to_contain_text("south.tiff")
    assert asked == ["beforeunload"]
    page.reload()
    expect(page.locator("#cv-empty")).to_be_visible()
    expect(row).to_have_count(0)


def test_a_file_that_was_deleted_before_it_was_sent_is_told_so(page, server, tmp_path):
    drive.show(page, f"{server}/?collection=deleted")
    held = []
    page.route("**/api/v1/documents?*", lambda route: held.append(route), times=1)
    paths = [save_document(tmp_path / f"{name}.tiff", [[name]]) for name in ("kept", "lost")]
    page.set_input_files("#cv-drop input[type=file]", paths)
    drive.wait_until(lambda: page.wait_for_timeout(20) or held)
    paths[1].unlink()
    held[0].continue_()
    row = page.locator("#cv-uploads .cv-row", has_text="lost.tiff")
    expect(row).to_contain_text("moved, changed or deleted after it was chosen")
    expect(page.locator("#cv-documents .cv-row", has_text="kept.tiff")).to_be_visible()


def test_a_name_in_use_is_asked_about_and_the_answer_is_sent(page, server, tmp_path):
    data = save_document(tmp_path / "file.tiff", [["forty"]]).read_bytes()
    names = ("rotor.tiff", "stator.tiff", "shaft.tiff")
    paths = [save_document(tmp_path / name, [["twenty", name], ["more"]]) for name in names]
    for path, fill in zip(paths, (b"\n", b" ", b"\t"), strict=True):
        old = data.ljust(path.stat().st_size, fill)  # a newer version may have just the size of the one before
        page.request.post(f"{server}/api/v1/documents", params={"name": path.name, "collection": "names"}, data=old)
    drive.wait_until(
        lambda: [each["state"] for each in documents(page, server) if each["collection"] == "names"] == ["ready"] * 3
    )
    drive.show(page, f"{server}/?collection=names")
    page.get_by_role("button", name="stator.tiff", exact=True).click()
    expect(page.locator("[data-part=place]")).to_have_text("page 1 of 1")
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.set_input_files("#cv-drop input[type=file]", paths)
    row = page.locator("#cv-uploads .cv-row", has_text="rotor.tiff")
    expect(row).to_contain_text("A document of this name is here already")
    row.get_by_role("button", name="Keep both").click()
    row = page.locator("#cv-uploads .cv-row", has_text="stator.tiff")
    expect(row.get_by_role("button", name="Replace it")).to_be_focused()
    row.get_by_label("The same for 1 more file").check()
    row.get_by_role("button", name="Replace it").click()
    expect(page.locator("#cv-uploads .cv-row")).to_have_count(0)
    expect(page.locator("[data-part=place]")).to_have_text("page 1 of 2")  # of the version that took its place
    [stator] = [each for each in documents(page, server) if each["name"] == "stator.tiff"]
    shown = "async id => (await import('/app/static/api.js')).pageImage(id, 1)"
    assert stator["sha256"][:12] in page.evaluate(shown, stator["id"]), "an <img> of this address shows the old version"
    assert ["replace=true" in url for url in sent] == [False, True, True]
    assert json.loads(page.evaluate("sessionStorage.getItem('colvision-unsent')")) == []


def test_a_new_issue_of_as_many_pages_has_thumbnails_of_its_own_and_none_of_its_pages_is_chosen(page, server, tmp_path):
    at = {"name": "swap.tiff", "collection": "swaps"}

    def send(word, **more):
        data = save_document(tmp_path / "swap.tiff", [[word]]).read_bytes()
        page.request.post(f"{server}/api/v1/documents", params=at | more, data=data)

    send("before")
    drive.show(page, f"{server}/?collection=swaps")
    page.get_by_role("button", name="swap.tiff", exact=True).click()
    search(page, "before")
    page.locator(".cv-choose-page").check()
    expect(page.locator("#cv-chosen")).to_be_visible()
    page.get_by_role("button", name="Thumbnails").click()
    thumbnail = page.get_by_role("navigation", name="Pages of the document").locator("img")
    expect(thumbnail).to_have_count(1)
    before = thumbnail.get_attribute("src")
    send("after", replace="true")
    expect(thumbnail).not_to_have_attribute("src", before)
    expect(page.locator("#cv-chosen")).to_be_hidden()
