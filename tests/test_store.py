"""A library on disk: what is committed, what readers see, what is refused."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from toy import ToyEncoder, text_page

from colvision.embedding import PageEmbedding, PatchGrid
from colvision.errors import (
    CollectionNotFound,
    DocumentAmbiguous,
    DocumentNotFound,
    EncoderMismatch,
    InputError,
    LibraryDamaged,
    LibraryError,
    LibraryFormat,
    LibraryLocked,
    LibraryReadOnly,
    PageNotFound,
)
from colvision.page import Page, PdfGeometry
from colvision.store import Store, catalogue
from colvision.store.files import picture
from colvision.store.identity import Offer
from colvision.store.lock import writer_lock
from colvision.store.records import CANCELLED, DAMAGED, FAILED, READY
from colvision.store.writer import EncodedPage

TOY = ToyEncoder()
GEOMETRY = PdfGeometry((0.0, 0.0, 612.0, 792.0), 90)


@pytest.fixture
def store(quick_path):
    with Store(quick_path / "library") as store:
        yield store


def offer(name, *, collection="default", source=None, upload=False, replace=False):
    return Offer(collection, name, source or f"/manuals/{name}", upload, replace)


def write(folder: Path, name: str, content: str) -> Path:
    (folder / name).write_text(content)
    return folder / name


def encoded(number, *words, encoder=TOY):
    image = text_page(words)
    embedding = next(iter(encoder.encode_pages([Page(image)])))
    return EncodedPage(number, embedding, picture(image), *Page(image).shape, GEOMETRY, " ".join(words))


def begin(store, path, *, pages=2, encoder=TOY, **options):
    return store.drafts.begin(path, offer(path.name, **options), encoder.info, pages=pages, renderer="toy 1")


def add(store, path, *words, encoder=TOY, **options):
    """A complete document with one page a word; returns its row."""
    draft = begin(store, path, pages=len(words), encoder=encoder, **options)
    pages = [encoded(number, word, encoder=encoder) for number, word in enumerate(words, start=1)]
    store.writer.commit(draft, [page for page in pages if page.number in draft.missing], encoder.info)
    assert store.writer.finish(draft) == ""
    return store.find(draft.row.id)


def seen(store, collection="default"):
    """{(document name, page number)} that a search goes through."""
    snapshot = store.snapshot(collection)
    found = [
        (snapshot.documents[int(document)].name, int(page))
        for part in snapshot.parts
        for document, page, live in zip(part.document, part.page, part.live, strict=True)
        if live
    ]
    assert len(found) == len(set(found)) == snapshot.pages
    return set(found)


def on_disk(store):
    """The names of all files but the catalogue and the lock."""
    names = (path.relative_to(store.path) for path in store.path.rglob("*") if path.is_file())
    return {str(name) for name in names if name.parts[0] in ("shards", "files", "pages")}


def test_pages_come_back_as_they_were_stored(store, quick_path):
    row = add(store, write(quick_path, "pump.pdf", "A"), "bleed", "valve")
    page = encoded(2, "valve")
    stored = store.stored_page(row, 2)
    np.testing.assert_array_equal(stored.grid.cells, page.embedding.grid.cells)
    np.testing.assert_allclose(stored.codes / 127, page.embedding.vectors, atol=0.5 / 127 + 1e-6)
    found = store.page(row, 2)
    assert (found.height, found.width, found.geometry) == (80, 96, GEOMETRY)
    assert store.page_text(row, 2) == "valve"
    assert store.picture_path(row, 2).read_bytes() == page.picture
    assert store.original_path(row).read_text() == "A"
    assert row.file_name == hashlib.sha256(b"A").hexdigest() + ".pdf"


def test_a_new_documents_pages_are_seen_as_they_are_committed(store, quick_path):
    draft = begin(store, write(quick_path, "a.pdf", "A"), pages=3)
    assert seen(store) == set()
    store.writer.commit(draft, [encoded(1, "one")], TOY.info)
    assert seen(store) == {("a.pdf", 1)}
    store.writer.commit(draft, [encoded(2, "two"), encoded(3, "three")], TOY.info)
    assert seen(store) == {("a.pdf", 1), ("a.pdf", 2), ("a.pdf", 3)}


def test_a_snapshot_does_not_change_when_the_library_does(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "one")
    before = store.snapshot("default")
    codes = before.parts[0].shard.codes.copy()
    store.writer.delete(row)
    add(store, write(quick_path, "b.pdf", "B"), "two", "three")
    assert before.pages == 1
    np.testing.assert_array_equal(before.parts[0].shard.codes, codes)
    assert store.snapshot("default").generation > before.generation
    assert seen(store) == {("b.pdf", 1), ("b.pdf", 2)}


def test_the_same_generation_is_the_same_snapshot(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    assert store.snapshot("default") is store.snapshot("default")


def test_another_open_store_sees_each_commit(store, quick_path):
    with Store(store.path) as reader:
        assert seen(reader) == set()
        row = add(store, write(quick_path, "a.pdf", "A"), "one")
        assert seen(reader) == {("a.pdf", 1)}
        store.writer.delete(row)
        assert seen(reader) == set()


def test_the_same_bytes_again_are_the_same_document(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "one")
    again = begin(store, quick_path / "a.pdf", pages=1)
    moved = begin(store, write(quick_path, "moved.pdf", "A"), pages=1)
    assert (again.outcome, again.row.id, again.missing) == ("same", row.id, ())
    assert (moved.outcome, moved.row.id) == ("same", row.id)
    assert [document.name for document in store.documents("default")] == ["a.pdf"]


def test_the_same_bytes_are_recognised_without_a_copy(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "one")
    same = store.drafts.same(quick_path / "a.pdf", offer("a.pdf"), TOY.info)
    assert same is not None and same.row.id == row.id
    assert store.drafts.same(write(quick_path, "b.pdf", "B"), offer("b.pdf"), TOY.info) is None


def test_a_replacement_is_hidden_until_it_is_complete_and_then_swapped(store, quick_path):
    old = add(store, write(quick_path, "a.pdf", "A"), "one", "two")
    draft = begin(store, write(quick_path, "a.pdf", "B"), pages=2)
    assert draft.outcome == "replaced"
    store.writer.commit(draft, [encoded(1, "three")], TOY.info)
    assert {row.id for row in store.documents("default")} == {old.id}
    assert len(store.snapshot("default").parts) == 1
    store.writer.commit(draft, [encoded(2, "four")], TOY.info)
    assert store.writer.finish(draft) == ""
    new = store.find("a.pdf")
    assert new.id != old.id and new.stored == 2
    assert [store.page_text(new, number) for number in (1, 2)] == ["three", "four"]
    with pytest.raises(DocumentNotFound):
        store.find(old.id)
    assert not any(old.sha256 in name for name in on_disk(store))


def test_a_replacement_without_a_readable_page_leaves_the_old_version(store, quick_path):
    old = add(store, write(quick_path, "a.pdf", "A"), "one")
    draft = begin(store, write(quick_path, "a.pdf", "B"), pages=1)
    store.writer.commit(draft, [], TOY.info, failed=[(1, "took longer than 20 s")])
    assert store.writer.finish(draft) == "none of its 1 pages could be read: took longer than 20 s"
    assert [row.id for row in store.documents("default")] == [old.id]
    assert seen(store) == {("a.pdf", 1)}


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


def test_an_upload_whose_name_is_taken_is_kept_beside_it(store, quick_path):
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
    with pytest.raises(DocumentAmbiguous, match=f"{rows[0].id}, {rows[1].id}"):
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
    draft = begin(store, write(quick_path, "a.pdf", "A"), pages=3)
    store.writer.commit(draft, [encoded(1, "one")], TOY.info, failed=[(2, "an image bomb")])
    with pytest.raises(PageNotFound, match="could not be read: an image bomb"):
        store.page(draft.row, 2)
    with pytest.raises(PageNotFound, match="not read yet"):
        store.page(draft.row, 3)
    assert store.failed_pages(draft.row) == [(2, "an image bomb")]


def test_a_deleted_document_is_out_of_reach_and_off_the_disk(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "one", "two")
    add(store, write(quick_path, "b.pdf", "B"), "three")
    store.writer.delete(row)
    assert seen(store) == {("b.pdf", 1)}
    assert not any(row.sha256 in name for name in on_disk(store))
    assert "shards/00000001.safetensors" not in on_disk(store)
    with sqlite3.connect(store.path / catalogue.FILE_NAME) as raw:
        assert raw.execute("SELECT text FROM page_text").fetchall() == [("three",)]
    raw.close()
    with pytest.raises(DocumentNotFound):
        store.writer.delete(row)


def test_a_file_in_two_collections_stays_until_both_are_deleted(store, quick_path):
    rows = [add(store, write(quick_path, "a.pdf", "A"), "one", collection=name) for name in ("default", "other")]
    store.writer.delete(rows[0])
    assert store.original_path(rows[1]).exists() and store.picture_path(rows[1], 1).exists()
    store.writer.delete(rows[1])
    assert on_disk(store) == set()


def test_deleting_a_document_also_stops_its_replacement(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "one")
    draft = begin(store, write(quick_path, "a.pdf", "B"), pages=1)
    store.writer.delete(row)
    with pytest.raises(DocumentNotFound, match="deleted or replaced meanwhile"):
        store.writer.commit(draft, [encoded(1, "two")], TOY.info)
    assert store.documents("default") == []


def test_ids_and_shard_names_are_never_used_again(store, quick_path):
    ids, shards = set(), set()
    for _ in range(3):
        row = add(store, write(quick_path, "a.pdf", "A"), "one")
        ids.add(row.id)
        shards |= {shard.file_name for shard in store.shards("default")}
        store.writer.delete(row)
    assert len(ids) == len(shards) == 3


def test_a_document_is_gone_on_with_where_the_last_commit_ended(store, quick_path):
    draft = begin(store, write(quick_path, "a.pdf", "A"), pages=4)
    store.writer.commit(draft, [encoded(1, "one")], TOY.info, failed=[(2, "damaged")])
    store.writer.stop(draft, CANCELLED)
    assert store.find("a.pdf").state == CANCELLED
    again = begin(store, quick_path / "a.pdf", pages=4)
    assert (again.outcome, again.row.id, again.missing) == ("new", draft.row.id, (3, 4))


def test_a_file_that_had_grown_between_counting_and_copying_gets_all_its_pages(store, quick_path):
    draft = begin(store, write(quick_path, "a.pdf", "A"), pages=1)
    store.writer.stop(draft, FAILED, "a.pdf was changed while it was read")
    assert begin(store, quick_path / "a.pdf", pages=3).missing == (1, 2, 3)


def test_many_can_open_a_library_that_is_just_being_made(quick_path):
    opened = []

    def work():
        with Store(quick_path / "new") as store:
            opened.append([row.name for row in store.collections()])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [["default"]] * 8


def test_a_page_that_two_processes_stored_is_stored_once(store, quick_path):
    draft = begin(store, write(quick_path, "a.pdf", "A"), pages=2)
    with Store(store.path) as other:
        twin = begin(other, quick_path / "a.pdf", pages=2)
        other.writer.commit(twin, [encoded(1, "one"), encoded(2, "two")], TOY.info)
    store.writer.commit(draft, [encoded(1, "one"), encoded(2, "two")], TOY.info)
    assert seen(store) == {("a.pdf", 1), ("a.pdf", 2)}
    assert sum(shard.pages for shard in store.shards("default")) == 2


def test_a_document_that_a_living_process_ingests_is_left_to_it(store, quick_path):
    begin(store, write(quick_path, "a.pdf", "A"))
    parent = f"{os.uname().nodename} process {os.getppid()}/0"
    with sqlite3.connect(store.path / catalogue.FILE_NAME) as raw:
        raw.execute("UPDATE documents SET worker = ?", [parent])
    raw.close()
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
    assert store.picture_path(row, 1).exists()
    store.writer.delete(row)


def test_another_collection_takes_another_encoder(store, quick_path):
    other = ToyEncoder(seed=7, dim=24)
    add(store, write(quick_path, "a.pdf", "A"), "one")
    add(store, write(quick_path, "a.pdf", "A"), "one", collection="other", encoder=other)
    assert [row.info.name for row in store.collections()] == ["toy-0", "toy-7"]
    assert store.snapshot("other").parts[0].shard.dim == 24
    assert seen(store, "default") == seen(store, "other") == {("a.pdf", 1)}


def test_vectors_of_another_dim_than_declared_are_refused(store, quick_path):
    draft = begin(store, write(quick_path, "a.pdf", "A"))
    wrong = encoded(1, "one", encoder=ToyEncoder(dim=8))
    with pytest.raises(ValueError, match="dim 8, expected 16"):
        store.writer.commit(draft, [wrong], TOY.info)
    assert seen(store) == set()


def test_clipped_components_are_counted(store, quick_path):
    encoder = ToyEncoder(code_range=0.5)
    vectors = np.zeros((4, 16), dtype=np.float32)
    vectors[:, 3] = 1.0
    page = EncodedPage(1, PageEmbedding.from_patches(vectors, PatchGrid.full(2, 2)), b"picture", 80, 96)
    draft = begin(store, write(quick_path, "a.pdf", "A"), pages=1, encoder=encoder)
    store.writer.commit(draft, [page], encoder.info)
    assert store.collection("default").clipped_share == 1 / 16
    assert store.stored_page(store.find("a.pdf"), 1).codes.max() == 127


def test_a_flipped_bit_is_found_and_the_rest_keeps_serving(store, quick_path):
    bad = add(store, write(quick_path, "bad.pdf", "A"), "one", "two")
    add(store, write(quick_path, "good.pdf", "B"), "three")
    path = store.files.shard("00000001.safetensors")
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    (damaged,) = store.verify()
    assert damaged.path == path and damaged.documents == ("bad.pdf",) and "sha256" in damaged.reason
    assert seen(store) == {("good.pdf", 1)}
    assert store.find("bad.pdf").state == DAMAGED
    with pytest.raises(LibraryDamaged, match=r"page 1 of 'bad\.pdf'"):
        store.stored_page(bad, 1)
    assert store.picture_path(bad, 1).exists()


def test_verify_finds_damage_where_it_cannot_be_noted(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    path = store.files.shard("00000001.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    with Store(store.path, read_only=True) as reader:
        assert [damaged.documents for damaged in reader.verify()] == [("a.pdf",)]
    assert store.damaged() == []


def test_ingesting_a_damaged_document_again_reads_only_what_was_lost(store, quick_path):
    draft = begin(store, write(quick_path, "a.pdf", "A"), pages=3)
    store.writer.commit(draft, [encoded(1, "one"), encoded(2, "two")], TOY.info)
    store.writer.commit(draft, [encoded(3, "three")], TOY.info)
    store.writer.finish(draft)
    store.files.shard("00000001.safetensors").unlink()
    assert "missing" in store.verify()[0].reason
    again = begin(store, quick_path / "a.pdf", pages=3)
    assert again.row.id == draft.row.id and again.missing == (1, 2)
    store.writer.commit(again, [encoded(1, "one"), encoded(2, "two")], TOY.info)
    store.writer.finish(again)
    assert store.verify() == [] and store.find("a.pdf").state == READY
    assert seen(store) == {("a.pdf", number) for number in (1, 2, 3)}


def test_a_shard_that_cannot_be_opened_is_quarantined_by_the_reader_who_meets_it(store, quick_path):
    add(store, write(quick_path, "bad.pdf", "A"), "one")
    add(store, write(quick_path, "good.pdf", "B"), "two")
    store.files.shard("00000001.safetensors").write_bytes(b"gone")
    with Store(store.path) as reader:
        assert seen(reader) == {("good.pdf", 1)}
        assert [damaged.documents for damaged in reader.damaged()] == [("bad.pdf",)]


def test_a_shard_that_is_put_back_serves_again(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    path = store.files.shard("00000001.safetensors")
    shutil.move(path, quick_path / "kept")
    assert len(store.verify()) == 1 and seen(store) == set()
    shutil.move(quick_path / "kept", path)
    assert store.verify() == [] and seen(store) == {("a.pdf", 1)}
    assert store.find("a.pdf").state == READY


def test_what_a_kill_left_behind_is_swept_by_the_next_writer(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    kept = on_disk(store)
    for name in ("shards/00000009.safetensors", "shards/00000002.safetensors.tmp", "files/abc.pdf"):
        (store.path / name).write_bytes(b"left")
    (store.path / "files/incoming-dead.tmp").write_bytes(b"half")
    left = store.path / "pages" / hashlib.sha256(b"left").hexdigest()
    left.mkdir()
    (left / "0001.jpg").write_bytes(b"left")
    with Store(store.path) as other:
        assert on_disk(store) != kept, "only the holder of the writer lock may sweep"
        other.writer.delete(add(other, write(quick_path, "b.pdf", "B"), "two"))
    assert on_disk(store) == kept


def test_what_others_put_beside_the_librarys_files_does_not_stop_a_writer(store, quick_path):
    (store.path / "pages/.DS_Store").write_bytes(b"theirs")
    for folder in ("shards/theirs", "files/incoming-theirs", "pages/theirs"):
        (store.path / folder).mkdir()
    add(store, write(quick_path, "a.pdf", "A"), "one")
    assert seen(store) == {("a.pdf", 1)}
    assert (store.path / "pages/.DS_Store").exists() and (store.path / "pages/theirs").exists()


def test_a_file_that_is_still_being_copied_is_not_swept(store, quick_path):
    incoming = store.files.incoming()
    incoming.fill(write(quick_path, "a.pdf", "A"))
    with Store(store.path) as other:
        add(other, write(quick_path, "b.pdf", "B"), "two")
    assert incoming.path.exists()
    incoming.discard()


def test_a_writer_waits_for_the_lock_and_names_its_holder(quick_path):
    lock = quick_path / "library" / "writer.lock"
    lock.parent.mkdir()
    named = pytest.raises(LibraryLocked, match=f"'library' is being written by .* process {os.getpid()}/")
    with writer_lock(lock), named, writer_lock(lock, seconds=0.05):
        pass
    with writer_lock(lock, seconds=0.05):
        pass


def test_commits_of_many_threads_do_not_lose_each_other(store, quick_path):
    paths = [write(quick_path, f"{number}.pdf", str(number)) for number in range(8)]
    errors = []

    def work(path):
        try:
            add(store, path, "one", "two")
            assert (path.name, 2) in seen(store)
        except Exception as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=work, args=[path]) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert seen(store) == {(path.name, number) for path in paths for number in (1, 2)}


def test_opening_what_is_not_a_library_is_refused(quick_path):
    with pytest.raises(LibraryFormat, match="there is no library"):
        Store(quick_path / "manauls", create=False)
    assert not (quick_path / "manauls").exists()
    write(quick_path, "notes.txt", "mine")
    with pytest.raises(LibraryFormat, match=r"holds 'notes\.txt'"):
        Store(quick_path)
    with pytest.raises(LibraryFormat, match="is a file"):
        Store(quick_path / "notes.txt")
    (quick_path / "empty").mkdir()
    with pytest.raises(LibraryFormat, match="is not a library"):
        Store(quick_path / "empty", create=False)


@pytest.mark.parametrize(("version", "words"), [(2, "upgrade colvision"), (0, "older format 0")])
def test_another_format_version_is_refused_in_words(store, version, words):
    with sqlite3.connect(store.path / catalogue.FILE_NAME) as raw:
        raw.execute(f"PRAGMA user_version = {version}")
    raw.close()
    with pytest.raises(LibraryFormat, match=words):
        Store(store.path)


def test_a_catalogue_of_another_program_is_refused(quick_path):
    with sqlite3.connect(quick_path / catalogue.FILE_NAME) as raw:
        raw.execute("CREATE TABLE theirs (x)")
    raw.close()
    with pytest.raises(LibraryFormat, match="not a catalogue of colvision"):
        Store(quick_path)


def test_a_catalogue_that_is_not_sqlite_is_damaged(quick_path):
    write(quick_path, catalogue.FILE_NAME, "not a database at all, but long enough to look" * 30)
    with pytest.raises(LibraryDamaged, match="is damaged"):
        Store(quick_path)


def test_a_creation_that_was_killed_is_completed(quick_path):
    (quick_path / catalogue.FILE_NAME).touch()
    with Store(quick_path) as store:
        assert [row.name for row in store.collections()] == ["default"]


def test_a_library_opened_for_reading_cannot_be_written(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "one")
    with Store(store.path, read_only=True) as reader:
        assert seen(reader) == {("a.pdf", 1)}
        with pytest.raises(LibraryReadOnly, match="cannot be written"):
            begin(reader, write(quick_path, "b.pdf", "B"))
        with pytest.raises(LibraryReadOnly):
            reader.writer.delete(row)
        with pytest.raises(LibraryReadOnly):
            reader.jobs.queue("/b.pdf", "b.pdf")


_READ = """
import sys
from pathlib import Path
from colvision.store import Store
with Store(Path(sys.argv[1])) as store:
    print(store.read_only, store.snapshot("default").pages, [row.name for row in store.documents("default")])
"""


_OPEN_FILES = """
import resource, sys
from pathlib import Path
from colvision.store import Store
hard = min(500, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
with Store(Path(sys.argv[1])):
    print(resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits how many files a process may open")
def test_a_store_may_open_as_many_files_as_the_system_allows(store):
    done = subprocess.run([sys.executable, "-c", _OPEN_FILES, store.path], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a folder read-only")
def test_a_read_only_disk_opens_read_only(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    store.close()
    mount = f'mount --bind "{store.path}" "{store.path}" && mount -o remount,ro,bind "{store.path}"'
    command = ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$0" "$@"']
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount")
    done = subprocess.run([*command, sys.executable, "-c", _READ, store.path], capture_output=True, text=True)
    assert done.stdout == "True 1 ['a.pdf']\n", done.stderr


def test_a_folder_that_cannot_be_written_is_said_and_loses_nothing(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    draft = begin(store, write(quick_path, "b.pdf", "B"))
    shutil.rmtree(store.path / "shards")
    (store.path / "shards").write_text("in the way")
    with pytest.raises(LibraryError, match="could not be written"):
        store.writer.commit(draft, [encoded(1, "two")], TOY.info)
    assert store.find("b.pdf").stored == 0


def test_a_full_disk_is_said_and_the_next_change_goes_on(store):
    """SQLite ends a transaction by itself when the disk is full."""
    with closing(catalogue.Catalogue(store.path, create=False)) as full:
        pages = full.one("PRAGMA page_count")[0]
        full.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(sqlite3.OperationalError, match="full"), full.write():
            full.execute("UPDATE collections SET encoder = ?", ["x" * 100_000])
        full.execute("PRAGMA max_page_count = 1000")
        with full.write():
            full.execute("UPDATE collections SET generation = 7")
    row = store.collection("default")
    assert (row.info, row.generation) == (None, 7)


def test_a_commit_that_fails_is_undone(store):
    with closing(catalogue.Catalogue(store.path, create=False)) as strict:
        strict.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError), strict.write():
            strict.execute("PRAGMA defer_foreign_keys = ON")  # looked at by COMMIT, which then fails
            strict.execute("INSERT INTO pages (document, number) VALUES (99, 1)")
        with strict.write():
            assert strict.all("SELECT * FROM pages") == []


def test_a_file_that_cannot_be_read_is_named(store, quick_path):
    with pytest.raises(InputError, match=r"gone\.pdf cannot be read"):
        begin(store, quick_path / "gone.pdf")
    assert on_disk(store) == set()
    assert store.documents("default") == []


def test_the_store_imports_no_torch():
    code = "import sys, colvision.store, colvision.library; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
