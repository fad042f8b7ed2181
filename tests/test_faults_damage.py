"""Flipped bits, zeroed sectors, cut, emptied and removed files of every kind. `make soak` damages thousands."""

import pytest
from faults.damage import Look, make
from faults.run import run
from stores import add, write

from colvision.errors import LibraryDamaged
from colvision.store import Store


def test_a_damaged_file_gives_no_wrong_answer_and_is_named():
    said = run("damage", 50)
    assert " damaged files, 0 faults" in said, said


def test_a_library_that_nothing_happened_to_is_found_whole(quick_path):
    for base in make(quick_path):
        assert Look(base.path, base.states, harmed=base.path).outcome() == "nothing"


def test_a_catalogue_that_was_emptied_is_no_new_library(quick_path):
    with Store(quick_path / "library") as store:
        add(store, write(quick_path, "a.pdf", "A"), "one")
    (quick_path / "library" / "catalog.sqlite").write_bytes(b"")
    with pytest.raises(LibraryDamaged, match="has lost all that it held: put a copy"):
        Store(quick_path / "library")
    assert len(list((quick_path / "library" / "files").iterdir())) == 1
