"""What is deleted is out of reach and off the disk, and so is what a kill left behind."""

import hashlib
import sqlite3

import pytest

from colvision.errors import (
    DocumentNotFound,
    InputError,
)
from colvision.store import Store, catalogue
from tests.helpers.stores import TOY, add, begin, encoded, on_disk, visible_pages, write


def test_a_deleted_document_is_out_of_reach_and_off_the_disk(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "one", "two")
    add(store, write(quick_path, "b.pdf", "B"), "three")
    store.writer.delete(row)
    assert visible_pages(store) == {("b.pdf", 1)}
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
    assert store.original_path(rows[1]).exists() and store.page_image_path(rows[1], 1).exists()
    store.writer.delete(rows[1])
    assert on_disk(store) == set()


def test_deleting_a_document_also_stops_its_replacement(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "one")
    pending = begin(store, write(quick_path, "a.pdf", "B"), pages=1)
    store.writer.delete(row)
    with pytest.raises(DocumentNotFound, match="deleted or replaced meanwhile"):
        store.writer.commit(pending, [encoded(1, "two")], TOY.info)
    assert store.documents("default") == []


def test_ids_and_shard_names_are_never_used_again(store, quick_path):
    ids, shards = set(), set()
    for _ in range(3):
        row = add(store, write(quick_path, "a.pdf", "A"), "one")
        ids.add(row.id)
        shards |= {shard.file_name for shard in store.shards("default")}
        store.writer.delete(row)
    assert len(ids) == len(shards) == 3


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
    assert visible_pages(store) == {("a.pdf", 1)}
    assert (store.path / "pages/.DS_Store").exists() and (store.path / "pages/theirs").exists()


def test_a_file_that_is_still_being_copied_is_not_swept(store, quick_path):
    incoming = store.files.incoming_file()
    incoming.copy_from(write(quick_path, "a.pdf", "A"))
    with Store(store.path) as other:
        add(other, write(quick_path, "b.pdf", "B"), "two")
    assert incoming.path.exists()
    incoming.discard()


def test_a_file_that_cannot_be_read_is_named(store, quick_path):
    with pytest.raises(InputError, match=r"gone\.pdf cannot be read"):
        begin(store, quick_path / "gone.pdf")
    assert on_disk(store) == set()
    assert store.documents("default") == []
