"""Shards are merged as they pile up and rewritten where much is dead; no page changes by it, and none is lost."""

import errno
import sqlite3
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest

from colvision.errors import LibraryDamaged, LibraryReadOnly
from colvision.library import Library
from colvision.store import Store, catalogue, compaction
from colvision.store.shards import Shard
from colvision.testing import ToyEncoder
from tests.helpers.stores import TOY, add, begin, encoded, on_disk, visible_pages, write


def pages_of(store, name):
    row = store.find(name)
    return [store.stored_page(row, number).codes.tobytes() for number in range(1, row.stored + 1)]


def fill(store, folder, count, *, first=0):
    """Documents of one page each."""
    for number in range(first, first + count):
        add(store, write(folder, f"{number:03d}.pdf", f"{number}"), f"w{number}")


def shards(store):
    return store.shards("default")


def test_shards_of_a_size_are_merged_when_they_have_piled_up(store, quick_path):
    fill(store, quick_path, compaction.MAX_SHARDS_OF_A_SIZE)
    before = {row.name: pages_of(store, row.name) for row in store.documents("default")}
    assert len(shards(store)) == compaction.MAX_SHARDS_OF_A_SIZE
    fill(store, quick_path, 1, first=16)
    (shard,) = shards(store)
    assert (shard.pages, shard.key) == (17, 18)
    assert on_disk(store) >= {"shards/00000018.safetensors"}
    assert not any("shards" in name for name in on_disk(store) - {"shards/00000018.safetensors"})
    assert {row.name: pages_of(store, row.name) for row in store.documents("default")}.items() >= before.items()
    assert visible_pages(store) == {(f"{number:03d}.pdf", 1) for number in range(17)}
    assert store.verify() == []


def test_a_library_that_grows_a_page_at_a_time_has_few_shards(store, quick_path):
    pending = begin(store, write(quick_path, "slow.pdf", "S"), pages=100)
    copies = 0
    for number in range(1, 101):
        before = {shard.key for shard in shards(store)}
        store.writer.commit(pending, [encoded(number, f"w{number}")], TOY.info)
        copies += sum(shard.pages for shard in shards(store) if shard.key not in before)
        assert len(shards(store)) <= 2 * compaction.MAX_SHARDS_OF_A_SIZE
    store.writer.finish(pending)
    assert copies <= 2 * 100  # each page once when it came, and once more
    row = store.find("slow.pdf")
    for number in (1, 17, 64, 100):
        expected = encoded(number, f"w{number}").embedding
        np.testing.assert_allclose(store.stored_page(row, number).codes / 127, expected.vectors, atol=0.5 / 127 + 1e-6)


def test_merging_ends_at_the_target(store, quick_path, monkeypatch):
    monkeypatch.setattr(compaction, "TARGET_PAGES", 10)
    fill(store, quick_path, 40)
    assert sorted(shard.pages for shard in shards(store)) == [10, 10, 10, 10]
    keys = {shard.key for shard in shards(store)}
    fill(store, quick_path, 2, first=40)
    assert keys < {shard.key for shard in shards(store)}


def test_merging_ends_at_the_target_of_bytes(store, quick_path, monkeypatch):
    fill(store, quick_path, 2)
    monkeypatch.setattr(compaction, "TARGET_BYTES", 4 * shards(store)[0].bytes)
    fill(store, quick_path, 20, first=2)
    assert max(shard.bytes for shard in shards(store)) < 2 * compaction.TARGET_BYTES
    assert max(shard.pages for shard in shards(store)) > 1


def test_a_reader_of_an_older_generation_goes_on_over_a_merge(store, quick_path):
    fill(store, quick_path, 16)
    with Store(store.path) as reader:
        before = reader.snapshot("default")
        codes = [part.shard.codes.tobytes() for part in before.shards]
        fill(store, quick_path, 1, first=16)
        assert len(shards(store)) == 1
        assert [part.shard.codes.tobytes() for part in before.shards] == codes
        assert pages_of(reader, "003.pdf") == pages_of(store, "003.pdf")
        assert len(reader.snapshot("default").shards) == 1 and reader.snapshot("default").pages == 17


def test_deleting_from_a_merged_shard_makes_the_pages_unreachable_and_rewrites_it_later(store, quick_path):
    fill(store, quick_path, 17)
    (shard,) = shards(store)
    for number in range(4):
        store.writer.delete(store.find(f"{number:03d}.pdf"))
    assert visible_pages(store) == {(f"{number:03d}.pdf", 1) for number in range(4, 17)}
    (part,) = store.snapshot("default").shards
    assert shards(store) == [shard] and (len(part.shard), int(part.live.sum())) == (17, 13)
    kept = pages_of(store, "010.pdf")
    store.writer.delete(store.find("004.pdf"))  # 5 of 17: more than a quarter
    (rewritten,) = shards(store)
    assert (rewritten.pages, rewritten.key > shard.key) == (12, True)
    assert pages_of(store, "010.pdf") == kept
    assert visible_pages(store) == {(f"{number:03d}.pdf", 1) for number in range(5, 17)}
    assert store.verify() == []


def test_compacting_leaves_nothing_dead_and_one_shard(store, quick_path):
    fill(store, quick_path, 20)
    store.writer.delete(store.find("003.pdf"))
    kept = {row.name: pages_of(store, row.name) for row in store.documents("default")}
    done = store.compact()
    (shard,) = shards(store)
    assert (done.shards_before, done.shards, shard.pages) == (4, 1, 19)
    assert {row.name: pages_of(store, row.name) for row in store.documents("default")} == kept
    again = store.compact()
    assert (again.shards, again.bytes) == (1, again.bytes_before) and shards(store) == [shard]


def test_a_replacement_on_its_way_is_merged_and_stays_hidden(store, quick_path):
    fill(store, quick_path, 16)
    pending = begin(store, write(quick_path, "000.pdf", "other"), pages=2)
    store.writer.commit(pending, [encoded(1, "new")], TOY.info)
    assert len(shards(store)) == 1
    assert visible_pages(store) == {(f"{number:03d}.pdf", 1) for number in range(16)}
    store.writer.commit(pending, [encoded(2, "pages")], TOY.info)
    assert store.writer.finish(pending) == ""
    assert ("000.pdf", 2) in visible_pages(store) and len(visible_pages(store)) == 17
    assert [store.page_text(store.find("000.pdf"), number) for number in (1, 2)] == ["new", "pages"]


def test_a_damaged_shard_is_not_merged_but_quarantined(store, quick_path):
    fill(store, quick_path, 16)
    path = store.files.shard_path("00000003.safetensors")
    data = bytearray(path.read_bytes())
    length = 8 + int.from_bytes(data[:8], "little")
    data[length] ^= 1  # a code
    path.write_bytes(data)
    fill(store, quick_path, 2, first=16)
    (damaged,) = store.known_damage()
    assert damaged.path == path and damaged.documents == ("002.pdf",)
    with pytest.raises(LibraryDamaged, match="codes of its page 1"):
        store.stored_page(store.find("002.pdf"), 1)
    assert visible_pages(store) == {(f"{number:03d}.pdf", 1) for number in range(18) if number != 2}
    assert store.compact().shards == 2 and path.exists()


def test_a_library_without_room_to_merge_still_takes_pages(store, quick_path, monkeypatch):
    """The merged shard cannot be written. What was committed stays."""

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    fill(store, quick_path, 16)
    with monkeypatch.context() as patch:
        patch.setattr(compaction, "write_shard", refuse)
        fill(store, quick_path, 1, first=16)
    assert len(shards(store)) == 17 and len(visible_pages(store)) == 17
    fill(store, quick_path, 1, first=17)
    assert len(shards(store)) == 1 and len(visible_pages(store)) == 18


_KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from colvision.store import Store, compaction, rows
where = sys.argv[2]
module = compaction if where == "write_shard" else rows.shards
original = getattr(module, where)
def then_die(*arguments, **options):
    done = original(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)
    return done
setattr(module, where, then_die)
with Store(Path(sys.argv[1])) as store:
    store.compact()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills with a signal")
@pytest.mark.parametrize("where", ["write_shard", "move_pages"])
def test_a_merge_that_is_killed_leaves_the_old_state(store, quick_path, where):
    fill(store, quick_path, 5)
    before = (shards(store), {row.name: pages_of(store, row.name) for row in store.documents("default")})
    done = subprocess.run([sys.executable, "-c", _KILLED, store.path, where, "."], capture_output=True)
    assert done.returncode == -9, done.stderr
    with Store(store.path) as again:
        assert (shards(again), {row.name: pages_of(again, row.name) for row in again.documents("default")}) == before
        assert again.verify() == []
        assert again.compact().shards == 1
        named = {row.file_name for row in shards(again)}
        assert {path.name for path in (again.path / "shards").iterdir()} == named


def test_what_is_deleted_leaves_no_word_in_the_catalogue(store, quick_path):
    """Neither its text, nor its words in the lists that text is found by, nor its name."""
    secrets = ("zanzibar", "quixotic")
    add(store, write(quick_path, "secretplan.pdf", "A"), *secrets)
    add(store, write(quick_path, "b.pdf", "B"), "public", "quiet")

    def found():
        data = b"".join(path.read_bytes() for path in store.path.glob("catalog.sqlite*"))
        return [word for word in (*secrets, "quixot", "secretplan") if word.encode() in data]

    assert len(found()) == 4
    store.writer.delete(store.find("secretplan.pdf"))
    assert found() == []
    with closing(sqlite3.connect(store.path / catalogue.FILE_NAME)) as raw:
        rows = raw.execute("SELECT text FROM page_text WHERE page_text MATCH 'public OR quiet'").fetchall()
    assert rows == [("public",), ("quiet",)]


def test_compact_is_refused_where_nothing_can_be_written(store, quick_path):
    fill(store, quick_path, 2)
    with Store(store.path, read_only=True) as reader, pytest.raises(LibraryReadOnly):
        reader.compact()


def test_a_reencoding_is_merged_as_well(store, quick_path):
    fill(store, quick_path, 18)
    ids = {row.name: row.id for row in store.documents("default")}
    other = ToyEncoder(seed=3)
    key = store.reencoding.begin("default", other.info)
    while (pending := store.reencoding.open_next(key)) is not None:
        store.writer.commit(pending, [encoded(1, f"w{int(pending.row.name[:3])}", encoder=other)], other.info)
        assert store.writer.finish(pending) == ""
        assert len(visible_pages(store)) == 18
    assert store.reencoding.swap(key)
    assert len(shards(store)) == 2 and len(visible_pages(store)) == 18
    (hit,) = Library(store, other).search("w4", k=1)
    assert (hit.document, hit.document_id) == ("004.pdf", ids["004.pdf"])
    assert store.verify() == []


def test_a_merged_shard_names_the_owners_of_its_pages(store, quick_path):
    fill(store, quick_path, 3)
    store.compact()
    assert Shard(store.files.shard_path(shards(store)[0].file_name)).owners.tolist() == [[1, 1], [2, 1], [3, 1]]
