"""A library on disk: what is committed, what readers see, what is refused."""

import hashlib
import os
import sqlite3
import threading
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from colvision.core.embedding import PageEmbedding, PatchGrid
from colvision.core.health import Note, PagesNote
from colvision.errors import (
    CollectionNotFound,
    DocumentAmbiguous,
    DocumentNotFound,
    EncoderMismatch,
    LibraryLocked,
    PageNotFound,
)
from colvision.store import Store, catalogue
from colvision.store.records import CANCELLED, FAILED
from colvision.store.writer import EncodedPage
from colvision.testing import ToyEncoder
from tests.helpers.stores import GEOMETRY, TOY, add, begin, encoded, on_disk, source_file, visible_pages, write


def test_pages_come_back_as_they_were_stored(store, quick_path):
    row = add(store, write(quick_path, "pump.pdf", "A"), "bleed", "valve")
    page = encoded(2, "valve")
    stored = store.stored_page(row, 2)
    np.testing.assert_array_equal(stored.grid.cells, page.embedding.grid.cells)
    np.testing.assert_allclose(stored.codes / 127, page.embedding.vectors, atol=0.5 / 127 + 1e-6)
    found = store.page(row, 2)
    assert (found.height, found.width, found.geometry) == (80, 96, GEOMETRY)
    assert store.page_text(row, 2) == "valve"
    assert store.page_image_path(row, 2).read_bytes() == page.jpeg
    assert store.original_path(row).read_text() == "A"
    assert row.file_name == hashlib.sha256(b"A").hexdigest() + ".pdf"


def test_a_new_documents_pages_are_seen_as_they_are_committed(store, quick_path):
    pending = begin(store, write(quick_path, "a.pdf", "A"), pages=3)
    assert visible_pages(store) == set()
    store.writer.commit(pending, [encoded(1, "one")], TOY.info)
    assert visible_pages(store) == {("a.pdf", 1)}
    store.writer.commit(pending, [encoded(2, "two"), encoded(3, "three")], TOY.info)
    assert visible_pages(store) == {("a.pdf", 1), ("a.pdf", 2), ("a.pdf", 3)}


def test_a_snapshot_does_not_change_when_the_library_does(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "one")
    before = store.snapshot("default")
    codes = before.shards[0].shard.codes.copy()
    store.writer.delete(row)
    add(store, write(quick_path, "b.pdf", "B"), "two", "three")
    assert before.pages == 1
    np.testing.assert_array_equal(before.shards[0].shard.codes, codes)
    assert store.snapshot("default").generation > before.generation
    assert visible_pages(store) == {("b.pdf", 1), ("b.pdf", 2)}


def test_the_same_generation_is_the_same_snapshot(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    assert store.snapshot("default") is store.snapshot("default")


def test_another_open_store_sees_each_commit(store, quick_path):
    with Store(store.path) as reader:
        assert visible_pages(reader) == set()
        row = add(store, write(quick_path, "a.pdf", "A"), "one")
        assert visible_pages(reader) == {("a.pdf", 1)}
        store.writer.delete(row)
        assert visible_pages(reader) == set()


def test_the_same_bytes_again_are_the_same_document(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "one")
    again = begin(store, quick_path / "a.pdf", pages=1)
    moved = begin(store, write(quick_path, "moved.pdf", "A"), pages=1)
    assert (again.outcome, again.row.id, again.missing) == ("same", row.id, ())
    assert (moved.outcome, moved.row.id) == ("same", row.id)
    assert [document.name for document in store.documents("default")] == ["a.pdf"]


def test_the_same_bytes_are_recognised_without_a_copy(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "one")
    same = store.pending.find_same(quick_path / "a.pdf", source_file("a.pdf"), TOY.info)
    assert same is not None and same.row.id == row.id
    assert store.pending.find_same(write(quick_path, "b.pdf", "B"), source_file("b.pdf"), TOY.info) is None


def test_a_replacement_is_hidden_until_it_is_complete_and_then_swapped(store, quick_path):
    old = add(store, write(quick_path, "a.pdf", "A"), "one", "two")
    pending = begin(store, write(quick_path, "a.pdf", "B"), pages=2)
    assert pending.outcome == "replaced"
    store.writer.commit(pending, [encoded(1, "three")], TOY.info)
    assert {row.id for row in store.documents("default")} == {old.id}
    assert len(store.snapshot("default").shards) == 1
    store.writer.commit(pending, [encoded(2, "four")], TOY.info)
    assert store.writer.finish(pending) == ""
    new = store.find("a.pdf")
    assert (new.id, new.stored) == (old.id, 2) and new.key != old.key
    assert [store.page_text(new, number) for number in (1, 2)] == ["three", "four"]
    with pytest.raises(DocumentNotFound, match="deleted or replaced meanwhile"):
        store.page(old, 1)  # what was looked up before is not shown as another version
    assert not any(old.sha256 in name for name in on_disk(store))


def test_a_replacement_without_a_readable_page_leaves_the_old_version(store, quick_path):
    old = add(store, write(quick_path, "a.pdf", "A"), "one")
    pending = begin(store, write(quick_path, "a.pdf", "B"), pages=1)
    store.writer.commit(pending, [], TOY.info, failed=[(1, "took longer than 20 s")])
    assert store.writer.finish(pending) == "its only page could not be read: it took longer than 20 s"
    assert [row.id for row in store.documents("default")] == [old.id]
    assert visible_pages(store) == {("a.pdf", 1)}


def test_an_interrupted_replacement_of_other_bytes_is_dropped(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    first = begin(store, write(quick_path, "a.pdf", "B"), pages=2)
    store.writer.commit(first, [encoded(1, "two")], TOY.info)
    second = begin(store, write(quick_path, "a.pdf", "C"), pages=1)
    store.writer.commit(second, [encoded(1, "three")], TOY.info)
    store.writer.finish(second)
    with pytest.raises(DocumentNotFound, match="deleted or replaced meanwhile"):
        store.writer.commit(first, [encoded(2, "late")], TOY.info)
    assert store.page_text(store.find("a.pdf"), 1) == "three"


def test_an_upload_whose_name_is_in_use_is_kept_beside_it(store, quick_path):
    for content in "ABC":
        add(store, write(quick_path, "pump.pdf", content), "word", upload=True, source="pump.pdf")
    assert [row.name for row in store.documents("default")] == ["pump (2).pdf", "pump (3).pdf", "pump.pdf"]


def test_an_upload_replaces_by_name_when_it_is_asked_to(store, quick_path):
    add(store, write(quick_path, "pump.pdf", "A"), "old", upload=True, source="pump.pdf")
    add(store, write(quick_path, "pump.pdf", "B"), "new", upload=True, source="pump.pdf", replace=True)
    (row,) = store.documents("default")
    assert store.page_text(row, 1) == "new"


def test_files_of_one_name_from_two_folders_are_two_documents(store, quick_path):
    add(store, write(quick_path, "pump.pdf", "A"), "one", source="/a/pump.pdf")
    add(store, write(quick_path, "pump.pdf", "B"), "two", source="/b/pump.pdf")
    assert [row.name for row in store.documents("default")] == ["pump (2).pdf", "pump.pdf"]


def test_a_name_in_two_collections_is_refused_and_its_ids_work(store, quick_path):
    rows = [add(store, write(quick_path, "a.pdf", "A"), "one", collection=name) for name in ("default", "other")]
    with pytest.raises(
        DocumentAmbiguous, match=rf"{rows[0].id} \(from /manuals/a.pdf, in 'default'\), {rows[1].id} \("
    ):
        store.find("a.pdf")
    assert store.find(rows[1].id) == rows[1]
    assert store.find("a.pdf", collection="other") == rows[1]


def test_what_is_not_there_is_named(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "one")
    with pytest.raises(DocumentNotFound, match=r"'b\.pdf'"):
        store.find("b.pdf")
    with pytest.raises(CollectionNotFound, match="'spares'.*'default'"):
        store.snapshot("spares")
    with pytest.raises(PageNotFound, match="pages 1 to 1, not 2"):
        store.page(row, 2)


def test_a_page_that_failed_or_is_not_read_yet_says_so(store, quick_path):
    pending = begin(store, write(quick_path, "a.pdf", "A"), pages=3)
    store.writer.commit(pending, [encoded(1, "one")], TOY.info, failed=[(2, "an image bomb")])
    with pytest.raises(PageNotFound, match="could not be read: an image bomb"):
        store.page(pending.row, 2)
    with pytest.raises(PageNotFound, match="not read yet"):
        store.page(pending.row, 3)
    (health,) = store.health([pending.row])
    assert [(each.page, each.reason) for each in health.failed] == [(2, "an image bomb")]


def test_a_document_is_resumed_where_the_last_commit_ended(store, quick_path):
    pending = begin(store, write(quick_path, "a.pdf", "A"), pages=4)
    store.writer.commit(pending, [encoded(1, "one")], TOY.info, failed=[(2, "damaged")])
    store.writer.stop(pending, CANCELLED)
    assert store.find("a.pdf").state == CANCELLED
    again = begin(store, quick_path / "a.pdf", pages=4)
    assert (again.outcome, again.row.id, again.missing) == ("new", pending.row.id, (2, 3, 4))


def test_a_file_that_had_grown_between_counting_and_copying_gets_all_its_pages(store, quick_path):
    pending = begin(store, write(quick_path, "a.pdf", "A"), pages=1)
    store.writer.stop(pending, FAILED, "a.pdf was changed while it was read")
    assert begin(store, quick_path / "a.pdf", pages=3).missing == (1, 2, 3)


def called(store, worker):
    """Writes another worker's name into all documents, as an older colvision would."""
    with sqlite3.connect(store.path / catalogue.FILE_NAME) as raw:
        raw.execute("UPDATE documents SET worker = ?", [worker])
    raw.close()


def test_a_page_that_two_processes_stored_is_stored_once(store, quick_path):
    """Of a process of another machine that an older colvision ran nobody can know whether it lives."""
    pending = begin(store, write(quick_path, "a.pdf", "A"), pages=2)
    called(store, "elsewhere process 12/34")
    with Store(store.path) as other:
        twin = begin(other, quick_path / "a.pdf", pages=2)
        other.writer.commit(twin, [encoded(1, "one"), encoded(2, "two")], TOY.info)
    store.writer.commit(pending, [encoded(1, "one"), encoded(2, "two")], TOY.info)
    assert visible_pages(store) == {("a.pdf", 1), ("a.pdf", 2)}
    assert sum(shard.pages for shard in store.shards("default")) == 2


def test_a_document_that_a_living_process_ingests_is_left_to_it(store, quick_path):
    begin(store, write(quick_path, "a.pdf", "A"))
    with (
        Store(store.path) as other,
        pytest.raises(LibraryLocked, match=f"'a.pdf' is being ingested by .* {os.getpid()}/"),
    ):
        begin(other, quick_path / "a.pdf")
    called(store, f"{os.uname().nodename} process {os.getppid()}/0")
    with pytest.raises(LibraryLocked, match=f"'a.pdf' is being ingested by .* {os.getppid()}/0"):
        begin(store, quick_path / "a.pdf")


def test_the_first_commit_pins_the_encoder_and_another_is_refused(store, quick_path):
    other = ToyEncoder(seed=7)
    early = begin(store, write(quick_path, "b.pdf", "B"), pages=1, encoder=other)
    row = add(store, write(quick_path, "a.pdf", "A"), "one")
    info = store.collection("default").info
    assert info == TOY.info
    message = r"'default' was filled by toy-0 .* not by toy-7 .*colvision reencode"
    with pytest.raises(EncoderMismatch, match=message):
        begin(store, write(quick_path, "c.pdf", "C"), encoder=other)
    with pytest.raises(EncoderMismatch, match=message):
        store.writer.commit(early, [encoded(1, "late", encoder=other)], other.info)
    assert store.page_image_path(row, 1).exists()
    store.writer.delete(row)


def test_another_collection_takes_another_encoder(store, quick_path):
    other = ToyEncoder(seed=7, dim=24)
    add(store, write(quick_path, "a.pdf", "A"), "one")
    add(store, write(quick_path, "a.pdf", "A"), "one", collection="other", encoder=other)
    assert [row.info.name for row in store.collections()] == ["toy-0", "toy-7"]
    assert store.snapshot("other").shards[0].shard.dim == 24
    assert visible_pages(store, "default") == visible_pages(store, "other") == {("a.pdf", 1)}


def test_vectors_of_another_dim_than_declared_are_refused(store, quick_path):
    pending = begin(store, write(quick_path, "a.pdf", "A"))
    wrong = encoded(1, "one", encoder=ToyEncoder(dim=8))
    with pytest.raises(ValueError, match="dim 8, expected 16"):
        store.writer.commit(pending, [wrong], TOY.info)
    assert visible_pages(store) == set()


def test_clipped_components_are_counted(store, quick_path):
    encoder = ToyEncoder(quantisation_range=0.5)
    vectors = np.zeros((4, 16), dtype=np.float32)
    vectors[:, 3] = 1.0
    page = EncodedPage(1, PageEmbedding.from_patches(vectors, PatchGrid.full(2, 2)), b"picture", 80, 96)
    pending = begin(store, write(quick_path, "a.pdf", "A"), pages=1, encoder=encoder)
    store.writer.commit(pending, [page], encoder.info)
    assert store.collection("default").clipped_share == 1 / 16
    assert store.stored_page(store.find("a.pdf"), 1).codes.max() == 127


def test_commits_of_many_threads_do_not_lose_each_other(store, quick_path):
    paths = [write(quick_path, f"{number}.pdf", str(number)) for number in range(8)]
    errors = []

    def work(path):
        try:
            add(store, path, "one", "two")
            assert (path.name, 2) in visible_pages(store)
        except Exception as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=work, args=[path]) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert visible_pages(store) == {(path.name, number) for path in paths for number in (1, 2)}


def test_what_was_not_read_of_pages_and_of_the_file_is_kept(store, quick_path):
    path = write(quick_path, "a.pdf", "A")
    form, shrunk = Note("form", "is a form"), Note("shrunk", "is drawn at 40 dpi")
    pending = store.pending.begin(path, source_file("a.pdf"), TOY.info, pages=3, renderer="toy 1", notes=(form,))
    pages = [encoded(1, "bleed"), replace(encoded(2, "valve"), notes=(shrunk,))]
    store.writer.commit(pending, pages, TOY.info, failed=[(3, "is damaged")])
    store.writer.finish(pending)
    row = store.find("a.pdf")
    assert row.notes == (form,)
    (health,) = store.health([row])
    assert health.notes == (PagesNote("form", "is a form"), PagesNote("shrunk", "is drawn at 40 dpi", (2,)))
    with store._db.read():
        [(tried,)] = store._db.all("SELECT tried FROM pages WHERE number = 3")
    assert datetime.fromisoformat(tried).tzinfo is not None
    assert store.verify() == []
