"""Damage to a library is found and named, and the rest keeps serving."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from colvision.errors import LibraryDamaged
from colvision.store import Store
from colvision.store.catalogue import FILE_NAME
from colvision.store.records import DAMAGED, READY
from tests.helpers.stores import TOY, add, begin, encoded, on_disk, visible_pages, write


def test_a_flipped_bit_is_found_and_the_rest_keeps_serving(store, quick_path):
    bad = add(store, write(quick_path, "bad.pdf", "A"), "one", "two")
    add(store, write(quick_path, "good.pdf", "B"), "three")
    path = store.files.shard_path("00000001.safetensors")
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    (damaged,) = store.verify()
    assert damaged.path == path and damaged.documents == ("bad.pdf",) and "sha256" in damaged.reason
    assert visible_pages(store) == {("good.pdf", 1)}
    assert store.find("bad.pdf").state == DAMAGED
    with pytest.raises(LibraryDamaged, match=r"page 1 of 'bad\.pdf'"):
        store.stored_page(bad, 1)
    assert store.page_image_path(bad, 1).exists()


def test_verify_finds_damage_where_it_cannot_be_noted(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    path = store.files.shard_path("00000001.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    with Store(store.path, read_only=True) as reader:
        assert [damaged.documents for damaged in reader.verify()] == [("a.pdf",)]
    assert store.known_damage() == []


def test_ingesting_a_damaged_document_again_reads_only_what_was_lost(store, quick_path):
    pending = begin(store, write(quick_path, "a.pdf", "A"), pages=3)
    store.writer.commit(pending, [encoded(1, "one"), encoded(2, "two")], TOY.info)
    store.writer.commit(pending, [encoded(3, "three")], TOY.info)
    store.writer.finish(pending)
    store.files.shard_path("00000001.safetensors").unlink()
    assert "missing" in store.verify()[0].reason
    again = begin(store, quick_path / "a.pdf", pages=3)
    assert again.row.id == pending.row.id and again.missing == (1, 2)
    store.writer.commit(again, [encoded(1, "one"), encoded(2, "two")], TOY.info)
    store.writer.finish(again)
    assert store.verify() == [] and store.find("a.pdf").state == READY
    assert visible_pages(store) == {("a.pdf", number) for number in (1, 2, 3)}


def test_a_shard_that_cannot_be_opened_is_quarantined_by_the_reader_who_meets_it(store, quick_path):
    add(store, write(quick_path, "bad.pdf", "A"), "one")
    add(store, write(quick_path, "good.pdf", "B"), "two")
    store.files.shard_path("00000001.safetensors").write_bytes(b"gone")
    with Store(store.path) as reader:
        assert visible_pages(reader) == {("good.pdf", 1)}
        assert [damaged.documents for damaged in reader.known_damage()] == [("bad.pdf",)]


def test_a_shard_that_is_put_back_serves_again(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    path = store.files.shard_path("00000001.safetensors")
    shutil.move(path, quick_path / "kept")
    assert len(store.verify()) == 1 and visible_pages(store) == set()
    shutil.move(quick_path / "kept", path)
    assert store.verify() == [] and visible_pages(store) == {("a.pdf", 1)}
    assert store.find("a.pdf").state == READY


def put_older_catalogue_back(store, quick_path):
    """Adds two documents to a library of one, and puts the catalogue back that it had before."""
    add(store, write(quick_path, "a.pdf", "A"), "one")
    store.close()
    shutil.copy(store.path / FILE_NAME, quick_path / "older")
    with Store(store.path) as later:
        for name in ("b", "c"):
            add(later, write(quick_path, f"{name}.pdf", name), name)
        kept = on_disk(later)
    shutil.copy(quick_path / "older", store.path / FILE_NAME)
    return kept


@pytest.mark.parametrize("mark", ["intact", "damaged", "missing"])
def test_an_older_catalogue_costs_no_file_of_what_came_after_it(store, quick_path, mark):
    """Where nothing says how far it had come the numbers of the shards do."""
    kept = put_older_catalogue_back(store, quick_path)
    place = store.path / "catalog.reached"
    if mark == "damaged":
        place.write_bytes(place.read_bytes().replace(b" ", b"7"))
    elif mark == "missing":
        place.unlink()
    with Store(store.path) as older:
        assert [damage.kind for damage in older.verify()] == ["log"]
        add(older, write(quick_path, "d.pdf", "D"), "two")
        moved = {str(path.relative_to(store.path / "lost")) for path in older.files.lost_files()}
        assert kept <= moved | on_disk(older)
        assert len(moved) == 2 * 3  # a shard, a file and a page image of each
        assert visible_pages(older) == {("a.pdf", 1), ("d.pdf", 1)}
        assert "in its files/ again" in older.verify()[0].reason


def test_a_reader_who_quarantines_what_is_missing_does_not_hide_that_the_catalogue_is_older(store, quick_path):
    for name in ("a", "b"):
        add(store, write(quick_path, f"{name}.pdf", name), name)
    store.close()
    shutil.copy(store.path / FILE_NAME, quick_path / "older")
    with Store(store.path) as later:
        later.compact()
        (merged,) = later.shards("default")
        codes = later.files.shard_path(merged.file_name).read_bytes()
    shutil.copy(quick_path / "older", store.path / FILE_NAME)
    with Store(store.path) as older:
        assert visible_pages(older) == set() and len(older.known_damage()) == 3
        add(older, write(quick_path, "c.pdf", "C"), "three")
        assert (older.path / "lost" / "shards" / merged.file_name).read_bytes() == codes


def test_a_mark_that_is_older_or_damaged_raises_no_alarm(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    place = store.path / "catalog.reached"
    older = place.read_bytes()
    add(store, write(quick_path, "b.pdf", "B"), "two")
    for line in (older, b"", bytes(30), b"9" * 90, place.read_bytes()[:-3]):
        place.write_bytes(line)
        assert store.verify() == []
    store.writer.delete(store.find("b.pdf"))
    assert len(on_disk(store)) == 3 and store.verify() == []


def test_a_collection_that_only_half_of_the_catalogue_knows_is_damage_and_is_repaired(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    store.close()
    path = store.path / FILE_NAME
    with closing(sqlite3.connect(path)) as raw:
        (root,) = raw.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_collections_1'"
        ).fetchone()
        (size,) = raw.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    data[data.index(b"default", (root - 1) * size)] ^= 1
    path.write_bytes(data)
    with Store(store.path) as half:
        with pytest.raises(LibraryDamaged, match=r"catalog\.sqlite is damaged .* run `colvision verify --repair`"):
            half.documents("default")
        with pytest.raises(LibraryDamaged, match="in one place and not in another"):
            begin(half, write(quick_path, "b.pdf", "B"))
        assert [damage.kind for damage in half.verify()] == ["catalogue"]
        half.repair.reindex_catalogue()
        assert half.verify() == [] and visible_pages(half) == {("a.pdf", 1)}
