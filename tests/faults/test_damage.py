"""Flipped bits, zeroed sectors, cut, emptied and removed files of every kind. `make soak` damages thousands."""

import shutil

import pytest

from colvision.errors import LibraryDamaged
from colvision.store import Store
from tests.faults.damage import Look, check_next_writer, make
from tests.faults.run import run
from tests.helpers.stores import add, write

pytestmark = pytest.mark.slow


def test_a_damaged_file_gives_no_wrong_answer_and_is_named():
    output = run("damage", 60)
    assert " damaged files, 0 faults" in output, output


def test_a_library_that_nothing_happened_to_is_found_intact(quick_path):
    bases = make(quick_path)
    assert bases
    for base in bases:
        look = Look(base.path, base.states, harmed=base.path)
        assert look.outcome() == "nothing" and look.modes == {"exact", "lists"}


def test_a_catalogue_that_was_emptied_is_no_new_library(quick_path):
    with Store(quick_path / "library") as store:
        add(store, write(quick_path, "a.pdf", "A"), "one")
    (quick_path / "library" / "catalog.sqlite").write_bytes(b"")
    with pytest.raises(LibraryDamaged, match="has lost all that it held: put a copy"):
        Store(quick_path / "library")
    assert len(list((quick_path / "library" / "files").iterdir())) == 1


@pytest.fixture
def left(quick_path):
    """A library as a killed writer leaves it: the documents c and d are in the log alone."""
    return make(quick_path)[0].path


def test_a_lost_log_is_named_and_takes_no_file_with_it(left):
    (left / "catalog.sqlite-wal").unlink()
    with Store(left) as store:
        assert [row.name for row in store.documents("default")] == ["a", "b"]
        (named,) = store.verify()
        assert named.kind == "log" and "catalog.sqlite is older than the files beside it" in named.reason
        assert store.known_damage() == [named]
    check_next_writer(left)
    with Store(left) as store:
        (named,) = store.verify()
        assert named.kind == "log" and f"lie in {left / 'lost'}: ingest what is in its files/ again" in named.reason
        assert sorted(path.read_text() for path in (left / "lost" / "files").iterdir()) == ["c.1.0", "d.2.0"]
        assert [row.name for row in store.documents("default")] == ["a", "b", "z"]
        shutil.rmtree(left / "lost")
        assert store.verify() == []


def test_what_a_lost_change_was_numbered_by_is_not_used_again(left):
    newer = shutil.copytree(left, left.with_name("newer"))
    (left / "catalog.sqlite-wal").unlink()
    check_next_writer(left)
    with Store(newer) as lost, Store(left) as store:
        (new,) = store.shards("default")[-1:]
        assert new.key > max(shard.key for shard in lost.shards("default"))
        assert store.find("z").key > max(row.key for row in lost.documents("default"))
        assert store.collection("default").generation > lost.collection("default").generation


def test_moving_files_to_lost_goes_on_after_an_interruption(left):
    (left / "catalog.sqlite-wal").unlink()
    with Store(left) as store:
        names = {row.file_name for row in store.shards("default")}
        store.files.move_to_lost(names, {row.file_name for row in store.documents("default")})
    check_next_writer(left)
    assert len(list((left / "lost" / "files").iterdir())) == 2
