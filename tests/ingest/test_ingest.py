"""From files to stored pages: streaming, resumable, and honest about what failed."""

import io
import threading
from pathlib import Path

import pytest
from PIL import Image

from colvision.core.encoder import drawing_processes
from colvision.core.health import Note, PagesNote
from colvision.errors import EncoderError, EncoderMismatch, LibraryError, LibraryReadOnly, MissingExtra
from colvision.ingest import (
    Callbacks,
    IngestOptions,
    Upload,
    find_files,
    ingest_again,
    ingest_files,
    reencode_collection,
)
from colvision.ingest.pooling import PoolingEncoder
from colvision.pdf import read_pages
from colvision.store import Store
from colvision.store.records import CANCELLED, FAILED, INTERRUPTED, READY
from colvision.testing import ToyEncoder, save_document, text_page
from colvision.testing.toy import PAGE_SHAPE
from tests.helpers.pdf_files import NEEDS_POPPLER, pages_file, text_file, written
from tests.helpers.stores import TOO_SMALL, save_with_a_large_page

WORDS = [["bleed", "valve"], ["spare", "parts"], ["oil", "filter"]]


@pytest.fixture(scope="module")
def manual(tmp_path_factory):
    """Three pages, as images: quicker to open than a PDF."""
    return save_document(tmp_path_factory.mktemp("manual") / "pump.tiff", WORDS)


@pytest.fixture
def store(quick_path):
    with Store(quick_path / "library") as store:
        yield store


def ingest(store, *files, encoder=None, progress=None, cancel=None, **options):
    callbacks = Callbacks(progress, cancel)
    return ingest_files(store, encoder or ToyEncoder(), files, options=IngestOptions(**options), callbacks=callbacks)


def codes(store, name):
    row = store.find(name)
    return [store.stored_page(row, number).codes.tobytes() for number in range(1, row.pages + 1)]


@pytest.fixture
def three(quick_path):
    """Three documents of one page each, beside things that are none."""
    folder = quick_path / "manuals"
    (folder / "b").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in ("c.tiff", "a.TIFF", "b/b.tiff", ".hidden/no.tiff", ".no.tiff"):
        save_document(folder / name, [[name.strip("./")[:4]]])
    (folder / "notes.txt").write_text("no page")
    return folder


def test_a_document_is_read_encoded_and_stored(store, manual):
    report = ingest(store, manual)
    (file,) = report.new
    assert (file.name, file.pages, file.failed_pages, report.pages) == ("pump.tiff", 3, (), 3)
    row = store.find("pump.tiff")
    assert (row.state, row.stored, row.source) == (READY, 3, str(manual))
    assert row.renderer.startswith("pillow")


@NEEDS_POPPLER
def test_poppler_draws_where_it_is_named(store, quick_path):
    ingest(store, written(quick_path, text_file("bleed"), "pump.pdf"), renderer="poppler")
    assert store.find("pump.pdf").renderer.startswith("poppler ")


def test_poppler_that_is_named_and_missing_is_missed_before_a_file_is_read(monkeypatch, quick_path):
    monkeypatch.setenv("PATH", str(quick_path))
    with pytest.raises(MissingExtra, match="or leave out the renderer, and PDFium draws"):
        IngestOptions(renderer="poppler")


def test_what_poppler_filled_is_read_again_without_it(store, quick_path, monkeypatch):
    path = written(quick_path, text_file("bleed"), "pump.pdf")
    ingest(store, path)
    drawn = store.page_image_path(store.find("pump.pdf"), 1).read_bytes()

    def reencode():
        return reencode_collection(store, ToyEncoder(), options=IngestOptions(), callbacks=Callbacks())

    def again():
        row = store.find("pump.pdf")
        return ingest_again(store, ToyEncoder(), row, options=IngestOptions(), callbacks=Callbacks())

    monkeypatch.setenv("PATH", str(quick_path))
    for read in (again, reencode):
        store.writer.set_renderer(store.find("pump.pdf"), "poppler 22.12.0")
        (same,) = ingest(store, path).files
        assert same.outcome == "same" and store.find("pump.pdf").renderer == "poppler 22.12.0"
        read()
        assert store.find("pump.pdf").renderer.startswith("pdfium "), "the record says what drew the pages"
        assert store.page_image_path(store.find("pump.pdf"), 1).read_bytes() == drawn
        assert list(store.verify()) == []


@pytest.mark.parametrize("ahead", [1, 5])
def test_an_encoder_may_read_ahead(store, manual, ahead, quick_path):
    ingest(store, manual, encoder=ToyEncoder(ahead=ahead), commit_pages=2)
    with Store(quick_path / "plain") as plain:
        ingest(plain, manual)
        assert codes(store, "pump.tiff") == codes(plain, "pump.tiff")


def test_a_kept_file_that_cannot_be_read_is_named_as_its_document(store, manual):
    ingest(store, manual)
    row = store.find("pump.tiff")
    store.original_path(row).write_bytes(b"II*\x00\xff\xff\xff\xff")
    report = ingest_again(store, ToyEncoder(), row, options=IngestOptions(), callbacks=Callbacks())
    assert (report.outcome, report.name) == ("failed", "pump.tiff")
    assert report.reason.startswith("pump.tiff is a damaged TIFF file")


def test_the_same_file_again_is_reported_and_not_encoded(store, manual):
    ingest(store, manual)
    report = ingest(store, manual, encoder=Refusing())
    assert [file.name for file in report.same] == ["pump.tiff"] and report.pages == 0
    assert "pump.tiff: the same bytes as before, nothing to do" in str(report)


class Refusing(ToyEncoder):
    """An encoder that must not be asked for a page."""

    def encode_pages(self, pages):
        raise AssertionError("a page was encoded")


def test_a_changed_file_replaces_its_document(store, quick_path):
    path = save_document(quick_path / "a.tiff", [["old"], ["old2"]])
    ingest(store, path)
    before = codes(store, "a.tiff")
    save_document(path, [["new"]])
    report = ingest(store, path)
    assert [(file.name, file.pages) for file in report.replaced] == [("a.tiff", 1)]
    assert [row.pages for row in store.documents("default")] == [1]
    assert codes(store, "a.tiff") != before


def test_folders_are_walked_in_the_order_of_names_without_hidden_files(store, three):
    found = [str(path.relative_to(three)) for path in find_files([three]) if isinstance(path, Path)]
    assert found == ["a.TIFF", "c.tiff", "b/b.tiff"]


def test_a_library_inside_a_folder_does_not_ingest_itself(quick_path, three):
    with Store(three / "library") as store:
        ingest(store, *find_files([three]))
        assert len(store.documents("default")) == 3
        again = ingest(store, *find_files([three]))
        assert len(again.same) == 3 == len(again.files)
        assert "1 folder of a library (library)" in str(again)
        for inside in ("", "pages"):
            itself = ingest(store, *find_files([store.path / inside]))
            assert itself.files == () and [each.kind for each in itself.left_out] == ["library"]
        assert ingest(store, *find_files([store.path / "files"])).same, "kept files may go into another library"


def test_a_bad_file_does_not_stop_the_others(store, three, quick_path):
    html = three / "page.pdf"
    html.write_text("<html>not a PDF</html>")
    report = ingest(store, three / "missing.pdf", html, three / "a.TIFF", Upload(html, "pump.pdf"))
    assert [file.name for file in report.failed] == ["missing.pdf", "page.pdf", "pump.pdf"]
    assert all(file.reason for file in report.failed)
    assert "page.pdf" not in report.failed[2].reason, "an upload is named as its sender named it"
    assert [file.name for file in report.new] == ["a.TIFF"]
    assert "1 new, 3 failed; 1 page in" in str(report)


def test_failed_pages_pass_by_and_are_reported(store, quick_path):
    bad = quick_path / "bad.tiff"
    save_two_good_pages_and_one_cut(bad)
    seen = []
    report = ingest(store, bad, encoder=ToyEncoder(ahead=1), progress=seen.append)
    (file,) = report.new
    assert file.pages == 2 and [page.number for page in file.failed_pages] == [2]
    assert "page 2 failed:" in str(report)
    assert seen[-1].page == seen[-1].pages == 3 and seen[-1].failed == 1
    assert store.find("bad.tiff").state == READY
    (again,) = ingest(store, bad).same
    assert again.pages == 0 and "page 2 failed:" in str(again), "it is tried again, and named again"


def save_two_good_pages_and_one_cut(path):
    """The second page's compressed pixels are overwritten: libtiff refuses to decode them."""
    first, *more = (text_page(words, shape=PAGE_SHAPE) for words in WORDS)
    first.save(path, save_all=True, append_images=more, compression="tiff_lzw")
    with Image.open(path) as image:
        image.seek(1)
        (offset, *_), (length, *_) = image.tag_v2[273], image.tag_v2[279]
    data = bytearray(path.read_bytes())
    data[offset : offset + length] = bytes([255]) * length
    path.write_bytes(data)


def test_a_page_that_failed_is_tried_again_while_its_document_is_served(store, quick_path):
    path = save_with_a_large_page(quick_path / "plan.tiff")
    strict = TOO_SMALL
    (first,) = ingest(store, path, limits=strict).new
    assert (first.pages, [page.number for page in first.failed_pages]) == (2, [2])
    row = store.find("plan.tiff")
    (health,) = store.health([row])
    assert row.state == READY and health.summary == "1 page failed"
    states = []
    (again,) = ingest(store, path, progress=lambda _: states.append(store.find(row.id).state), limits=strict).same
    assert (again.pages, again.before) == (0, 2) and "tried again, 0 read" in str(again)
    (after,) = store.health([row])
    assert len(store.health([row])) == 1 and after.failed[0].tried >= health.failed[0].tried
    (done,) = ingest(store, path).same
    assert (done.pages, done.failed_pages, store.find(row.id).stored) == (1, (), 3)
    assert set(states) == {READY}, "it can be searched all the time"
    assert store.health([store.find(row.id)])[0].is_whole
    (nothing,) = ingest(store, path).same
    assert "nothing to do" in str(nothing)


def test_a_resumed_document_tries_its_failed_pages_and_stays_ready_when_that_is_cancelled(store, quick_path):
    path = save_with_a_large_page(quick_path / "plan.tiff")
    ingest(store, path, limits=TOO_SMALL)
    row = store.find("plan.tiff")
    options = IngestOptions()
    stopped = ingest_again(store, ToyEncoder(), row, options=options, callbacks=Callbacks(None, lambda: True))
    assert stopped.outcome == "cancelled" and store.find(row.id).state == READY
    again = ingest_again(store, ToyEncoder(), row, options=options, callbacks=Callbacks())
    assert (again.outcome, again.pages, store.find(row.id).stored) == ("same", 1, 3)


def test_what_is_noted_of_pages_is_in_the_report_each_time(store, manual):
    class Picky(ToyEncoder):
        def unreadable(self, page):
            return (Note("script", "is in Greek letters"),) if page.number != 2 else ()

    for report in (ingest(store, manual, encoder=Picky()), ingest(store, manual, encoder=Picky())):
        assert report.files[0].notes == (PagesNote("script", "is in Greek letters", (1, 3)),)
        assert "each of pages 1, 3 is in Greek letters" in str(report)
        assert report.to_dict()["files"][0]["notes"][0]["pages"] == (1, 3)
    assert ingest(store, manual, encoder=Picky(), pool=1).same


def test_a_file_without_a_readable_page_fails_and_is_tried_again(store, quick_path):
    path = quick_path / "strip.pdf"
    path.write_bytes(pages_file(("/MediaBox [0 0 14400 10]", b"")))
    for _ in range(2):
        (file,) = ingest(store, path).failed
        assert "its only page could not be read" in file.reason
        assert store.find("strip.pdf").state == FAILED and store.find("strip.pdf").reason == file.reason


def test_cancelling_keeps_what_was_committed_and_a_later_run_goes_on(store, manual, quick_path):
    seen = []
    other = save_document(quick_path / "later.tiff", [["word"]])
    report = ingest(store, manual, other, progress=seen.append, cancel=lambda: len(seen) > 2, commit_pages=1)
    assert [file.name for file in report.cancelled] == ["pump.tiff", "later.tiff"]
    stored = store.find("pump.tiff").stored
    assert 0 < stored < 3 and store.find("pump.tiff").state == CANCELLED
    assert [row.name for row in store.documents("default")] == ["pump.tiff"]
    report = ingest(store, manual)
    (file,) = report.new
    assert (file.before, file.pages) == (stored, 3 - stored)
    assert store.find("pump.tiff").state == READY
    assert f"{3 - stored} page" in str(report) and f"after {stored} of an earlier run" in str(report)


def test_a_cancelled_replacement_leaves_the_old_version(store, quick_path):
    path = save_document(quick_path / "a.tiff", [["old"]])
    ingest(store, path)
    before = codes(store, "a.tiff")
    save_document(path, WORDS)
    seen = []
    report = ingest(store, path, progress=seen.append, cancel=lambda: len(seen) > 1, commit_pages=1)
    assert len(report.cancelled) == 1
    assert codes(store, "a.tiff") == before and store.find("a.tiff").state == READY
    report = ingest(store, path)
    assert report.replaced[0].before + report.replaced[0].pages == 3
    assert store.find("a.tiff").pages == 3


def test_progress_counts_every_page_and_what_is_left(store, manual):
    seen = []
    ingest(store, manual, progress=seen.append)
    assert [(each.page, each.pages) for each in seen] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert seen[0].seconds_left is None and seen[-1].seconds_left == 0
    assert all(each.pages_per_second > 0 for each in seen[1:])


def test_pages_are_committed_by_count_and_by_time(store, manual):
    commits = []

    def callbacks(_):
        commits.append(len(store.shards("default")))

    ingest(store, manual, progress=callbacks, commit_pages=2)
    assert len(store.shards("default")) == 2
    store.writer.delete(store.find("pump.tiff"))
    ingest(store, manual, commit_seconds=0.0)
    assert len(store.shards("default")) == 3


def test_an_encoder_that_loses_a_page_is_found_out(store, manual):
    class Losing(ToyEncoder):
        def encode_pages(self, pages):
            yield from list(super().encode_pages(pages))[1:]

    with pytest.raises(EncoderError, match="left out 1 of the pages"):
        ingest(store, manual, encoder=Losing())
    assert store.find("pump.tiff").state != READY


def test_an_encoder_that_breaks_leaves_a_document_that_can_be_resumed(store, manual, three):
    class Breaking(ToyEncoder):
        def encode_pages(self, pages):
            for number, embedding in enumerate(super().encode_pages(pages)):
                if number == 2:
                    raise RuntimeError("out of memory")
                yield embedding

    report = ingest(store, manual, three / "c.tiff", encoder=Breaking(), commit_pages=1)
    assert [file.name for file in report.new] == ["c.tiff"], "the next one is read"
    row = store.find("pump.tiff")
    assert row.stored == 2 and row.state in (FAILED, INTERRUPTED)
    assert "out of memory" in row.reason and "out of memory" in report.failed[0].reason
    assert ingest(store, manual).new[0].before == 2


def test_another_encoder_is_refused_before_any_file_is_read(store, manual, quick_path):
    ingest(store, manual)
    with pytest.raises(EncoderMismatch, match="colvision reencode"):
        ingest(store, save_document(quick_path / "b.tiff", [["b"]]), encoder=ToyEncoder(seed=9))


def test_a_document_deleted_while_it_is_read_fails_alone(store, manual, three):
    def delete(progress):
        if (progress.document, progress.page) == ("pump.tiff", 2):
            store.writer.delete(store.find("pump.tiff"))

    report = ingest(store, manual, three / "c.tiff", progress=delete, commit_pages=1)
    assert [file.name for file in report.failed] == ["pump.tiff"]
    assert "deleted or replaced meanwhile" in report.failed[0].reason
    assert [row.name for row in store.documents("default")] == ["c.tiff"]


def test_a_file_that_is_written_to_while_it_is_read_fails_and_is_ingested_later(store, quick_path):
    path = save_document(quick_path / "a.tiff", [["one"]])
    is_read = threading.Event()

    def grow():
        while not is_read.wait(0.01):
            with path.open("ab") as file:
                file.write(b"more")

    writer = threading.Thread(target=grow)
    writer.start()
    report = ingest(store, path)
    is_read.set()
    writer.join()
    assert "was changed while it was read" in report.failed[0].reason
    assert store.find("a.tiff").state == FAILED
    assert ingest(store, path).pages == 1
    assert [(row.state, row.stored) for row in store.documents("default")] == [(READY, 1)]


def test_a_library_that_cannot_be_written_stops_the_ingest(store, manual):
    with Store(store.path, read_only=True) as reader, pytest.raises(LibraryReadOnly):
        ingest(reader, manual)
    (store.path / "shards").rename(store.path / "away")
    (store.path / "shards").write_text("in the way")
    with pytest.raises(LibraryError, match="could not be written"):
        ingest(store, manual)


def test_nothing_to_ingest_is_reported(store, quick_path):
    (quick_path / "empty").mkdir()
    assert "no PDF or image" in str(ingest(store, *find_files([quick_path / "empty"])))


def test_a_commit_of_no_pages_is_refused():
    with pytest.raises(ValueError, match="commit every 0 pages"):
        IngestOptions(commit_pages=0)


class Elsewhere(ToyEncoder):
    """Computes elsewhere than on the cores that draw."""

    drawing_processes = 2


@pytest.mark.parametrize("pool", [1, 2])
def test_pages_that_several_processes_drew_are_stored_as_those_of_one(store, quick_path, pool):
    file = written(quick_path, text_file(*(f"page {number}" for number in range(1, 21))), "pump.pdf")
    alone, together = ToyEncoder(ahead=3), Elsewhere(ahead=3)
    assert (drawing_processes(alone), drawing_processes(PoolingEncoder(together, 2))) == (1, 2)
    ingest(store, file, encoder=alone, collection="alone", pool=pool)
    ingest(store, file, encoder=together, collection="together", pool=pool)
    rows = [store.find("pump.pdf", collection=name) for name in ("alone", "together")]
    one, other = ([store.stored_page(row, number).codes.tobytes() for number in range(1, 21)] for row in rows)
    assert one == other
    assert len(set(one)) == 20


def test_the_image_that_is_kept_is_the_page_as_pillow_writes_it(store, manual):
    """Written by other threads, into a file of memory."""
    ingest(store, manual, encoder=ToyEncoder(ahead=2))
    row = store.find("pump.tiff")
    for page in read_pages(manual):
        expected = io.BytesIO()
        page.image.save(expected, "JPEG", quality=85)
        assert store.page_image_path(row, page.number).read_bytes() == expected.getvalue()
