"""Damage to a library is found and named, and the rest keeps serving."""

import shutil

import pytest
from stores import TOY, add, begin, encoded, seen, write

from colvision.errors import (
    LibraryDamaged,
)
from colvision.store import Store
from colvision.store.records import DAMAGED, READY


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
